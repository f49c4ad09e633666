"""People of other companies, guests, and people about whom Slack says nothing, on every surface (SECURITY.md, B and G)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.providers_setup import SPECS
from bot.slack.payload_validation import parse_payload
from handlers.external_users import open_surfaces, surfaces_of
from sandbox.bitrise.members import BEN_TOKEN
from sandbox.slack.users import Enterprise, User
from services.features.interactions import INTERACTIONS
from services.request.interactions import Interactions
from tests.security.listeners import payload_for, registered_listeners
from tests.security.test_workspace_members import changes_at_bitrise
from tests.services.features.test_access_rules import governed
from tests.support.bot_harness import NO_SECONDS, SECRET_KEY, BotHarness, bot_harness, rewrite_state, state_in
from tests.support.commands import PARSERS
from tests.support.multi_workspace_harness import OffsetClock

GRID = Enterprise("E0HOST", "Host Corp")
REFUSED = "People from other companies can only view what this channel subscribes to."
NOT_KNOWN = "Slack can't confirm who you are right now. Try again in a minute."
SECRET = "the secret feature"  # in an app without a subscription

OPEN = open_surfaces(Interactions.merged((INTERACTIONS, *(spec.interactions for spec in SPECS))), SPECS)
# Listeners that are closed to outsiders, as a new one is until an interaction names it in `open_to_external_users`.
CLOSED = """
action (artifacts_pick|pick_branch|pick_buildable|pick_groups|pick_workflow)
action account_connect
action artifact_link
action artifact_private
action artifact_public
action artifact_qr
action artifact_renew
action artifact_several
action build_abort
action build_artifacts
action build_log
action build_rebuild
action build_tell_me
action buildio_apps_page
action buildio_create
action buildio_deploy
action buildio_domain_add
action buildio_domain_certificate
action buildio_domain_remove
action buildio_domains
action buildio_domains_clear
action buildio_domains_refresh
action buildio_namespace_create
action buildio_namespace_delete
action buildio_offer
action buildio_pipeline_show
action buildio_ps
action buildio_ps_refresh
action buildio_restart
action buildio_restart_all
action buildio_restart_one
action buildio_reveal
action buildio_reveal_granted
action buildio_run
action buildio_run_share
action buildio_untie
action buildio_vars
action buildio_vars_refresh
action buildio_vars_remove
action buildio_vars_set
action buildio_vars_unset
action card_claim
action card_snooze
action card_unclaim
action card_unsnooze
action choose_app
action find_build
action log_file
action log_follow
action log_search
action log_share
action log_step
action pick_app
action pipeline_failed_rebuild
action pipeline_whole_rebuild
action policy_add
action policy_kind
action policy_remove
action proposal_agree
action proposal_decline
action request_approve
action request_decline
action settings
action start_add_variable
action start_build
action start_remove_variable
action stopped_resume
action subscribe
action subscription_edit
action subscription_pause
action subscription_resume
action unsubscribe
options buildio_pick_app
options buildio_pick_team
options pick_app
options pick_branch
options pick_buildable
options pick_groups
options pick_workflow
shortcut find_build
shortcut start_build
view abort_modal
view buildio_certificate_modal
view buildio_clear_domains_modal
view buildio_create_modal
view buildio_delete_namespace_modal
view buildio_deploy_modal
view buildio_domain_modal
view buildio_namespace_modal
view buildio_restart_modal
view buildio_run_check
view buildio_run_modal
view buildio_unset_modal
view buildio_vars_modal
view choose_app_modal
view connect_modal
view find_modal
view log_search_modal
view policy_modal
view settings_modal
view start_modal
view subscription_modal
"""
# Listeners that outsiders may use; the tests below try each.
READING = """
action account_disconnect
action account_wipe
action apps_page
action build_compare
action build_refresh
action build_show
action buildio_app
action buildio_refresh
action builds_next
action open_link
action pipeline_refresh
action pipeline_show
command /bitrise
command /buildio
event app_home_opened
event app_mention
event link_shared
event message
shortcut about_build
"""
# Listeners without a user; the person that a workflow step names is checked like anyone.
WITHOUT_USER = """
event app_uninstalled
event tokens_revoked
event user_change
function abort_bitrise_build
function start_bitrise_build
function wait_for_bitrise_build
"""


def names(listed: str) -> list[str]:
    return listed.strip().splitlines()


def test_every_listener_is_on_a_list_of_who_may_use_it() -> None:
    """Whoever adds a listener decides here if people of other companies may use it."""
    assert registered_listeners().keys() == {*names(CLOSED), *names(READING), *names(WITHOUT_USER)}
    functions = {name for name in names(WITHOUT_USER) if name.startswith("function")}
    open_ones = {*names(READING), *names(WITHOUT_USER)} - functions | {"event function_executed"}
    assert open_ones == OPEN


def of_another_company(harness: BotHarness) -> None:
    change_user(harness, home="T0ELSEWHERE")


def of_another_company_with_the_host_in_an_organisation(harness: BotHarness) -> None:
    harness.slack.workspace.enterprise = GRID
    change_user(harness, home="T0ELSEWHERE")


def of_another_organisation(harness: BotHarness) -> None:
    harness.slack.workspace.enterprise = GRID
    change_user(harness, home="T0ELSEWHERE", organisation="E0ELSEWHERE")


def of_a_company_without_a_shared_channel(harness: BotHarness) -> None:
    change_user(harness, stranger=True)


class SharedChannelHarness(BotHarness):
    """A harness in which time can pass, so that the bot reads people and the workspace from Slack again."""

    def __init__(self, folder: Path, *, seconds: Mapping[str, float], settings: Mapping[str, str]) -> None:
        self.hours = OffsetClock()
        super().__init__(folder, now=self.hours, seconds=seconds, settings=settings)

    def advance_time(self, much: timedelta = timedelta(hours=2)) -> None:
        self.hours.passed += much


def change_user(harness: BotHarness, person: str = "U0BEN", **changes: Any) -> User:
    """Change a user in Slack; `users.info` and all payloads show the change."""
    users = harness.slack.workspace.users
    users[person] = replace(users[person], **changes)
    for channel in harness.slack.workspace.channels.values():
        channel.shared_outside = channel.shared_outside or (
            bool(users[person].workspace) and not channel.im_with
        )
    return users[person]


OUTSIDERS: list[Callable[[BotHarness], None]] = [
    of_another_company,
    of_another_company_with_the_host_in_an_organisation,
    of_another_organisation,
    of_a_company_without_a_shared_channel,
]


@asynccontextmanager
async def shared_channel_harness(
    folder: Path,
    outsider: Callable[[BotHarness], None] | None,
    *,
    linked: bool = True,
    seconds: Mapping[str, float] = NO_SECONDS,
    **settings: str,
) -> AsyncIterator[SharedChannelHarness]:
    """Run a harness where #builds is subscribed to android, and Ben, who was a member with an account, is an outsider.

    The bot's own token would act for everyone without an account.
    """
    harness = SharedChannelHarness(folder, seconds=seconds, settings=settings)
    harness.slack.rate_limits.disabled = True
    await harness.open()
    try:
        await harness.start_bot()
        await harness.connect("anna", *(("ben",) if linked else ()))
        harness.users.invite("builds")
        await harness.ask("/bitrise subscribe android", "subscribed")
        hidden_build = harness.bitrise.start_build(harness.bitrise.web, params={"commit_message": SECRET})
        harness.bitrise.finish(hidden_build)
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
        await harness.wait_for_message("Sample Android #1", person=None)
        if outsider is not None:
            outsider(harness)
        harness.advance_time()
        harness.bitrise.requests.clear()
        harness.buildio.requests.clear()
        yield harness
    finally:
        await harness.close()


def visible_text(harness: BotHarness, person: str = "U0BEN") -> str:
    """Return everything that a person can read: messages, modals and their Home."""
    workspace = harness.slack.workspace
    posts = [
        harness.message_text(post)
        for channel in workspace.channels.values()
        for post in channel.posts
        if post.by_bot and post.only_for in (None, person)
    ]
    views = [json.dumps(view.view) for view in workspace.views.get(person) or ()]
    return "\n".join([*posts, *views, json.dumps(workspace.homes.get(person) or {})])


def assert_nothing_done(harness: BotHarness) -> None:
    assert changes_at_bitrise(harness) == []
    assert [request for request in harness.buildio.requests if request.method != "GET"] == []
    # Nothing is read with an older account either.
    assert [request.path for request in harness.bitrise.requests if request.member == "ben-okafor"] == []
    assert SECRET not in visible_text(harness)


@pytest.mark.parametrize("outsider", OUTSIDERS)
async def test_a_closed_listener_tells_outsiders_why(
    tmp_path: Path, outsider: Callable[[BotHarness], None]
) -> None:
    async with shared_channel_harness(tmp_path, outsider) as harness:
        before = await stored_rows(harness)
        for listener in names(CLOSED):
            payload = payload_for(listener, harness, "ben")
            assert not surfaces_of(parse_payload(payload)) <= OPEN
            delivered = await harness.slack.delivery.interaction(payload)
            match payload["type"]:
                case "block_suggestion":
                    assert delivered.body == {"options": []}, listener
                case "view_submission":
                    # The form's state is not the bot's, which is reported first; a signed state follows below.
                    assert delivered.body["response_action"] == "update", listener
                case _:
                    assert delivered.body == {}, listener
        await harness.wait_for_commands(
            "refusal", len([name for name in names(CLOSED) if name.split()[0] in ("action", "shortcut")])
        )
        assert_nothing_done(harness)
        assert await stored_rows(harness) == before
        assert REFUSED in visible_text(harness)


async def stored_rows(harness: BotHarness) -> list[object]:
    tables = (
        "accounts",
        "subscriptions",
        "people",
        "policies",
        "proposals",
        "channels",
        "ties",
        "sign_ins",
        "audit",
    )
    return [await harness.rows(f"SELECT * FROM {table}") for table in tables]  # noqa: S608 - names of tables


@pytest.mark.parametrize("outsider", OUTSIDERS)
async def test_b11_a_person_of_another_company_reads_what_the_channel_is_subscribed_to_and_changes_nothing(
    tmp_path: Path, outsider: Callable[[BotHarness], None]
) -> None:
    """Each command of each provider, as a slash command and in a mention."""
    async with shared_channel_harness(tmp_path, outsider) as harness:
        before = await stored_rows(harness)
        for parser in PARSERS:
            prefix = "" if parser.provider.command == "/bitrise" else "buildio "
            for entry in parser.catalogue:
                for example in (entry.example, *([entry.examples[-1]] if len(entry.examples) > 1 else [])):
                    if example.startswith("disconnect"):
                        continue
                    await harness.ask(f"{parser.provider.command} {example}", "", person="ben")
                    await send_mention(harness, f"{prefix}{example}")
        for command in (
            "build web #1",
            "log android #1",
            "yml android",
            "audit",
            "policy",
            "abort android #1 now",
        ):
            text = await send_mention(harness, command)
            assert "People from other companies" in text or "No app named" in text, text
        shown = await send_mention(harness, "build android #1")
        assert "Sample Android #1" in shown
        assert "Sample Android" in await send_mention(harness, "builds android")
        assert_nothing_done(harness)
        assert await stored_rows(harness) == before
        assert "$ ./gradlew" not in visible_text(harness)


async def send_mention(harness: BotHarness, text: str, person: str = "ben", channel: str = "builds") -> str:
    before = harness.last(channel, person)
    harness.users.say(person, channel, f"@buildbell {text}")
    return harness.message_text(
        await harness.wait_for_message("", person=person, channel=channel, after=before)
    )


async def test_buttons_and_links_of_outsiders_show_only_what_the_channel_is_subscribed_to(
    tmp_path: Path,
) -> None:
    async with shared_channel_harness(tmp_path, of_another_company) as harness:
        card = await harness.ask("/bitrise build android #1", "Sample Android #1", person="ben")
        await harness.press(card, "Rebuild", "People from other companies", person="ben")
        await harness.press(card, "View log", "People from other companies", person="ben")
        for _ in range(11):
            harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
        listed = await harness.ask("/bitrise builds android status:failed", "failed builds", person="ben")
        await harness.press(listed, "Show older builds", "failed builds", person="ben")
        hidden_build = f"https://app.bitrise.io/build/{harness.bitrise.state.builds[0].slug}"
        assert harness.bitrise.state.builds[0].app is harness.bitrise.web
        post = harness.users.say("ben", "builds", f"look: {hidden_build}")
        await harness.wait_for_commands("link")
        assert post.attachments == []
        await harness.users.shortcut("ben", "about_build", post)
        await harness.wait_for_commands("about_build")
        opened = harness.users.modal("ben")
        assert opened is not None
        assert SECRET not in harness.slack.modal_text(opened)
        assert_nothing_done(harness)


async def test_the_home_of_an_outsider_is_closed(tmp_path: Path) -> None:
    async with shared_channel_harness(tmp_path, of_another_company) as harness:
        harness.users.open_home("ben")
        await harness.wait_until(lambda: "U0BEN" in harness.slack.workspace.homes)
        home = json.dumps(harness.slack.workspace.homes["U0BEN"])
        assert REFUSED in home
        assert "Sample Android" not in home
        assert_nothing_done(harness)


@pytest.mark.parametrize("acts", ["0", "1"])
async def test_a_workflow_step_that_names_an_outsider_fails_without_a_question(
    tmp_path: Path, acts: str
) -> None:
    async with shared_channel_harness(tmp_path, of_another_company, service_token_acts=acts) as harness:
        run = harness.users.run_step(
            "start_bitrise_build", {"app": "android", "branch": "main", "person": "U0BEN"}
        )
        await harness.wait_until(lambda: run.error is not None)
        assert "People from other companies" in str(run.error)
        assert await harness.rows("SELECT * FROM proposals") == []
        assert_nothing_done(harness)


async def test_b27_people_of_the_organisation_are_members_and_others_are_not(tmp_path: Path) -> None:
    """In a workspace of an organisation every payload has `enterprise`, whoever acts."""
    async with shared_channel_harness(tmp_path, None, linked=False, service_token_acts="0") as harness:
        harness.slack.workspace.enterprise = GRID
        change_user(harness, home="T0ELSEWHERE", organisation="E0ELSEWHERE")
        await send_connect_command(harness)
        assert REFUSED in visible_text(harness)
        change_user(harness, home="T0SISTER", organisation=GRID.id)
        harness.advance_time()
        await harness.connect("ben")
        await harness.ask("/bitrise trigger android branch:main", "ben started", person="ben")


async def send_connect_command(harness: BotHarness) -> None:
    before = harness.last("builds", "ben")
    await harness.users.command("ben", "builds", "/bitrise connect")
    await harness.wait_for_message("", person="ben", after=before)


async def test_an_outsider_can_not_approve_or_decline(
    tmp_path: Path,
) -> None:
    (tmp_path / "policy.toml").write_text('[[rule]]\nprotect = ["trigger"]\n')
    async with shared_channel_harness(tmp_path, None, policy_file=str(tmp_path / "policy.toml")) as harness:
        harness.slack.workspace.enterprise = GRID
        await harness.users.command("anna", "builds", "/bitrise trigger android branch:main")
        approval = await harness.wait_for_message("requests approval to", person=None)
        change_user(harness, home="T0ELSEWHERE", organisation="E0ELSEWHERE")
        await harness.press(approval, "Approve", "People from other companies", person="ben")
        await harness.press(approval, "Decline", "People from other companies", person="ben")
        assert_nothing_done(harness)


async def test_an_action_is_not_carried_out_after_its_requester_became_an_outsider(
    tmp_path: Path,
) -> None:
    (tmp_path / "policy.toml").write_text('[[rule]]\nprotect = ["trigger"]\n')
    async with shared_channel_harness(tmp_path, None, policy_file=str(tmp_path / "policy.toml")) as harness:
        await harness.users.command("ben", "builds", "/bitrise trigger android branch:main")
        approval = await harness.wait_for_message("requests approval to", person=None)
        change_user(harness, home="T0ELSEWHERE")
        harness.advance_time(timedelta(minutes=6))
        harness.bitrise.requests.clear()
        await harness.press(approval, "Approve", "still belongs to the workspace", person="anna")
        assert_nothing_done(harness)


@pytest.mark.parametrize("kind", [{"guest": True}, {"single_channel": True}])
async def test_b28_the_bots_token_is_not_used_for_a_guest(tmp_path: Path, kind: dict[str, Any]) -> None:
    async with shared_channel_harness(tmp_path, None, linked=False) as harness:
        change_user(harness, **kind)
        harness.advance_time()
        texts = [
            harness.message_text(await harness.ask(f"/bitrise {command}", "", person="ben"))
            for command in (
                "build web #1",
                "log android #1",
                "yml android",
                "audit",
                "policy",
                "abort android #1 now",
                "trigger android branch:main",
            )
        ]
        assert "Sample Android" in harness.message_text(
            await harness.ask("/bitrise builds android", "", person="ben")
        )
        assert [
            text
            for text in texts
            if "`/bitrise connect`" not in text and "Only members of the workspace" not in text
        ] == []
        assert_nothing_done(harness)
        # With their own account they have its permissions.
        await harness.connect("ben")
        await harness.ask("/bitrise trigger android branch:main", "ben started", person="ben")


async def test_b29_a_modal_can_not_name_another_channel_than_its_own(tmp_path: Path) -> None:
    rule = '[[rule]]\nallow = ["trigger"]\nchannels = ["C0RANDOM"]\nwho = "everyone"\n'
    nobody = '[[rule]]\nallow = ["trigger"]\nwho = "nobody"\n'
    async with governed(tmp_path, rule + nobody) as harness:
        await harness.users.command("ben", "builds", "/bitrise trigger android")
        opened = await harness.slack.wait_for_modal("ben", "Start a build")
        forged = json.dumps(state_in(opened) | {"channel": "C0RANDOM"})
        signed_state, view = opened.view["private_metadata"], opened.view
        # Without a signature, with that of the old state, with an invalid one, and without a state.
        for state in (forged, signed_state[:32] + forged, "0" * 32 + forged, ""):
            opened.view = view | {"private_metadata": state}
            await assert_submission_refused(harness, opened)
        # With the signature for another person, or for another workspace.
        for signer in ({"person": "U0ANNA"}, {"person": "U0BEN", "team": "T0OTHER"}):
            opened.view = view
            rewrite_state(opened, forged, **signer)
            await assert_submission_refused(harness, opened)
        # The state of one form is not valid in another one.
        opened.view = view | {"callback_id": "find_modal"}
        rewrite_state(opened, forged, person="U0BEN")
        opened.view = opened.view | {"callback_id": view["callback_id"]}
        await assert_submission_refused(harness, opened)
        assert changes_at_bitrise(harness) == []
        opened.view = view
        await harness.users.submit("ben", {"branch": await picked_branch(harness)})
        await harness.wait_until(lambda: bool(opened.errors))
        assert "No one can start builds" in str(opened.errors) or "Only" in str(opened.errors)
        assert changes_at_bitrise(harness) == []


async def test_options_in_a_modal_offer_nothing_of_a_channel_in_an_unsigned_state(
    tmp_path: Path,
) -> None:
    async with governed(tmp_path) as harness:
        await harness.ask("/bitrise subscribe ios", "subscribed", channel="random")
        await harness.users.shortcut("carla", "find_build")
        opened = await harness.slack.wait_for_modal("carla", "Find a build")
        claimed = json.dumps(state_in(opened) | {"channel": "C0RANDOM", "app": harness.bitrise.ios.slug})
        signed_state = opened.view["private_metadata"]
        for state in (claimed, signed_state[:32] + claimed):
            opened.view = opened.view | {"private_metadata": state}
            assert await harness.users.options("carla", "pick_app", "") == []
        rewrite_state(opened, claimed, person="U0CARLA")
        assert await harness.users.options("carla", "pick_app", "") != []


async def test_options_are_empty_while_slack_does_not_say_who_the_user_is(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as harness:
        await harness.users.shortcut("carla", "find_build")
        await harness.slack.wait_for_modal("carla", "Find a build")
        harness.slack.fault("users.info", "error", words="internal_error", times=5)
        with capture_logs() as logged:
            assert await harness.users.options("carla", "pick_app", "") == []
        assert [line for line in logged if line["event"] == "answer.broken"] == []


async def assert_submission_refused(harness: BotHarness, opened: Any) -> None:
    opened.errors = {}
    await harness.users.submit("ben", {})
    assert "from another version of Buildbell" in str(opened.errors), opened.errors


async def picked_branch(harness: BotHarness) -> Any:
    return (await harness.users.options("ben", "pick_branch", "main"))[0]


@pytest.mark.parametrize(("key", "taken"), [(SECRET_KEY, True), ("", False)])
async def test_a_form_that_was_open_during_a_restart_is_accepted_only_with_a_key(
    tmp_path: Path, key: str, *, taken: bool
) -> None:
    async with bot_harness(tmp_path, buildbell_secret_key=key) as harness:
        await harness.users.shortcut("anna", "find_build")
        opened = await harness.slack.wait_for_modal("anna", "Find a build")
        await harness.stop_bot()
        await harness.start_bot()
        await harness.users.submit("anna", {"words": "no such thing"})
        assert ("from another version of Buildbell" in str(opened.errors)) is not taken
        assert opened.errors


async def test_b30_a_person_about_whom_slack_says_nothing_gets_an_explanation_and_changes_nothing(
    tmp_path: Path,
) -> None:
    async with shared_channel_harness(tmp_path, None, service_token_acts="0") as harness:
        harness.slack.fault("users.info", "error", words="internal_error", times=50)
        for command in (
            "abort android #1",
            "trigger android branch:main",
            "builds web",
            "audit",
            "log android #1",
        ):
            await harness.ask(f"/bitrise {command}", NOT_KNOWN, person="ben")
            assert NOT_KNOWN in await send_mention(harness, command)
        harness.users.open_home("ben")
        await harness.wait_until(
            lambda: NOT_KNOWN in json.dumps(harness.slack.workspace.homes.get("U0BEN") or {})
        )
        assert_nothing_done(harness)


async def test_a_payload_that_shows_membership_needs_no_request(tmp_path: Path) -> None:
    async with shared_channel_harness(tmp_path, None, service_token_acts="0") as harness:
        card = await harness.ask("/bitrise build android #1", "Sample Android #1", person="ben")
        harness.advance_time()
        before = count_slack_calls(harness, "users.info")
        await harness.users.click("ben", card, "Rebuild")
        await harness.wait_for_message("ben started", person=None)
        assert count_slack_calls(harness, "users.info") == before


def count_slack_calls(harness: BotHarness, method: str) -> int:
    return len([entry for entry in harness.slack.request_log.entries if entry.title == method])


async def test_g6_an_account_can_not_be_used_after_its_owner_became_an_outsider(
    tmp_path: Path,
) -> None:
    """Connected as a member, then of another company, in an organisation or not."""
    for number, outsider in enumerate((of_another_company, of_another_organisation)):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with shared_channel_harness(folder, outsider, service_token_acts="0") as harness:
            harness.bitrise.start_running(harness.bitrise.start_build(harness.bitrise.android))
            for command in ("log android #1", "abort android #2 now", "yml web", "builds web", "mine"):
                assert "People from other companies" in await send_mention(harness, command)
            assert ("U0BEN",) in await harness.rows("SELECT user_id FROM accounts")
            assert_nothing_done(harness)
            # They may still disconnect their account.
            await harness.disconnect("ben")
            assert ("U0BEN",) not in await harness.rows("SELECT user_id FROM accounts")
            assert BEN_TOKEN.encode() not in harness.stored_bytes()


async def test_a_subscription_ends_after_its_creator_became_an_outsider(tmp_path: Path) -> None:
    async with shared_channel_harness(
        tmp_path, None, seconds={"access_check_seconds": 0.2}, service_token_acts="0"
    ) as harness:
        await harness.ask("/bitrise subscribe ios", "subscribed", person="ben")
        change_user(harness, home="T0ELSEWHERE")
        harness.advance_time()
        await harness.wait_for_message("disconnected their account, or left", person=None)
