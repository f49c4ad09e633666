"""The bot's two pages of Slack's installation flow: what they accept, refuse and show."""

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
from storage.installations import MAX_INSTALLATIONS
from tests.sandbox.slack.installation_requests import REDIRECT_URL
from tests.support.multi_workspace_harness import (
    TWIN,
    MultiWorkspaceHarness,
    OffsetClock,
    multi_workspace_harness,
)


class InstallationVisit:
    """A browser, request by request; the cookie is sent by hand, since it is only for https."""

    def __init__(self, harness: MultiWorkspaceHarness, session: aiohttp.ClientSession) -> None:
        self.harness, self._session = harness, session
        self.cookie: str | None = None
        self.headers: dict[str, str] = {}

    async def get(self, path: str, **query: str) -> tuple[int, str]:
        """Request a page of the bot, with the cookie that it has set."""
        carried = {"Cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {}
        async with self._session.get(
            self.harness.url + path, params=query, headers=carried, allow_redirects=False
        ) as answer:
            if (cookie := answer.cookies.get(COOKIE)) is not None:
                self.cookie = cookie.value
                self.cookie_header = cookie.OutputString()
            self.headers = dict(answer.headers)
            return answer.status, await answer.text()

    async def start(self, **query: str) -> str:
        """Open the install page, and return the state of its redirect."""
        status, _ = await self.get("/slack/install", **query)
        assert status == 302
        [state] = parse_qs(urlsplit(self.headers["Location"]).query)["state"]
        return state

    async def allow(self, team: str = TEAM) -> dict[str, str]:
        """Start and press Allow; returns the parameters of Slack's redirect, which is not followed yet."""
        await self.start()
        address = self.headers["Location"]
        async with self._session.get(f"{address}&team={team}") as page:
            asked = (await page.text()).partition('name="asked" value="')[2].partition('"')[0]
        form = {"asked": asked, "team": team, "person": "anna", "press": "Allow"}
        async with self._session.post(
            f"{self.harness.slack.url}/oauth/v2/authorize", data=form, allow_redirects=False
        ) as answer:
            query = urlsplit(answer.headers["Location"]).query
        return {name: value for name, [value] in parse_qs(query).items()}

    async def follow_redirect(self, **query: str) -> tuple[int, str]:
        return await self.get("/slack/oauth_redirect", **query)


@pytest.fixture
def clock() -> OffsetClock:
    return OffsetClock()


@pytest.fixture
async def harness(tmp_path: Path, clock: OffsetClock) -> AsyncIterator[MultiWorkspaceHarness]:
    async with multi_workspace_harness(tmp_path, now=clock) as opened:
        yield opened


@pytest.fixture
async def installation_visit(harness: MultiWorkspaceHarness) -> AsyncIterator[InstallationVisit]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield InstallationVisit(harness, session)


def heading(page: str) -> str:
    return page.partition("<h1>")[2].partition("</h1>")[0]


async def test_a_user_installs_the_app_and_sees_the_next_steps(harness: MultiWorkspaceHarness) -> None:
    with pytest.raises(InvalidInteraction):
        await harness.twin.users.command("anna", "builds", "/bitrise help")
    status, page = await harness.install(TWIN)
    assert (status, heading(page)) == (200, "Buildbell is installed in Twin")
    assert "/bitrise connect" in page
    assert "https://app.slack.com/client/T0TWIN" in page
    await harness.twin.ask("/bitrise help", "Commands")
    # That a command was begun is stored only if it may change something.
    assert set(harness.count_rows_with(TWIN)) == {"installations"}
    await harness.twin.ask("/bitrise disconnect", "")
    assert set(harness.count_rows_with(TWIN)) == {
        "audit_chains",
        "audit_register",
        "deliveries",
        "installations",
    }


async def test_the_token_is_stored_only_encrypted(harness: MultiWorkspaceHarness) -> None:
    await harness.install()
    assert harness.count_rows_with(BOT_TOKEN) == {}
    for file in (harness.folder).iterdir():
        assert BOT_TOKEN.encode() not in file.read_bytes()


async def test_slacks_page_gets_only_our_scopes_and_our_redirect_url(
    installation_visit: InstallationVisit,
) -> None:
    await installation_visit.start(
        redirect_uri=REDIRECT_URL, scope="admin", user_scope="admin", client_id="1.2"
    )
    query = parse_qs(urlsplit(installation_visit.headers["Location"]).query, keep_blank_values=True)
    assert installation_visit.headers["Location"].startswith(
        f"{installation_visit.harness.slack.url}/oauth/v2/authorize?"
    )
    assert query["redirect_uri"] == [f"{installation_visit.harness.url}/slack/oauth_redirect"]
    assert query["user_scope"] == [""]
    assert "admin" not in query["scope"][0].split(",")


async def test_only_a_valid_workspace_id_of_the_query_is_passed_on(
    installation_visit: InstallationVisit,
) -> None:
    for team in ("T0ACME", "T_ACME"):
        await installation_visit.start(team=team)
        assert parse_qs(urlsplit(installation_visit.headers["Location"]).query)["team"] == [team]
    for forged in ("T0ACME&user_scope=admin", "T0ACME#", "../x", "t0acme", "T" * 101, "T0ACME\r\nX: y"):
        await installation_visit.start(team=forged)
        query = parse_qs(urlsplit(installation_visit.headers["Location"]).query)
        assert "team" not in query
        assert "user_scope" not in query
        assert "X" not in installation_visit.headers


async def test_scripts_and_other_pages_can_not_use_the_cookie(
    installation_visit: InstallationVisit,
) -> None:
    state = await installation_visit.start()
    assert installation_visit.cookie == state
    for word in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=600"):
        assert word in installation_visit.cookie_header
    await installation_visit.follow_redirect(error="access_denied", state=state)
    assert installation_visit.cookie == "deleted"


async def test_pages_are_not_cached_and_run_no_scripts(installation_visit: InstallationVisit) -> None:
    for page in (
        installation_visit.start(),
        installation_visit.follow_redirect(error="access_denied"),
        installation_visit.follow_redirect(),
    ):
        await page
        assert installation_visit.headers["Cache-Control"] == "no-store"
        assert installation_visit.headers["Referrer-Policy"] == "no-referrer"
        policy = installation_visit.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
    code = await installation_visit.allow()
    status, page_ = await installation_visit.follow_redirect(**code)
    assert status == 200
    assert "<script" not in page_
    assert "default-src 'none'" in installation_visit.headers["Content-Security-Policy"]


async def test_cancelling_is_confirmed_and_ends_the_state(installation_visit: InstallationVisit) -> None:
    code = await installation_visit.allow()
    cookie = installation_visit.cookie
    status, page = await installation_visit.follow_redirect(error="access_denied", state=code["state"])
    assert (status, heading(page)) == (200, "Nothing was installed")
    assert f'href="{installation_visit.harness.url}/slack/install"' in page
    installation_visit.cookie = cookie
    status, page = await installation_visit.follow_redirect(**code)
    assert (status, heading(page)) == (400, "Start again")
    await assert_nothing_installed(installation_visit.harness)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"state": "made-up"}, "another browser"),
        ({"state": ""}, "another browser"),
        ({"code": ""}, "incomplete"),
        ({"code": "made-up"}, "its own code"),
    ],
)
async def test_a_changed_redirect_installs_nothing_and_says_what_to_do(
    installation_visit: InstallationVisit, changed: dict[str, str], expected: str
) -> None:
    answer = {name: value for name, value in ((await installation_visit.allow()) | changed).items() if value}
    status, page = await installation_visit.follow_redirect(**answer)
    assert status == 400
    assert expected in page
    assert "/slack/install" in page
    await assert_nothing_installed(installation_visit.harness)


async def test_a_guessed_state_with_its_cookie_is_refused(
    installation_visit: InstallationVisit,
) -> None:
    code = await installation_visit.allow()
    installation_visit.cookie = "guessed"
    status, page = await installation_visit.follow_redirect(code=code["code"], state="guessed")
    assert (status, "has expired" in page) == (400, True)
    await assert_nothing_installed(installation_visit.harness)


async def test_a_redirect_of_another_browser_is_refused(installation_visit: InstallationVisit) -> None:
    # An attacker leads a user to the end of an installation that the attacker has started.
    code = await installation_visit.allow()
    for other_cookie in (None, "deleted"):
        installation_visit.cookie = other_cookie
        status, page = await installation_visit.follow_redirect(**code)
        assert (status, "another browser" in page) == (400, True)
    await installation_visit.start()
    status, page = await installation_visit.follow_redirect(**code)
    assert (status, "another browser" in page) == (400, True)
    await assert_nothing_installed(installation_visit.harness)


async def test_a_redirect_works_once(installation_visit: InstallationVisit) -> None:
    code = await installation_visit.allow()
    cookie = installation_visit.cookie
    assert (await installation_visit.follow_redirect(**code))[0] == 200
    assert (await installation_visit.follow_redirect(**code))[0] == 400
    installation_visit.cookie = cookie
    status, page = await installation_visit.follow_redirect(**code)
    assert (status, "already complete" in page) == (400, True)
    second = await installation_visit.allow()
    status, page = await installation_visit.follow_redirect(**(second | {"code": code["code"]}))
    assert (status, "already complete" in page) == (400, True)


async def test_a_state_works_once_with_any_code(
    installation_visit: InstallationVisit,
) -> None:
    first = await installation_visit.allow()
    cookie = installation_visit.cookie
    assert (await installation_visit.follow_redirect(**first))[0] == 200
    other = await installation_visit.allow()
    query = len(installation_visit.harness.calls("oauth.v2.access"))
    installation_visit.cookie = cookie
    status, page = await installation_visit.follow_redirect(**(first | {"code": other["code"]}))
    assert (status, "already complete" in page) == (400, True)
    assert (
        len(installation_visit.harness.calls("oauth.v2.access")) == query == 2
    )  # at the start, and for the first code


async def test_a_state_expires_after_ten_minutes(
    installation_visit: InstallationVisit, clock: OffsetClock
) -> None:
    code = await installation_visit.allow()
    clock.passed += timedelta(minutes=10, seconds=1)
    status, page = await installation_visit.follow_redirect(**code)
    assert (status, "has expired" in page) == (400, True)
    await assert_nothing_installed(installation_visit.harness)


async def test_the_page_shows_nothing_of_its_query(installation_visit: InstallationVisit) -> None:
    for word in ("<script>alert(1)</script>", "access_denied<b>", "x" * 2_000, "a_word_of_slacks"):
        status, page = await installation_visit.follow_redirect(error=word, state=word, code=word)
        assert (status, heading(page)) == (400, "Nothing was installed")
        assert word not in page
        assert "<b>" not in page


async def test_a_user_whom_slack_refuses_installs_nothing(harness: MultiWorkspaceHarness) -> None:
    status, page = await harness.install(TWIN, user="carla")
    assert (status, "Guests can&#x27;t install apps" in page) == (403, True)
    await assert_nothing_installed(harness)


async def test_a_missing_response_of_slack_is_reported(installation_visit: InstallationVisit) -> None:
    for kind in ("dropped", "html"):
        code = await installation_visit.allow()
        installation_visit.harness.slack.fault("oauth.v2.access", kind)
        status, page = await installation_visit.follow_redirect(**code)
        assert (status, heading(page)) == (502, "Slack did not respond")
    code = await installation_visit.allow()
    installation_visit.harness.slack.fault("auth.test", "dropped")
    assert (await installation_visit.follow_redirect(**code))[0] == 502
    await assert_nothing_installed(installation_visit.harness)


async def test_an_error_in_the_bot_is_reported_without_details(
    installation_visit: InstallationVisit, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage.installations import Installations

    async def broken(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(Installations, "async_save", broken)
    status, page = await installation_visit.follow_redirect(**await installation_visit.allow())
    assert (status, heading(page)) == (500, "The installation failed")
    assert "disk" not in page


async def test_codes_are_not_logged(
    installation_visit: InstallationVisit, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    used = await installation_visit.allow()
    installation_visit.harness.slack.fault("oauth.v2.access", "error", words="bad_redirect_uri")
    assert (await installation_visit.follow_redirect(**used))[0] == 400
    valid = await installation_visit.allow()
    assert (await installation_visit.follow_redirect(**valid))[0] == 200
    text = "".join([*capfd.readouterr(), caplog.text])
    assert "bad_redirect_uri" in text
    assert "install.done" in text
    for secret in (used["code"], valid["code"], valid["state"], BOT_TOKEN):
        assert secret not in text


async def test_only_the_fingerprint_of_a_used_state_is_stored(
    installation_visit: InstallationVisit,
) -> None:
    code = await installation_visit.allow()
    await installation_visit.start()
    assert await installation_visit.harness.rows("SELECT * FROM oauth_states") == []
    installation_visit.cookie = code["state"]
    await installation_visit.follow_redirect(**code)
    assert len(await installation_visit.harness.rows("SELECT * FROM oauth_states")) == 1
    assert installation_visit.harness.count_rows_with(code["state"]) == {}


async def test_a_state_with_one_changed_letter_is_refused(
    installation_visit: InstallationVisit,
) -> None:
    code = await installation_visit.allow()
    for at in (0, 20, len(code["state"]) - 1):
        letter = "0" if code["state"][at] != "0" else "1"
        installation_visit.cookie = state = code["state"][:at] + letter + code["state"][at + 1 :]
        status, page = await installation_visit.follow_redirect(code=code["code"], state=state)
        assert (status, "has expired" in page) == (400, True)
    await assert_nothing_installed(installation_visit.harness)


async def test_at_most_sixty_redirects_a_minute_are_accepted(
    installation_visit: InstallationVisit, clock: OffsetClock
) -> None:
    statuses = []
    for _ in range(MAX_INSTALLATIONS + 1):
        installation_visit.cookie = state = await installation_visit.start()
        statuses.append((await installation_visit.follow_redirect(state=state))[0])
    assert statuses == [400] * MAX_INSTALLATIONS + [503]
    assert len(await installation_visit.harness.rows("SELECT * FROM oauth_states")) == MAX_INSTALLATIONS
    clock.passed += timedelta(minutes=1)
    assert (await installation_visit.follow_redirect(**await installation_visit.allow()))[0] == 200


async def test_a_head_request_starts_no_installation(installation_visit: InstallationVisit) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.head(f"{installation_visit.harness.url}/slack/install") as answer,
    ):
        assert answer.status == 405
    assert "Set-Cookie" not in answer.headers


async def assert_nothing_installed(harness: MultiWorkspaceHarness) -> None:
    for team in (TEAM, TWIN):
        assert harness.count_rows_with(team) == {}
