"""People of other companies, guests, and people whom Slack does not know: every surface (SECURITY.md, B and G)."""

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
from handlers.external_users import open_surfaces, surfaces_of
from sandbox.bitrise.members import BEN_TOKEN
from sandbox.slack.users import Enterprise, User
from services.features.interactions import INTERACTIONS
from services.request.interactions import Interactions
from tests.security.listeners import payload_for, registered
from tests.security.test_workspace_members import changes_at_bitrise
from tests.services.features.test_access_rules import governed
from tests.support.bot_harness import NO_SECONDS, SECRET_KEY, BotHarness, bot_harness, rewrite_state, state_in
from tests.support.commands import PARSERS
from tests.support.multi_workspace_harness import OffsetClock

GRID = Enterprise("E0HOST", "Host Corp")
REFUSED = "People of other companies may look at what this channel follows, and do nothing else."
NOT_KNOWN = "Slack doesn't say who you are right now. Try again in a minute."
SECRET = "the secret feature"  # in an app that no channel follows

OPEN = open_surfaces(Interactions.merged((INTERACTIONS, *(spec.interactions for spec in SPECS))), SPECS)
# Whatever the bot listens to. What is new here is closed to outsiders until an interaction names it in `open_to_external_users`.
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
# What outsiders may use, each tried below.
LOOKING = """
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
# What nobody asks by; whom a step names is judged like anybody.
NOBODYS = """
event app_uninstalled
event tokens_revoked
event user_change
function abort_bitrise_build
function start_bitrise_build
function wait_for_bitrise_build
"""


def names(listed: str) -> list[str]:
    return listed.strip().splitlines()


def test_whatever_is_listened_to_is_on_a_list_of_who_may_use_it() -> None:
    """Somebody who adds a listener decides here whether people of other companies may use it."""
    assert registered() == {*names(CLOSED), *names(LOOKING), *names(NOBODYS)}
    functions = {one for one in names(NOBODYS) if one.startswith("function")}
    open_ones = {*names(LOOKING), *names(NOBODYS)} - functions | {"event function_executed"}
    assert open_ones == OPEN


def of_another_company(harness: BotHarness) -> None:
    change_user(harness, home="T0ELSEWHERE")


def of_another_company_while_the_host_is_in_an_organisation(harness: BotHarness) -> None:
    harness.slack.workspace.enterprise = GRID
    change_user(harness, home="T0ELSEWHERE")


def of_another_organisation_while_the_host_is_in_one(harness: BotHarness) -> None:
    harness.slack.workspace.enterprise = GRID
    change_user(harness, home="T0ELSEWHERE", organisation="E0ELSEWHERE")


def of_a_company_that_no_shared_channel_shows(harness: BotHarness) -> None:
    change_user(harness, stranger=True)


class SharedTown(BotHarness):
    """One in which time can pass: what the bot knew of people and of the workspace is asked again."""

    def __init__(self, folder: Path, *, seconds: Mapping[str, float], settings: Mapping[str, str]) -> None:
        self.hours = OffsetClock()
        super().__init__(folder, now=self.hours, seconds=seconds, settings=settings)

    def later(self, much: timedelta = timedelta(hours=2)) -> None:
        self.hours.passed += much


def change_user(harness: BotHarness, person: str = "U0BEN", **changes: Any) -> User:
    """Let somebody be somebody else to Slack from now on, as `users.info` and all payloads have it."""
    people = harness.slack.workspace.users
    people[person] = replace(people[person], **changes)
    for channel in harness.slack.workspace.channels.values():
        channel.shared_outside = channel.shared_outside or (
            bool(people[person].workspace) and not channel.im_with
        )
    return people[person]


OUTSIDERS: list[Callable[[BotHarness], None]] = [
    of_another_company,
    of_another_company_while_the_host_is_in_an_organisation,
    of_another_organisation_while_the_host_is_in_one,
    of_a_company_that_no_shared_channel_shows,
]


@asynccontextmanager
async def shared_with(
    folder: Path,
    outsider: Callable[[BotHarness], None] | None,
    *,
    linked: bool = True,
    seconds: Mapping[str, float] = NO_SECONDS,
    **settings: str,
) -> AsyncIterator[SharedTown]:
    """A town where #builds follows android; Ben was a member, linked, and is an outsider now.

    The bot's own token would act for everybody without an account.
    """
    town = SharedTown(folder, seconds=seconds, settings=settings)
    town.slack.rate_limits.disabled = True
    await town.open()
    try:
        await town.start_bot()
        await town.connect("anna", *(("ben",) if linked else ()))
        town.users.invite("builds")
        await town.ask("/bitrise subscribe android", "subscribed")
        hidden = town.bitrise.start_build(town.bitrise.web, params={"commit_message": SECRET})
        town.bitrise.finish(hidden)
        town.bitrise.finish(town.bitrise.start_build(town.bitrise.android))
        await town.wait_for_message("Sample Android #1", person=None)
        if outsider is not None:
            outsider(town)
        town.later()
        town.bitrise.requests.clear()
        town.buildio.requests.clear()
        yield town
    finally:
        await town.close()


def said_to(harness: BotHarness, person: str = "U0BEN") -> str:
    """All that somebody can read anywhere: posts, modals, their Home."""
    workspace = harness.slack.workspace
    posts = [
        harness.message_text(post)
        for channel in workspace.channels.values()
        for post in channel.posts
        if post.by_bot and post.only_for in (None, person)
    ]
    views = [json.dumps(one.view) for one in workspace.views.get(person) or ()]
    return "\n".join([*posts, *views, json.dumps(workspace.homes.get(person) or {})])


def nothing_was_done(harness: BotHarness) -> None:
    assert changes_at_bitrise(harness) == []
    assert [one for one in harness.buildio.requests if one.method != "GET"] == []
    # With an account that was linked before nothing is read either.
    assert [one.path for one in harness.bitrise.requests if one.member == "ben-okafor"] == []
    assert SECRET not in said_to(harness)


@pytest.mark.parametrize("outsider", OUTSIDERS)
async def test_what_is_closed_to_outsiders_answers_them_with_why(
    tmp_path: Path, outsider: Callable[[BotHarness], None]
) -> None:
    async with shared_with(tmp_path, outsider) as town:
        before = await kept(town)
        for listener in names(CLOSED):
            payload = payload_for(listener, town, "ben")
            assert not surfaces_of(payload) <= OPEN
            delivered = await town.slack.delivery.interaction(payload)
            match payload["type"]:
                case "block_suggestion":
                    assert delivered.body == {"options": []}, listener
                case "view_submission":
                    # The state is not the bot's, which is said first; with a true one below.
                    assert delivered.body["response_action"] == "update", listener
                case _:
                    assert delivered.body == {}, listener
        await town.wait_for_commands(
            "refusal", len([one for one in names(CLOSED) if one.split()[0] in ("action", "shortcut")])
        )
        nothing_was_done(town)
        assert await kept(town) == before
        assert REFUSED in said_to(town)


async def kept(harness: BotHarness) -> list[object]:
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
    return [await harness.rows(f"SELECT * FROM {one}") for one in tables]  # noqa: S608 - names of tables


@pytest.mark.parametrize("outsider", OUTSIDERS)
async def test_b11_somebody_of_another_company_looks_at_what_the_channel_follows_and_does_nothing(
    tmp_path: Path, outsider: Callable[[BotHarness], None]
) -> None:
    """Whatever can be typed, at each provider, as a command, in a mention, and in a direct message."""
    async with shared_with(tmp_path, outsider) as town:
        before = await kept(town)
        for grammar in PARSERS:
            word = "" if grammar.provider.command == "/bitrise" else "buildio "
            for entry in grammar.catalogue:
                for example in (entry.example, *([entry.examples[-1]] if len(entry.examples) > 1 else [])):
                    if example.startswith("disconnect"):
                        continue
                    await town.ask(f"{grammar.provider.command} {example}", "", person="ben")
                    await mention(town, f"{word}{example}")
        for words in (
            "build web #1",
            "log android #1",
            "yml android",
            "audit",
            "policy",
            "abort android #1 now",
        ):
            said = await mention(town, words)
            assert "People of other companies" in said or "I don't know" in said, said
        shown = await mention(town, "build android #1")
        assert "Sample Android #1" in shown
        assert "Sample Android" in await mention(town, "builds android")
        nothing_was_done(town)
        assert await kept(town) == before
        assert "$ ./gradlew" not in said_to(town)


async def mention(harness: BotHarness, words: str, person: str = "ben", channel: str = "builds") -> str:
    before = harness.last(channel, person)
    harness.users.say(person, channel, f"@buildbell {words}")
    return harness.message_text(
        await harness.wait_for_message("", person=person, channel=channel, after=before)
    )


async def test_what_outsiders_press_and_share_shows_what_the_channel_follows(tmp_path: Path) -> None:
    async with shared_with(tmp_path, of_another_company) as town:
        card = await town.ask("/bitrise build android #1", "Sample Android #1", person="ben")
        await town.press(card, "Rebuild", "People of other companies", person="ben")
        await town.press(card, "Log", "People of other companies", person="ben")
        for _ in range(11):
            town.bitrise.finish(town.bitrise.start_build(town.bitrise.android), "error")
        listed = await town.ask("/bitrise builds android status:failed", "failed builds", person="ben")
        await town.press(listed, "Older builds", "failed builds", person="ben")
        hidden = f"https://app.bitrise.io/build/{town.bitrise.state.builds[0].slug}"
        assert town.bitrise.state.builds[0].app is town.bitrise.web
        post = town.users.say("ben", "builds", f"look: {hidden}")
        await town.wait_for_commands("link")
        assert post.attachments == []
        await town.users.shortcut("ben", "about_build", post)
        await town.wait_for_commands("about_build")
        opened = town.users.modal("ben")
        assert opened is not None
        assert SECRET not in town.slack.modal_text(opened)
        nothing_was_done(town)


async def test_the_home_of_an_outsider_is_closed(tmp_path: Path) -> None:
    async with shared_with(tmp_path, of_another_company) as town:
        town.users.open_home("ben")
        await town.wait_until(lambda: "U0BEN" in town.slack.workspace.homes)
        home = json.dumps(town.slack.workspace.homes["U0BEN"])
        assert REFUSED in home
        assert "Sample Android" not in home
        nothing_was_done(town)


@pytest.mark.parametrize("acts", ["0", "1"])
async def test_a_step_that_names_an_outsider_fails_and_asks_nobody(tmp_path: Path, acts: str) -> None:
    async with shared_with(tmp_path, of_another_company, service_token_acts=acts) as town:
        run = town.users.run_step(
            "start_bitrise_build", {"app": "android", "branch": "main", "person": "U0BEN"}
        )
        await town.wait_until(lambda: run.error is not None)
        assert "People of other companies" in str(run.error)
        assert await town.rows("SELECT * FROM proposals") == []
        nothing_was_done(town)


async def test_b27_in_an_organisation_its_people_belong_and_others_do_not(tmp_path: Path) -> None:
    """A workspace of an organisation: every payload has `enterprise`, whoever acts."""
    async with shared_with(tmp_path, None, linked=False, service_token_acts="0") as town:
        town.slack.workspace.enterprise = GRID
        change_user(town, home="T0ELSEWHERE", organisation="E0ELSEWHERE")
        await open_linking(town)
        assert REFUSED in said_to(town)
        change_user(town, home="T0SISTER", organisation=GRID.id)
        town.later()
        await town.connect("ben")
        await town.ask("/bitrise trigger android branch:main", "ben started", person="ben")


async def open_linking(harness: BotHarness) -> None:
    before = harness.last("builds", "ben")
    await harness.users.command("ben", "builds", "/bitrise connect")
    await harness.wait_for_message("", person="ben", after=before)


async def test_an_outsider_is_no_second_person_and_one_who_became_one_is_asked_for_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "policy.toml").write_text('[[rule]]\nprotect = ["trigger"]\n')
    async with shared_with(tmp_path, None, policy_file=str(tmp_path / "policy.toml")) as town:
        town.slack.workspace.enterprise = GRID
        await town.users.command("anna", "builds", "/bitrise trigger android branch:main")
        asked = await town.wait_for_message("Somebody else must agree", person=None)
        change_user(town, home="T0ELSEWHERE", organisation="E0ELSEWHERE")
        await town.press(asked, "Agree", "People of other companies", person="ben")
        await town.press(asked, "Decline", "People of other companies", person="ben")
        nothing_was_done(town)


async def test_what_somebody_asked_for_before_they_became_an_outsider_is_not_carried_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "policy.toml").write_text('[[rule]]\nprotect = ["trigger"]\n')
    async with shared_with(tmp_path, None, policy_file=str(tmp_path / "policy.toml")) as town:
        await town.users.command("ben", "builds", "/bitrise trigger android branch:main")
        asked = await town.wait_for_message("Somebody else must agree", person=None)
        change_user(town, home="T0ELSEWHERE")
        town.later(timedelta(minutes=6))
        town.bitrise.requests.clear()
        await town.press(asked, "Agree", "still belongs to the workspace", person="anna")
        nothing_was_done(town)


@pytest.mark.parametrize("kind", [{"guest": True}, {"single_channel": True}])
async def test_b28_a_guest_is_not_answered_with_the_bots_token(tmp_path: Path, kind: dict[str, Any]) -> None:
    async with shared_with(tmp_path, None, linked=False) as town:
        change_user(town, **kind)
        town.later()
        said = [
            town.message_text(await town.ask(f"/bitrise {words}", "", person="ben"))
            for words in (
                "build web #1",
                "log android #1",
                "yml android",
                "audit",
                "policy",
                "abort android #1 now",
                "trigger android branch:main",
            )
        ]
        assert "Sample Android" in town.message_text(
            await town.ask("/bitrise builds android", "", person="ben")
        )
        assert [
            one
            for one in said
            if "`/bitrise connect`" not in one and "for members of the workspace" not in one
        ] == []
        nothing_was_done(town)
        # With an account of their own they see and do what that may.
        await town.connect("ben")
        await town.ask("/bitrise trigger android branch:main", "ben started", person="ben")


async def test_b29_the_channel_that_a_modal_names_is_the_one_in_which_it_was_opened(tmp_path: Path) -> None:
    rule = '[[rule]]\nallow = ["trigger"]\nchannels = ["C0RANDOM"]\nwho = "everyone"\n'
    nobody = '[[rule]]\nallow = ["trigger"]\nwho = "nobody"\n'
    async with governed(tmp_path, rule + nobody) as town:
        await town.users.command("ben", "builds", "/bitrise trigger android")
        opened = await town.slack.wait_for_modal("ben", "Start a build")
        forged = json.dumps(state_in(opened) | {"channel": "C0RANDOM"})
        sealed, view = opened.view["private_metadata"], opened.view
        # Without a signature, with that of what was there, of somebody else's, of another workspace's, and of no state.
        for state in (forged, sealed[:32] + forged, "0" * 32 + forged, ""):
            opened.view = view | {"private_metadata": state}
            await submit_start(town, opened)
        for whose in ({"person": "U0ANNA"}, {"person": "U0BEN", "team": "T0OTHER"}):
            opened.view = view
            rewrite_state(opened, forged, **whose)
            await submit_start(town, opened)
        # A form's state is no other form's.
        opened.view = view | {"callback_id": "find_modal"}
        rewrite_state(opened, forged, person="U0BEN")
        opened.view = opened.view | {"callback_id": view["callback_id"]}
        await submit_start(town, opened)
        assert changes_at_bitrise(town) == []
        opened.view = view
        await town.users.submit("ben", {"branch": await picked(town)})
        await town.wait_until(lambda: bool(opened.errors))
        assert "Nobody may start builds" in str(opened.errors) or "Only" in str(opened.errors)
        assert changes_at_bitrise(town) == []


async def test_a_list_in_a_modal_offers_nothing_of_a_channel_that_its_state_only_claims(
    tmp_path: Path,
) -> None:
    async with governed(tmp_path) as town:
        await town.ask("/bitrise subscribe ios", "subscribed", channel="random")
        await town.users.shortcut("carla", "find_build")
        opened = await town.slack.wait_for_modal("carla", "Find a build")
        claimed = json.dumps(state_in(opened) | {"channel": "C0RANDOM", "app": town.bitrise.ios.slug})
        sealed = opened.view["private_metadata"]
        for state in (claimed, sealed[:32] + claimed):
            opened.view = opened.view | {"private_metadata": state}
            assert await town.users.options("carla", "pick_app", "") == []
        rewrite_state(opened, claimed, person="U0CARLA")
        assert await town.users.options("carla", "pick_app", "") != []


async def test_a_list_is_empty_while_slack_does_not_say_who_types(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as town:
        await town.users.shortcut("carla", "find_build")
        await town.slack.wait_for_modal("carla", "Find a build")
        town.slack.fault("users.info", "error", words="internal_error", times=5)
        with capture_logs() as logged:
            assert await town.users.options("carla", "pick_app", "") == []
        assert [one for one in logged if one["event"] == "answer.broken"] == []


async def submit_start(harness: BotHarness, opened: Any) -> None:
    opened.errors = {}
    await harness.users.submit("ben", {})
    assert "from another version of me" in str(opened.errors), opened.errors


async def picked(harness: BotHarness) -> Any:
    return (await harness.users.options("ben", "pick_branch", "main"))[0]


@pytest.mark.parametrize(("key", "taken"), [(SECRET_KEY, True), ("", False)])
async def test_a_form_that_was_open_over_a_restart_is_good_and_without_a_key_is_refused_in_words(
    tmp_path: Path, key: str, *, taken: bool
) -> None:
    async with bot_harness(tmp_path, buildbell_secret_key=key) as town:
        await town.users.shortcut("anna", "find_build")
        opened = await town.slack.wait_for_modal("anna", "Find a build")
        await town.stop_bot()
        await town.start_bot()
        await town.users.submit("anna", {"words": "no such thing"})
        assert ("from another version of me" in str(opened.errors)) is not taken
        assert opened.errors


async def test_b30_somebody_whom_slack_does_not_say_is_told_so_and_does_nothing(tmp_path: Path) -> None:
    async with shared_with(tmp_path, None, service_token_acts="0") as town:
        town.slack.fault("users.info", "error", words="internal_error", times=50)
        for words in (
            "abort android #1",
            "trigger android branch:main",
            "builds web",
            "audit",
            "log android #1",
        ):
            await town.ask(f"/bitrise {words}", NOT_KNOWN, person="ben")
            assert NOT_KNOWN in await mention(town, words)
        town.users.open_home("ben")
        await town.wait_until(lambda: NOT_KNOWN in json.dumps(town.slack.workspace.homes.get("U0BEN") or {}))
        nothing_was_done(town)


async def test_a_member_whose_payload_says_so_costs_no_question(tmp_path: Path) -> None:
    async with shared_with(tmp_path, None, service_token_acts="0") as town:
        card = await town.ask("/bitrise build android #1", "Sample Android #1", person="ben")
        town.later()
        before = asked_of_slack(town, "users.info")
        await town.users.click("ben", card, "Rebuild")
        await town.wait_for_message("ben started", person=None)
        assert asked_of_slack(town, "users.info") == before


def asked_of_slack(harness: BotHarness, method: str) -> int:
    return len([one for one in harness.slack.request_log.entries if one.title == method])


async def test_g6_an_account_is_of_no_use_once_its_owner_does_not_belong_here_any_more(
    tmp_path: Path,
) -> None:
    """Linked as a member; then of another company, by a mention and by each other surface, Grid or not."""
    for number, outsider in enumerate((of_another_company, of_another_organisation_while_the_host_is_in_one)):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with shared_with(folder, outsider, service_token_acts="0") as town:
            town.bitrise.start_running(town.bitrise.start_build(town.bitrise.android))
            for words in ("log android #1", "abort android #2 now", "yml web", "builds web", "mine"):
                assert "People of other companies" in await mention(town, words)
            assert ("U0BEN",) in await town.rows("SELECT user_id FROM accounts")
            nothing_was_done(town)
            # What is theirs they may take back.
            await town.disconnect("ben")
            assert ("U0BEN",) not in await town.rows("SELECT user_id FROM accounts")
            assert BEN_TOKEN.encode() not in town.stored_bytes()


async def test_what_a_channel_is_told_by_somebody_who_became_an_outsider_ends(tmp_path: Path) -> None:
    async with shared_with(tmp_path, None, seconds={"sight_seconds": 0.2}, service_token_acts="0") as town:
        await town.ask("/bitrise subscribe ios", "subscribed", person="ben")
        change_user(town, home="T0ELSEWHERE")
        town.later()
        await town.wait_for_message("has unlinked their account, or has left", person=None)
