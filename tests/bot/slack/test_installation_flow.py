"""The bot's own two pages of Slack's install flow: what they let in, what they refuse, and what they say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from bot.slack.installation_flow import COOKIE
from sandbox.slack.input_values import InvalidInteraction
from sandbox.slack.models import TEAM
from sandbox.slack.server import BOT_TOKEN
from storage.installations import MOST_TAKEN
from tests.sandbox.slack.installation_requests import REDIRECT_URL
from tests.support.multi_workspace_harness import (
    TWIN,
    MultiWorkspaceHarness,
    OffsetClock,
    multi_workspace_harness,
)


class InstallationVisit:
    """Somebody's browser, request by request; cookies are carried by hand, since here everything is http."""

    def __init__(self, harness: MultiWorkspaceHarness, session: aiohttp.ClientSession) -> None:
        self.town, self._session = harness, session
        self.cookie: str | None = None
        self.headers: dict[str, str] = {}

    async def get(self, path: str, **query: str) -> tuple[int, str]:
        """A page of the bot's; with the cookie that it has set before."""
        carried = {"Cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {}
        async with self._session.get(
            self.town.url + path, params=query, headers=carried, allow_redirects=False
        ) as answer:
            if (cookie := answer.cookies.get(COOKIE)) is not None:
                self.cookie = cookie.value
                self.cookie_words = cookie.OutputString()
            self.headers = dict(answer.headers)
            return answer.status, await answer.text()

    async def begin(self, **query: str) -> str:
        """Open the install page; the state that it sends along."""
        status, _ = await self.get("/slack/install", **query)
        assert status == 302
        [state] = parse_qs(urlsplit(self.headers["Location"]).query)["state"]
        return state

    async def allowed(self, team: str = TEAM) -> dict[str, str]:
        """Begin, and press Allow; what Slack's page leads back with, which is not opened yet."""
        await self.begin()
        address = self.headers["Location"]
        async with self._session.get(f"{address}&team={team}") as page:
            asked = (await page.text()).partition('name="asked" value="')[2].partition('"')[0]
        form = {"asked": asked, "team": team, "person": "anna", "press": "Allow"}
        async with self._session.post(
            f"{self.town.slack.url}/oauth/v2/authorize", data=form, allow_redirects=False
        ) as answer:
            query = urlsplit(answer.headers["Location"]).query
        return {name: value for name, [value] in parse_qs(query).items()}

    async def follow_redirect(self, **query: str) -> tuple[int, str]:
        return await self.get("/slack/oauth_redirect", **query)


@pytest.fixture
def hours() -> OffsetClock:
    return OffsetClock()


@pytest.fixture
async def harness(tmp_path: Path, hours: OffsetClock) -> AsyncIterator[MultiWorkspaceHarness]:
    async with multi_workspace_harness(tmp_path, now=hours) as opened:
        yield opened


@pytest.fixture
async def installation_visit(harness: MultiWorkspaceHarness) -> AsyncIterator[InstallationVisit]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield InstallationVisit(harness, session)


def heading(page: str) -> str:
    return page.partition("<h1>")[2].partition("</h1>")[0]


async def test_somebody_installs_the_app_and_is_told_what_to_do_next(harness: MultiWorkspaceHarness) -> None:
    with pytest.raises(InvalidInteraction):
        await harness.twin.users.command("anna", "builds", "/bitrise help")
    status, page = await harness.install(TWIN)
    assert (status, heading(page)) == (200, "Buildbell is installed in Twin")
    assert "/bitrise connect" in page
    assert "https://app.slack.com/client/T0TWIN" in page
    await harness.twin.ask("/bitrise help", "What you can type")
    assert set(harness.count_rows_with(TWIN)) == {
        "audit_chains",
        "audit_register",
        "deliveries",
        "installations",
    }


async def test_the_token_is_in_the_database_only_sealed(harness: MultiWorkspaceHarness) -> None:
    await harness.install()
    assert harness.count_rows_with(BOT_TOKEN) == {}
    for file in (harness.folder).iterdir():
        assert BOT_TOKEN.encode() not in file.read_bytes()


async def test_slacks_page_is_asked_for_our_scopes_and_leads_back_to_us_alone(
    installation_visit: InstallationVisit,
) -> None:
    await installation_visit.begin(
        redirect_uri=REDIRECT_URL, scope="admin", user_scope="admin", client_id="1.2"
    )
    asked = parse_qs(urlsplit(installation_visit.headers["Location"]).query, keep_blank_values=True)
    assert installation_visit.headers["Location"].startswith(
        f"{installation_visit.town.slack.url}/oauth/v2/authorize?"
    )
    assert asked["redirect_uri"] == [f"{installation_visit.town.url}/slack/oauth_redirect"]
    assert asked["user_scope"] == [""]
    assert "admin" not in asked["scope"][0].split(",")


async def test_of_the_query_only_a_workspaces_id_is_passed_on(installation_visit: InstallationVisit) -> None:
    for team in ("T0ACME", "T_ACME"):
        await installation_visit.begin(team=team)
        assert parse_qs(urlsplit(installation_visit.headers["Location"]).query)["team"] == [team]
    for forged in ("T0ACME&user_scope=admin", "T0ACME#", "../x", "t0acme", "T" * 101, "T0ACME\r\nX: y"):
        await installation_visit.begin(team=forged)
        asked = parse_qs(urlsplit(installation_visit.headers["Location"]).query)
        assert "team" not in asked
        assert "user_scope" not in asked
        assert "X" not in installation_visit.headers


async def test_the_cookie_is_out_of_reach_for_scripts_and_for_other_pages(
    installation_visit: InstallationVisit,
) -> None:
    state = await installation_visit.begin()
    assert installation_visit.cookie == state
    for word in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=600"):
        assert word in installation_visit.cookie_words
    await installation_visit.follow_redirect(error="access_denied", state=state)
    assert installation_visit.cookie == "deleted"


async def test_each_page_is_kept_nowhere_and_runs_nothing(installation_visit: InstallationVisit) -> None:
    for page in (
        installation_visit.begin(),
        installation_visit.follow_redirect(error="access_denied"),
        installation_visit.follow_redirect(),
    ):
        await page
        assert installation_visit.headers["Cache-Control"] == "no-store"
        assert installation_visit.headers["Referrer-Policy"] == "no-referrer"
        policy = installation_visit.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
    code = await installation_visit.allowed()
    status, page_ = await installation_visit.follow_redirect(**code)
    assert status == 200
    assert "<script" not in page_
    assert "default-src 'none'" in installation_visit.headers["Content-Security-Policy"]


async def test_cancel_says_so_and_ends_the_state(installation_visit: InstallationVisit) -> None:
    code = await installation_visit.allowed()
    cookie = installation_visit.cookie
    status, page = await installation_visit.follow_redirect(error="access_denied", state=code["state"])
    assert (status, heading(page)) == (200, "Nothing was installed")
    assert f'href="{installation_visit.town.url}/slack/install"' in page
    installation_visit.cookie = cookie
    status, page = await installation_visit.follow_redirect(**code)
    assert (status, heading(page)) == (400, "Please start again")
    await nothing_is_installed(installation_visit.town)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"state": "made-up"}, "another browser"),
        ({"state": ""}, "another browser"),
        ({"code": ""}, "incomplete"),
        ({"code": "made-up"}, "its own code"),
    ],
)
async def test_a_changed_answer_installs_nothing_and_says_what_to_do(
    installation_visit: InstallationVisit, changed: dict[str, str], words: str
) -> None:
    answer = {
        name: value for name, value in ((await installation_visit.allowed()) | changed).items() if value
    }
    status, page = await installation_visit.follow_redirect(**answer)
    assert status == 400
    assert words in page
    assert "/slack/install" in page
    await nothing_is_installed(installation_visit.town)


async def test_a_state_that_was_guessed_with_its_cookie_is_nobodys(
    installation_visit: InstallationVisit,
) -> None:
    code = await installation_visit.allowed()
    installation_visit.cookie = "guessed"
    status, page = await installation_visit.follow_redirect(code=code["code"], state="guessed")
    assert (status, "has expired" in page) == (400, True)
    await nothing_is_installed(installation_visit.town)


async def test_another_browsers_answer_is_not_taken(installation_visit: InstallationVisit) -> None:
    # Somebody leads a person to the end of an installation that they have begun themselves.
    code = await installation_visit.allowed()
    for theirs in (None, "deleted"):
        installation_visit.cookie = theirs
        status, page = await installation_visit.follow_redirect(**code)
        assert (status, "another browser" in page) == (400, True)
    await installation_visit.begin()
    status, page = await installation_visit.follow_redirect(**code)
    assert (status, "another browser" in page) == (400, True)
    await nothing_is_installed(installation_visit.town)


async def test_an_answer_works_once(installation_visit: InstallationVisit) -> None:
    code = await installation_visit.allowed()
    cookie = installation_visit.cookie
    assert (await installation_visit.follow_redirect(**code))[0] == 200
    assert (await installation_visit.follow_redirect(**code))[0] == 400
    installation_visit.cookie = cookie
    status, page = await installation_visit.follow_redirect(**code)
    assert (status, "already complete" in page) == (400, True)
    again = await installation_visit.allowed()
    status, page = await installation_visit.follow_redirect(**(again | {"code": code["code"]}))
    assert (status, "already complete" in page) == (400, True)


async def test_a_state_is_taken_once_whatever_code_comes_with_it(
    installation_visit: InstallationVisit,
) -> None:
    first = await installation_visit.allowed()
    cookie = installation_visit.cookie
    assert (await installation_visit.follow_redirect(**first))[0] == 200
    other = await installation_visit.allowed()
    asked = len(installation_visit.town.calls("oauth.v2.access"))
    installation_visit.cookie = cookie
    status, page = await installation_visit.follow_redirect(**(first | {"code": other["code"]}))
    assert (status, "already complete" in page) == (400, True)
    assert len(installation_visit.town.calls("oauth.v2.access")) == asked == 2  # the start's, and the first


async def test_a_state_lives_ten_minutes(installation_visit: InstallationVisit, hours: OffsetClock) -> None:
    code = await installation_visit.allowed()
    hours.passed += timedelta(minutes=10, seconds=1)
    status, page = await installation_visit.follow_redirect(**code)
    assert (status, "has expired" in page) == (400, True)
    await nothing_is_installed(installation_visit.town)


async def test_nothing_of_the_address_is_shown(installation_visit: InstallationVisit) -> None:
    for word in ("<script>alert(1)</script>", "access_denied<b>", "x" * 2_000, "a_word_of_slacks"):
        status, page = await installation_visit.follow_redirect(error=word, state=word, code=word)
        assert (status, heading(page)) == (400, "Nothing was installed")
        assert word not in page
        assert "<b>" not in page


async def test_somebody_whom_slack_refuses_never_comes_back(harness: MultiWorkspaceHarness) -> None:
    status, page = await harness.install(TWIN, user="carla")
    assert (status, "Guests can&#x27;t install apps" in page) == (403, True)
    await nothing_is_installed(harness)


async def test_slack_that_gives_no_answer_is_told_as_that(installation_visit: InstallationVisit) -> None:
    for kind in ("dropped", "html"):
        code = await installation_visit.allowed()
        installation_visit.town.slack.fault("oauth.v2.access", kind)
        status, page = await installation_visit.follow_redirect(**code)
        assert (status, heading(page)) == (502, "Slack did not respond")
    code = await installation_visit.allowed()
    installation_visit.town.slack.fault("auth.test", "dropped")
    assert (await installation_visit.follow_redirect(**code))[0] == 502
    await nothing_is_installed(installation_visit.town)


async def test_what_breaks_in_the_bot_is_said_without_a_word_of_it(
    installation_visit: InstallationVisit, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage.installations import Installations

    async def broken(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(Installations, "async_save", broken)
    status, page = await installation_visit.follow_redirect(**await installation_visit.allowed())
    assert (status, heading(page)) == (500, "Something went wrong")
    assert "disk" not in page


async def test_a_code_is_in_no_log(
    installation_visit: InstallationVisit, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    taken = await installation_visit.allowed()
    installation_visit.town.slack.fault("oauth.v2.access", "error", words="bad_redirect_uri")
    assert (await installation_visit.follow_redirect(**taken))[0] == 400
    good = await installation_visit.allowed()
    assert (await installation_visit.follow_redirect(**good))[0] == 200
    said = "".join([*capfd.readouterr(), caplog.text])
    assert "bad_redirect_uri" in said
    assert "install.done" in said
    for secret in (taken["code"], good["code"], good["state"], BOT_TOKEN):
        assert secret not in said


async def test_the_fingerprint_of_a_state_that_was_taken_is_all_that_is_kept_of_it(
    installation_visit: InstallationVisit,
) -> None:
    code = await installation_visit.allowed()
    await installation_visit.begin()
    assert await installation_visit.town.rows("SELECT * FROM oauth_states") == []
    installation_visit.cookie = code["state"]
    await installation_visit.follow_redirect(**code)
    assert len(await installation_visit.town.rows("SELECT * FROM oauth_states")) == 1
    assert installation_visit.town.count_rows_with(code["state"]) == {}


async def test_a_state_of_which_one_letter_was_changed_is_nobodys(
    installation_visit: InstallationVisit,
) -> None:
    code = await installation_visit.allowed()
    for at in (0, 20, len(code["state"]) - 1):
        letter = "0" if code["state"][at] != "0" else "1"
        installation_visit.cookie = state = code["state"][:at] + letter + code["state"][at + 1 :]
        status, page = await installation_visit.follow_redirect(code=code["code"], state=state)
        assert (status, "has expired" in page) == (400, True)
    await nothing_is_installed(installation_visit.town)


async def test_many_who_come_back_at_once_are_let_through_sixty_a_minute(
    installation_visit: InstallationVisit, hours: OffsetClock
) -> None:
    statuses = []
    for _ in range(MOST_TAKEN + 1):
        installation_visit.cookie = state = await installation_visit.begin()
        statuses.append((await installation_visit.follow_redirect(state=state))[0])
    assert statuses == [400] * MOST_TAKEN + [503]
    assert len(await installation_visit.town.rows("SELECT * FROM oauth_states")) == MOST_TAKEN
    hours.passed += timedelta(minutes=1)
    assert (await installation_visit.follow_redirect(**await installation_visit.allowed()))[0] == 200


async def test_to_ask_whether_the_page_is_there_begins_nothing(installation_visit: InstallationVisit) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.head(f"{installation_visit.town.url}/slack/install") as answer,
    ):
        assert answer.status == 405
    assert "Set-Cookie" not in answer.headers


async def nothing_is_installed(harness: MultiWorkspaceHarness) -> None:
    for team in (TEAM, TWIN):
        assert harness.count_rows_with(team) == {}
