"""Protected actions need a second person's approval: in the channel, within a time limit, never the requester's own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.app import utc_now
from domain.action import Approvers, PendingActionState
from domain.audit_chain import Event
from domain.commands.shared_commands import TriggerBuild
from domain.message import Message
from providers.bitrise.builds.actions import TriggerBuildAction
from sandbox.slack.models import Post
from services.actions.audit import action_entry
from storage.database import Database
from storage.encryption import SecretBox
from tests.services.features.test_access_rules import add_rule, governed
from tests.support.bot_harness import SECRET_KEY, BotHarness
from tests.support.factories import ANDROID, NOON
from tests.support.postgres import PostgresServer
from tests.support.repositories import make_repositories

PROTECTED = """
[[rule]]
protect = ["trigger", "abort"]
branches = ["main", "release/*"]
who = ["U0ANNA", "U0BEN"]
minutes = 20
"""
TRIGGER = "/bitrise trigger android branch:main"
REQUEST_TEXT = "ben requests approval to start Sample Android (branch main)"


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with governed(tmp_path, PROTECTED) as opened:
        yield opened


async def request_action(harness: BotHarness, words: str = TRIGGER) -> Post:
    before = harness.last("builds", None)
    await harness.users.command("ben", "builds", words)
    return await harness.wait_for_message("requests approval to", person=None, after=before)


async def test_an_action_is_approved_in_the_channel_and_executed_as_the_requester(
    harness: BotHarness,
) -> None:
    request = await request_action(harness)
    text = harness.message_text(request)
    assert REQUEST_TEXT in text
    assert "Who can approve: Anna Berg and Ben Okafor" in text
    assert harness.bitrise.state.builds == []
    await harness.users.click("anna", request, "Approve")
    await harness.wait_for_message("ben started Sample Android #1", person=None)
    await harness.wait_until(lambda: "anna approved" in harness.message_text(request))
    [build] = harness.bitrise.state.builds
    assert build.triggered_by == "manual-ben-okafor"


async def test_the_shortest_time_of_several_rules_counts(tmp_path: Path) -> None:
    shorter = PROTECTED.replace("minutes = 20", "minutes = 5")
    async with governed(tmp_path, shorter + PROTECTED.replace("minutes = 20", "minutes = 90")) as harness:
        await request_action(harness)
        [(asked_at, expires_at)] = await harness.rows("SELECT asked_at, expires_at FROM proposals")
        lasts = datetime.fromisoformat(str(expires_at)) - datetime.fromisoformat(str(asked_at))
        assert lasts == timedelta(minutes=5)


async def test_the_requester_can_not_approve_their_own_action(harness: BotHarness) -> None:
    request = await request_action(harness)
    await harness.press(request, "Approve", "You can't decide your own request", person="ben")
    assert harness.bitrise.state.builds == []


async def test_two_slack_users_with_the_same_bitrise_account_are_one_person(harness: BotHarness) -> None:
    from sandbox.bitrise.members import BEN_TOKEN

    await harness.users.command("anna", "builds", "/bitrise connect")
    await harness.slack.wait_for_modal("anna", "Personal access token")
    await harness.users.submit("anna", {"token": BEN_TOKEN})
    await harness.slack.wait_for_modal("anna", "Connected to Bitrise as ben-okafor")
    await harness.users.close_modal("anna")
    request = await request_action(harness)
    await harness.press(request, "Approve", "You and the requester are the same Bitrise user")
    assert harness.bitrise.state.builds == []


async def test_only_the_named_approvers_may_decide(harness: BotHarness) -> None:
    await harness.connect("carla")
    request = await request_action(harness)
    await harness.press(request, "Approve", "Only Anna Berg and Ben Okafor can approve", person="carla")
    await harness.press(request, "Decline", "Only Anna Berg and Ben Okafor can approve", person="carla")
    assert harness.bitrise.state.builds == []


async def test_a_declined_action_ends(harness: BotHarness) -> None:
    request = await request_action(harness)
    await harness.users.click("anna", request, "Decline")
    await harness.wait_until(lambda: "anna declined" in harness.message_text(request))
    assert "[Approve]" not in harness.message_text(request)
    assert harness.bitrise.state.builds == []


async def test_the_approver_is_told_what_the_requester_lacks_without_a_connect_button(
    harness: BotHarness,
) -> None:
    request = await request_action(harness)
    await harness.disconnect("ben")
    refusal = await harness.press(request, "Approve", "has no connected Bitrise account that works")
    text = await harness.wait_for_message("but it failed", person=None)
    for post in (refusal, text):
        assert "/bitrise connect" not in harness.message_text(post)
        assert "Connect account" not in harness.message_text(post)
    assert "has no connected Bitrise account" in harness.message_text(text)
    assert harness.bitrise.state.builds == []


async def test_an_action_is_executed_once_however_often_it_is_approved(harness: BotHarness) -> None:
    request = await request_action(harness)
    blocks = json.loads(json.dumps(request.blocks))
    await harness.users.click("anna", request, "Approve")
    await harness.wait_for_message("ben started Sample Android #1", person=None)
    request.blocks = blocks  # as in a client that has not been updated yet
    await harness.press(request, "Approve", "This request was already decided")
    assert len(harness.bitrise.state.builds) == 1


async def test_an_unprotected_action_needs_no_approval(harness: BotHarness) -> None:
    await harness.ask(
        "/bitrise trigger android branch:develop", "ben started Sample Android #1", person="ben"
    )


async def test_a_build_without_a_known_branch_counts_as_protected(harness: BotHarness) -> None:
    await request_action(harness, "/bitrise trigger android commit:abc123 workflow:deploy")
    assert harness.bitrise.state.builds == []


async def test_aborting_a_build_of_a_protected_branch_needs_approval(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android, params={"branch": "release/2.1"})
    request = await request_action(harness, "/bitrise abort android #1 it is broken")
    assert "ben requests approval to abort Sample Android #1" in harness.message_text(request)
    assert "it is broken" in harness.message_text(request)
    # Those who may agree are notified, and nobody else.
    assert "<@U0ANNA>" in request.text
    assert "do you approve" in harness.message_text(request)
    assert build.result is None
    await harness.users.click("anna", request, "Decline")
    await harness.wait_for_message(
        "declined your request in #builds to abort Sample Android #1", person="ben", channel="D0BEN"
    )
    await harness.wait_until(lambda: "reason: it is broken" in harness.message_text(request))
    request = await request_action(harness, "/bitrise abort android #1 it is broken")
    await harness.users.click("anna", request, "Approve")
    await harness.wait_for_message("ben aborted Sample Android #1: it is broken", person=None)
    assert build.abort_reason is not None
    assert "ben-okafor" in build.abort_reason


async def test_a_forged_button_or_one_of_another_action_approves_nothing(
    harness: BotHarness,
) -> None:
    request = await request_action(harness)
    other = await request_action(harness)
    button = _button(request)
    genuine, others = json.loads(button["value"]), json.loads(_button(other)["value"])
    for forged in (
        {"id": genuine["id"], "seal": others["seal"]},
        {"id": genuine["id"], "seal": "0" * 32},
        {"id": "0" * 32, "seal": genuine["seal"]},
    ):
        button["value"] = json.dumps(forged)
        await harness.press(request, "Approve", "This button isn't valid")
    button["value"] = json.dumps({"id": genuine["id"]})
    await harness.press(request, "Approve", "another version of Buildbell")
    assert harness.bitrise.state.builds == []


async def test_an_approved_action_is_not_executed_if_the_requester_lost_access(harness: BotHarness) -> None:
    from sandbox.bitrise.members import BEN_TOKEN

    request = await request_action(harness)
    harness.bitrise.revoke(BEN_TOKEN)
    await harness.users.click("anna", request, "Approve")
    await harness.wait_until(lambda: "but it failed" in harness.message_text(request))
    assert harness.bitrise.state.builds == []


async def test_a_rule_added_after_the_request_counts(harness: BotHarness) -> None:
    request = await request_action(harness)
    only_anna = {"who": "The people and groups below", "people": ["U0ANNA"]}
    await add_rule(harness, kind="Allow only these people", acts=["Start builds"], **only_anna)
    await harness.wait_for_message("New access rule: Only", person=None)
    await harness.users.click("anna", request, "Approve")
    await harness.wait_until(lambda: "but it failed" in harness.message_text(request))
    assert "Only Anna Berg can start builds" in harness.message_text(request)
    assert harness.bitrise.state.builds == []


class ShiftedClock:
    """A clock that can be moved forward."""

    def __init__(self) -> None:
        self.by = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.by


async def test_an_expired_action_can_not_be_approved_before_its_message_is_updated(tmp_path: Path) -> None:
    clock = ShiftedClock()
    async with governed(tmp_path, PROTECTED, now=clock) as harness:
        request = await request_action(harness)
        clock.by = timedelta(minutes=21)
        await harness.press(request, "Approve", "This request has expired")
        assert harness.bitrise.state.builds == []


async def test_approval_for_an_action_from_home_is_requested_in_a_subscribed_channel(
    harness: BotHarness,
) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.users.open_home("ben")
    await harness.wait_until(lambda: "Abort…" in str(harness.slack.workspace.homes.get("U0BEN")))
    await harness.users.set_value("ben", "Abort…")
    await harness.slack.wait_for_modal("ben", "at once and posts your name")
    await harness.users.submit("ben", {"reason": "stop"})
    await harness.wait_for_message("ben requests approval to abort Sample Android #1", person=None)
    assert build.result is None


async def test_a_shorter_time_limit_set_after_the_request_counts(tmp_path: Path) -> None:
    clock = ShiftedClock()
    async with governed(tmp_path, PROTECTED, now=clock) as harness:
        request = await request_action(harness)
        await add_rule(harness, kind="Require approval", acts=["Start builds"], minutes="5")
        await harness.wait_for_message("New access rule", person=None)
        clock.by = timedelta(minutes=6)
        await harness.press(request, "Approve", "The rules now allow less time for this")
        assert harness.bitrise.state.builds == []


async def test_an_action_in_the_old_encrypted_format_has_to_be_requested_again(tmp_path: Path) -> None:
    clock = ShiftedClock()
    async with governed(tmp_path, PROTECTED, now=clock) as harness:
        request = await request_action(harness)
        # Older versions encrypted only the action.
        vault = SecretBox([SECRET_KEY])
        [(identity, sealed)] = await harness.rows("SELECT id, act FROM proposals")
        context = ("proposal", "T0SANDBOX", str(identity))
        act = json.loads(vault.decrypt(str(sealed), *context))["act"]
        before = vault.encrypt(json.dumps(act), *context)
        await harness.execute(f"UPDATE proposals SET act = '{before}'")  # noqa: S608 - our own seal
        await harness.press(request, "Approve", "requested before Buildbell was updated")
        await harness.stop_bot()
        clock.by = timedelta(minutes=21)
        await harness.start_bot()
        await harness.wait_until(lambda: "No one approved" in harness.message_text(request))
        assert harness.bitrise.state.builds == []


async def test_approval_is_not_requested_in_a_channel_that_lost_access_to_the_app(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.users.command("ben", "D0BEN", TRIGGER)
    await harness.wait_for_message(REQUEST_TEXT, person=None)
    await harness.execute("UPDATE subscriptions SET unseen_at = '2026-01-01T00:00:00.000000+00:00'")
    await harness.ask(TRIGGER, "there is no channel to request it in", person="ben", channel="D0BEN")
    assert harness.bitrise.state.builds == []


async def test_an_action_without_a_decision_in_time_expires(tmp_path: Path) -> None:
    clock = ShiftedClock()
    async with governed(tmp_path, PROTECTED, now=clock) as harness:
        request = await request_action(harness)
        await harness.stop_bot()
        clock.by = timedelta(minutes=21)
        await harness.start_bot()
        await harness.wait_until(lambda: "No one approved" in harness.message_text(request))
        await harness.wait_for_message(
            "has expired: no one approved it in time", person="ben", channel="D0BEN"
        )
        assert harness.bitrise.state.builds == []


async def test_an_approved_action_that_a_restart_interrupted_is_reported(tmp_path: Path) -> None:
    async with governed(tmp_path, PROTECTED) as harness:
        request = await request_action(harness)
        await harness.stop_bot()
        await harness.execute(
            "UPDATE proposals SET state = 'agreed', decided_at = '2026-01-01T00:00:00.000000+00:00'"
        )
        await harness.start_bot()
        await harness.wait_until(
            lambda: "Check at Bitrise whether it was done" in harness.message_text(request)
        )


async def test_a_workflow_acts_for_a_user_only_after_they_confirm(tmp_path: Path) -> None:
    async with governed(tmp_path) as harness:
        await harness.ask("/bitrise subscribe android", "subscribed")
        inputs = {"app": "android", "branch": "main", "person": "U0BEN"}
        run = harness.users.run_step("start_bitrise_build", inputs)
        request = await harness.wait_for_message("on your behalf", person="ben", channel="D0BEN")
        assert harness.bitrise.state.builds == []
        # Everything that will be done is shown above the button, so it asks nothing more.
        assert "confirm" not in str(request.blocks)
        await harness.users.click("ben", request, "Approve")
        await harness.wait_until(lambda: run.status == "completed")
        decided = "ben approved a workflow's request to start"
        await harness.wait_until(lambda: decided in harness.message_text(request))
        assert "on behalf of @ben" in harness.message_text(request)
        [build] = harness.bitrise.state.builds
        assert build.triggered_by == "manual-ben-okafor"
        assert run.outputs is not None
        assert run.outputs["number"] == 1


async def test_a_workflow_without_a_confirmation_does_nothing(tmp_path: Path) -> None:
    async with governed(tmp_path) as harness:
        await harness.ask("/bitrise subscribe android", "subscribed")
        run = harness.users.run_step("start_bitrise_build", {"app": "android", "branch": "main"})
        await harness.wait_until(lambda: run.status == "failed")
        assert "Fill in *On behalf of*" in str(run.error)
        inputs = {"app": "android", "branch": "main", "person": "U0BEN"}
        run = harness.users.run_step("start_bitrise_build", inputs)
        request = await harness.wait_for_message("on your behalf", person="ben", channel="D0BEN")
        await harness.users.click("ben", request, "Decline")
        await harness.wait_until(lambda: run.status == "failed")
        await harness.wait_until(
            lambda: "ben declined a workflow's request to" in harness.message_text(request)
        )
        assert harness.bitrise.state.builds == []


async def test_a_pending_action_is_encrypted_in_the_database(harness: BotHarness) -> None:
    await request_action(harness, "/bitrise trigger android branch:main env:API_TOKEN=canary-4711-canary")
    await harness.stop_bot()
    assert b"canary-4711-canary" not in harness.stored_bytes()


def _button(post: Post) -> dict[str, str]:
    elements = [
        element for block in post.blocks if block["type"] == "actions" for element in block["elements"]
    ]
    found: dict[str, str] = next(element for element in elements if element["text"]["text"] == "Approve")
    return found


async def test_an_unreadable_action_expires_and_does_not_stop_others_from_expiring(tmp_path: Path) -> None:
    later = timedelta(0)
    async with governed(tmp_path, PROTECTED, now=lambda: utc_now() + later) as harness:
        await harness.ask("/bitrise subscribe android", "subscribed")
        changed = await request_action(harness)
        await harness.execute("UPDATE proposals SET asked_by = 'U0CARLA'")
        other = await request_action(harness, "/bitrise trigger android branch:release/2")
        run = harness.users.run_step(
            "start_bitrise_build", {"app": "android", "branch": "main", "person": "U0BEN"}
        )
        mine = await harness.wait_for_message("on your behalf", person="ben", channel="D0BEN")
        await harness.execute("UPDATE proposals SET act = '' WHERE execution IS NOT NULL")
        later = timedelta(hours=2)
        await harness.stop_bot()
        await harness.start_bot()
        await harness.wait_until(lambda: "No one approved" in harness.message_text(other))
        for post in (changed, mine):
            await harness.wait_until(lambda post=post: "can't be read any more" in harness.message_text(post))  # type: ignore[misc]
        await harness.wait_until(lambda: run.status != "running")
        assert "Nothing was done" in str(run.error)
        await harness.wait_for_values("SELECT state FROM proposals", "expired", "expired", "expired")
        assert harness.bitrise.state.builds == []


BREAK_FIRST_COMMIT = """
    CREATE SEQUENCE decisions;
    CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('decisions') = 1 THEN
            PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(30);
        END IF; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER break_off AFTER UPDATE ON proposals DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.state = 'agreed') EXECUTE FUNCTION break_off()"""


async def test_a_decision_whose_commit_is_not_confirmed_is_carried_out_once(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    url = postgres.new_database()
    async with governed(tmp_path, PROTECTED, database_url=url) as harness:
        request = await request_action(harness)
        await harness.execute(BREAK_FIRST_COMMIT)
        await harness.users.click("anna", request, "Approve")
        await harness.wait_for_message("ben started Sample Android #1", person=None)
        await harness.wait_for_values("SELECT state FROM proposals", "done")
        assert len(harness.bitrise.state.builds) == 1
        events = [entry["event"] for entry in await harness.audit_entries()]
        assert [events.count(event) for event in ("agreed", "begun")] == [1, 1]


async def test_the_same_decision_stored_twice_counts_once(database: Database) -> None:
    repositories = make_repositories(database, SecretBox([SECRET_KEY]))
    pending = repositories.pending_actions.new(
        TriggerBuildAction(app=ANDROID, ask=TriggerBuild()),
        team="T1",
        channel="C1",
        asked_by="U1",
        deciders=Approvers(who=()),
        asked_at=NOON,
        expires_at=NOON + timedelta(hours=1),
    )
    entry = action_entry(Event.AGREED, pending.act, person="U1", channel="C1")
    for _ in range(2):
        await repositories.pending_actions.begin(pending, Message("?"), entry)
    for by, at, expected in (("U2", NOON, True), ("U2", NOON, True), ("U3", NOON, False)):
        decided = await repositories.pending_actions.conclude(
            pending, PendingActionState.AGREED, Message("!"), entry, by=by, at=at
        )
        assert decided is expected
    count = "SELECT COUNT(*) FROM audit"
    assert await database.read(lambda db: db.execute(count).fetchone()[0]) == 2
