"""The Home tab, as users see and use it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.app import utc_now
from messages import home as message_home
from messages.accounts import ConnectedAccount
from messages.home import HomeContent
from messages.profile_form import ProfileForm
from messages.subscriptions import ProviderUnavailable
from providers.bitrise.provider import BITRISE
from sandbox.slack.transcript import home_text
from services.home.refresher import OpenHome
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.factories import NOON
from tests.support.presentations import AT_BITRISE


def home_of(harness: BotHarness, person: str = "U0ANNA") -> str:
    home = harness.slack.workspace.homes.get(person)
    return home_text(home, harness.slack.workspace.mention_names) if home else ""


async def shows(harness: BotHarness, *texts: str, without: str = "", person: str = "U0ANNA") -> str:
    def find_text() -> str | None:
        text = home_of(harness, person)
        return text if all(part in text for part in texts) and (not without or without not in text) else None

    try:
        return await harness.slack.workspace.wait_for(find_text, 30, f"{texts} on the Home")
    except TimeoutError as error:
        raise TimeoutError(f"{error}; there is:\n{home_of(harness, person)}") from None


async def test_a_new_user_sees_the_first_steps_and_they_work(harness: BotHarness) -> None:
    harness.users.open_home("anna")
    await shows(harness, "FIRST STEPS", "Nothing is running", "Not connected.")
    await harness.users.set_value("anna", "Change your Bitrise name and notifications")
    await harness.slack.wait_for_modal("anna", "Your name at Bitrise")
    await harness.users.submit("anna", {"name": "octo", "told": ["Direct messages when your builds finish"]})
    await shows(
        harness,
        "Your builds: by `octo`",
        "🔔 Direct messages when your builds finish: on",
        without="FIRST STEPS",
    )


@pytest.mark.parametrize(
    "fault", [{"kind": "error", "words": "missing_scope"}, {"kind": "html"}, {"kind": "dropped"}]
)
async def test_home_says_what_is_missing_when_slack_fails(harness: BotHarness, fault: dict[str, Any]) -> None:
    await harness.ask("/bitrise subscribe android status:failed", "subscribed")
    await harness.users.command("anna", "D0ANNA", "/bitrise subscribe ios")
    await harness.wait_for_message("Sample iOS", channel="D0ANNA")
    allowed = "isn't allowed to" if "words" in fault else "can't"
    own, others = "in your direct messages", "in #builds"

    harness.slack.fault("conversations.open", times=10**6, **fault)
    harness.users.open_home("anna")
    said = await shows(harness, others, "Your own subscriptions are missing here", "YOUR BITRISE ACCOUNT")
    assert allowed in said
    assert own not in said
    assert "Direct messages when your builds finish" not in said

    harness.slack.fault("users.conversations", times=10**6, **fault)
    harness.users.open_home("anna")
    said = await shows(harness, "Some channels' subscriptions are missing here", without=others)
    assert "There are none" not in said

    harness.slack.api.faults.clear()
    harness.slack.fault("users.conversations", times=10**6, **fault)
    harness.users.open_home("anna")
    await shows(harness, own, "Some channels' subscriptions are missing here", without=others)

    harness.slack.api.faults.clear()
    harness.users.open_home("anna")
    await shows(harness, own, others, "Direct messages when your builds finish", without="missing here")


async def test_home_says_that_builds_are_missing_when_bitrise_fails(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed", person="ben")
    await harness.connect("anna")
    harness.bitrise.fault("*", "status", times=10**6, status=503)
    harness.users.open_home("anna")
    await shows(harness, "Some builds are missing here", "Sample Android: all finished builds", "[Change…]")


async def test_home_shows_a_running_build_and_aborts_it(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    harness.users.open_home("anna")
    await shows(harness, "Sample Android #1 is running", "[Abort…]")
    await harness.users.set_value("anna", "Abort…")
    await harness.slack.wait_for_modal("anna", "at once and posts your name")
    await harness.users.submit("anna", {"reason": "not needed"})
    await shows(harness, "Nothing is running", without="[Abort…]")
    await harness.wait_for_message("anna aborted Sample Android #1: not needed", channel="D0ANNA")


async def test_home_is_redrawn_when_a_build_ends_only_while_it_is_open(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    for person in ("anna", "ben"):
        harness.users.open_home(person)
    await shows(harness, "Sample Android #1 is running")
    await shows(harness, "Sample Android #1 is running", person="U0BEN")
    harness.users.open_home("ben", tab="messages")
    harness.bitrise.finish(build, "error")
    await shows(harness, "Nothing is running")
    assert "is running" in home_of(harness, "U0BEN")


async def test_home_shows_own_builds_and_finds_an_app(harness: BotHarness) -> None:
    await harness.ask("/bitrise trigger android branch:main", "started")
    harness.users.open_home("anna")
    await shows(harness, "YOUR LATEST BUILDS", "Sample Android #1")
    web = (await harness.users.options("anna", "pick_app", "web"))[0]
    await harness.users.set_value("anna", "pick_app", web)
    opened = await harness.slack.wait_for_modal("anna", "Web Shop: nothing is running")
    assert "[Start a build…]" in harness.slack.modal_text(opened)
    await harness.users.set_value("anna", "Start a build…")
    await harness.slack.wait_for_modal("anna", "Workflow or pipeline")
    assert len(harness.slack.workspace.views["U0ANNA"]) == 2


async def test_home_pauses_edits_and_ends_subscriptions_of_the_users_channels(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android status:failed", "subscribed", person="ben")
    harness.users.open_home("anna")
    await shows(harness, "Sample Android: all failures", "in #builds")
    await harness.users.set_value("anna", "Pause")
    await shows(harness, "Paused.", "[Resume]")
    await harness.wait_for_message("anna paused notifications for Sample Android: all failures", person=None)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    await harness.wait_for_poll()
    await harness.users.set_value("anna", "Resume")
    await shows(harness, "[Pause]", without="Paused.")
    await harness.users.set_value("anna", "Edit")
    await harness.slack.wait_for_modal("anna", "Notifications for Sample Android")
    await harness.users.submit("anna", {"results": ["All aborts"]})
    await shows(harness, "Sample Android: all aborts")
    await harness.users.set_value("anna", "Unsubscribe")
    await shows(harness, "There are none.", without="all aborts")
    await harness.wait_for_message("anna removed a subscription to Sample Android", person=None)
    assert not harness.messages_with("Sample Android #1 failed")


async def test_home_subscribes_a_channel_and_shows_an_error_at_its_field(
    harness: BotHarness,
) -> None:
    harness.users.open_home("anna")
    await shows(harness, "[Subscribe…]")
    await harness.users.set_value("anna", "Subscribe…")
    await harness.slack.wait_for_modal("anna", "Exclude branches")
    app = (await harness.users.options("anna", "pick_app", "andr"))[0]
    await harness.users.set_value("anna", "pick_app", app)
    await harness.users.submit("anna", {"app": app, "channel": "G0RELEASE", "more": "by:@me"})
    opened = await harness.slack.wait_for_modal("anna", "/invite @buildbell")
    assert list(opened.errors) == ["channel"]
    await harness.users.submit("anna", {"channel": "C0RANDOM"})
    await harness.wait_for_message("anna subscribed to", channel="random")
    await shows(harness, "Sample Android: all finished builds", "in #random")
    await harness.users.set_value("anna", "Subscribe…")
    await harness.slack.wait_for_modal("anna", "Exclude branches")
    await harness.users.submit("anna", {"app": app})
    await shows(harness, "in your direct messages")


async def test_home_hides_subscriptions_of_channels_that_the_user_is_not_in(harness: BotHarness) -> None:
    secret = harness.slack.workspace.add_channel("secret", private=True)
    harness.users.invite("secret")
    secret.members.discard("U0BEN")
    await harness.ask("/bitrise subscribe android", "subscribed", channel="secret")
    harness.users.open_home("anna")
    await shows(harness, "in #secret")
    harness.users.open_home("ben")
    said = await shows(harness, "There are none.", person="U0BEN")
    assert "secret" not in said
    # A forged or outdated button: the id alone grants no access.
    harness.slack.workspace.homes["U0BEN"] = harness.slack.workspace.homes["U0ANNA"]
    await harness.users.set_value("ben", "Unsubscribe")
    await harness.slack.wait_for_modal("ben", "This subscription no longer exists")
    await shows(harness, "in #secret")


async def test_home_shows_builds_of_subscribed_apps_if_all_builds_can_not_be_listed(
    harness: BotHarness,
) -> None:
    harness.bitrise.fault("GET /v0.1/builds", "status", status=404, times=1000)
    await harness.ask("/bitrise subscribe android", "subscribed")
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    harness.users.open_home("anna")
    await shows(harness, "Sample Android #1 is running")
    harness.bitrise.finish(build)
    await shows(harness, "Nothing is running in apps with a subscription here")


async def test_home_is_published_within_slacks_rate_limits(tmp_path: Any) -> None:
    async with bot_harness(tmp_path) as harness:
        harness.users.open_home("anna")
        await shows(harness, "Nothing is running")
        await harness.ask("/bitrise subscribe android style:thread", "subscribed")
        for _ in range(30):
            harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
        await harness.wait_for_message("Sample Android #30 passed", person=None)
        await shows(harness, "Nothing is running")
        methods = [request.title for request in harness.slack.request_log.entries]
        assert methods.count("views.publish") < 12
        assert methods.count("conversations.open") + methods.count("users.conversations") <= 2
        assert harness.slack.violations == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            HomeContent(ProfileForm(), None, False, [AT_BITRISE], AT_BITRISE),
            "Until then you only see apps that your channels are subscribed to",
        ),
        (
            HomeContent(ProfileForm(), ConnectedAccount(name="octo"), False, [AT_BITRISE], AT_BITRISE),
            "Connected as `octo`.",
        ),
        (
            HomeContent(
                ProfileForm(), ConnectedAccount(name="octo", works=False), False, [AT_BITRISE], AT_BITRISE
            ),
            "rejected your token",
        ),
        (
            HomeContent(
                ProfileForm(),
                None,
                service_acts=True,
                providers=[AT_BITRISE],
                build_list=AT_BITRISE,
                outages=[ProviderUnavailable(BITRISE, NOON, "<gone>")],
            ),
            "No updates from Bitrise since",
        ),
    ],
)
def test_home_describes_the_account_and_outages(content: HomeContent, said: str) -> None:
    assert said in home_text(message_home.render_home(content, now=NOON), {})


async def test_an_unchanged_home_is_not_published_again(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe web", "subscribed")
    harness.users.open_home("anna")
    await shows(harness, "Web Shop: all finished builds")

    def reads() -> int:
        return sum(
            request.path == "/v0.1/builds" and "status" in request.query
            for request in harness.bitrise.requests
        )

    before = reads()
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.web))
    await harness.wait_for_message("Web Shop #1 passed", person=None)
    await harness.wait_until(lambda: reads() > before)
    await harness.wait_for_poll()
    assert [request.title for request in harness.slack.request_log.entries].count("views.publish") == 1


async def test_home_hides_builds_of_an_app_that_the_user_has_lost(tmp_path: Path) -> None:
    later = timedelta(0)
    harness = BotHarness(tmp_path, now=lambda: utc_now() + later, settings={"service_token_acts": "0"})
    await harness.open()
    try:
        await harness.start_bot()
        await harness.connect("ben")
        harness.bitrise.start_running(harness.bitrise.start_build(harness.bitrise.ios))
        harness.users.open_home("ben")
        await shows(harness, "Sample iOS #1 is running", person="U0BEN")
        harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
        later = timedelta(minutes=2)
        harness.users.open_home("ben")
        await shows(harness, "Nothing is running", person="U0BEN")
    finally:
        await harness.close()


async def test_a_running_build_of_an_unsubscribed_app_is_updated_until_it_ends(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, seconds={"home_progress_seconds": 0.3}) as harness:
        await harness.ask("/bitrise subscribe android", "subscribed")
        build = harness.bitrise.start_build(harness.bitrise.ios)
        harness.bitrise.start_running(build)
        harness.users.open_home("anna")
        await shows(harness, "#1 is running")
        harness.bitrise.finish(build)
        await shows(harness, "Nothing is running")
        # Bitrise is not called for running builds once none is running.
        await harness.wait_for_poll()
        requests = [request for request in harness.bitrise.requests if request.query.get("status") == "0"]
        await harness.wait_for_poll()
        assert [
            request for request in harness.bitrise.requests if request.query.get("status") == "0"
        ] == requests


def test_a_home_with_a_running_build_counts_as_open_for_longer() -> None:
    opened = OpenHome(None, NOON, NOON)  # type: ignore[arg-type]
    assert opened.is_open(NOON + timedelta(minutes=14))
    assert not opened.is_open(NOON + timedelta(minutes=16))
    opened.running = True
    assert opened.is_open(NOON + timedelta(minutes=16))
    assert not opened.is_open(NOON + timedelta(hours=5))
