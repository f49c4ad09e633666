"""An update from commit 1391b6b: its stored data, its messages, and open forms and Homes still work."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.manifest import manifest
from bot.providers_setup import ACTIONS
from bot.settings import Settings
from domain.access_policy import Permission, read_policy
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from sandbox.environment import BITRISE_TOKENS, BUILDIO_TOKENS
from sandbox.slack.models import Post
from storage.encryption import SecretBox
from storage.installations import Installations
from storage.sqlite_database import SqliteDatabase
from tests.compatibility.recorded_release import (
    FIXTURES,
    RecordedHarness,
    find_elements,
    make_post,
    read_json,
    write_database,
)
from tests.support.action_ids import ALL_ACTION_IDS
from tests.support.bot_harness import SECRET_KEY
from tests.support.repositories import make_repositories

TEAM = "T0SANDBOX"
PACKAGES = ("bot", "handlers", "providers", "services", "storage", "messages", "domain")
NAMES: dict[str, Any] = read_json("names.json")
# Log events without a cause today: membership in the workspace is checked elsewhere, at each use.
REMOVED_EVENTS = frozenset({"rulings.person_unknown"})


@asynccontextmanager
async def updated_harness(folder: Path) -> AsyncIterator[RecordedHarness]:
    """Run the environment a minute after that commit's bot was killed, with today's bot instead."""
    harness = RecordedHarness(folder)
    await harness.open()
    branch = {"branch": "release/2.1", "commit_message": "While it was updated"}
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android, params=branch))
    try:
        await harness.start_bot()
        yield harness
        assert harness.slack.violations == []
        assert harness.buildio.violations == []
    finally:
        await harness.close()


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[RecordedHarness]:
    async with updated_harness(tmp_path) as opened:
        yield opened


# The database.


def count_rows(path: Path) -> dict[str, int]:
    """Return the number of rows of each table."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not name.startswith("sqlite_")
        ]
        count = "SELECT count(*) FROM "
        return {name: connection.execute(f'{count}"{name}"').fetchone()[0] for name in tables}


async def test_the_database_is_migrated_and_no_row_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    write_database(path)
    before = count_rows(path)
    database = await SqliteDatabase.open(path)
    await database.close()
    after = count_rows(path)
    assert {name: after.get(name) for name in before if name != "_sqlite_migrations"} == {
        name: count for name, count in before.items() if name != "_sqlite_migrations"
    }
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_tokens_are_decrypted_and_the_audit_log_is_valid(tmp_path: Path) -> None:
    write_database(tmp_path / "buildbell.db")
    database = await SqliteDatabase.open(tmp_path / "buildbell.db")
    repositories = make_repositories(database, SecretBox([SECRET_KEY]))
    workspace = repositories.of(TEAM)
    try:
        for person, token in BITRISE_TOKENS.items():
            account = await workspace.accounts.find(f"U0{person.upper()}", BITRISE)
            assert account is not None
            assert workspace.accounts.token(account).get_secret_value() == token
        ben_account = await workspace.accounts.find("U0BEN", BUILDIO)
        assert ben_account is not None
        assert workspace.accounts.token(ben_account).get_secret_value() == BUILDIO_TOKENS["ben"]
        anna_account = await workspace.accounts.find("U0ANNA", BUILDIO)
        assert anna_account is not None
        tokens = workspace.accounts.tokens(anna_account)
        assert tokens.refresh_token is not None
        assert tokens.refresh_token.get_secret_value().startswith("bld_refresh-")
        assert (await workspace.audit_log.verify()).sealed
    finally:
        await database.close()


async def test_installations_of_many_workspaces_keep_their_tokens(tmp_path: Path) -> None:
    write_database(tmp_path / "buildbell.db", "workspaces.sql")
    database = await SqliteDatabase.open(tmp_path / "buildbell.db")
    installations = Installations(database, SecretBox([SECRET_KEY]), lambda: datetime.now(UTC))
    try:
        for team, recorded in read_json("workspaces.json").items():
            bot = await installations.of_workspace(team)
            assert bot is not None
            for name, value in recorded.items():
                value_today = getattr(bot, name.removesuffix("_sha256"))
                if name.endswith("_sha256"):
                    value_today = hashlib.sha256(str(value_today).encode()).hexdigest()
                elif isinstance(value_today, list | tuple):
                    value_today = ",".join(value_today)
                elif name in ("bot_token_expires_at", "installed_at"):
                    value_today = datetime.fromtimestamp(float(value_today), UTC)
                assert str(value_today) == str(value), name
            assert (
                await make_repositories(database, SecretBox([SECRET_KEY])).of(team).audit_log.verify()
            ).sealed
    finally:
        await database.close()


# Files of the operator.


def to_json_value(value: object) -> object:
    """Convert a setting's value as in the recording."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return [to_json_value(item) for item in value]
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return str(value).replace("AbortReasonRule(", "AbortRule(")  # as the class was called in that commit


@pytest.mark.parametrize("file", ["settings", "workspaces"])
def test_an_env_file_has_the_same_settings(file: str) -> None:
    settings = Settings(_env_file=FIXTURES / f"{file}.env")
    recorded = read_json("settings.json")[file]
    found = {
        name: to_json_value(getattr(settings, name.lower() if name.isupper() else name)) for name in recorded
    }
    assert found == recorded


def test_a_policy_file_has_the_same_rules() -> None:
    rules = [json.loads(rule.model_dump_json()) for rule in read_policy(FIXTURES / "policy.toml")]
    recorded = read_json("policy.json")
    for rule in rules:
        for name, value in rule.items():
            if isinstance(value, list) and all(isinstance(item, str) for item in value):
                rule[name] = sorted(value)
    assert [
        {name: rule[name] for name in before} for rule, before in zip(rules, recorded, strict=True)
    ] == recorded


# Names.


def log_events() -> set[str]:
    """Return the event names of all calls of a logger in the code."""
    found = set()
    for path in (path for package in PACKAGES for path in Path(package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "log"
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                found.add(node.args[0].value)
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and node.targets[0].id == "error_event"
                and isinstance(node.value, ast.Constant)
            ):
                found.add(str(node.value.value))
    return found


async def test_no_table_or_column_is_removed(tmp_path: Path) -> None:
    database = await SqliteDatabase.open(tmp_path / "new.db")
    await database.close()
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        for table, columns in NAMES["tables"].items():
            found = {row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')}
            assert set(columns) <= found, table


def test_no_stored_or_public_name_is_removed() -> None:
    now = {
        "acts": {action.model_fields["act"].default for action in ACTIONS},
        "permissions": {permission.value for permission in Permission},
        "ids": set(ALL_ACTION_IDS),
        "settings": {name.upper() for name in Settings.model_fields},
        "shortcuts": {shortcut["callback_id"] for shortcut in manifest()["features"]["shortcuts"]},
        "commands": {command["command"] for command in manifest()["features"]["slash_commands"]},
        "metrics": set(
            re.findall(
                r'"(buildbell_[a-z_]+)"',
                "".join(path.read_text() for package in PACKAGES for path in Path(package).rglob("*.py")),
            )
        ),
        "log_events": log_events() | REMOVED_EVENTS,
    }
    assert {kind: sorted(set(NAMES[kind]) - names) for kind, names in now.items()} == {
        kind: [] for kind in now
    }


def test_workflow_steps_keep_their_inputs_and_outputs() -> None:
    functions = manifest()["functions"]
    for name, recorded in NAMES["functions"].items():
        for side, names in recorded.items():
            found = functions[name][f"{side}_parameters"]
            assert set(names) <= set(found.get("properties", found)), name


# Work in progress during the update.


async def wait_for_outbox(harness: RecordedHarness) -> None:
    """Wait until the outbox has no due message."""
    due = (
        "SELECT (SELECT count(*) FROM notifications WHERE status = 'sending'"
        " OR (status = 'owed' AND due_at IS NULL AND held_for IS NULL))"
        " + (SELECT count(*) FROM messages WHERE status IN ('owed', 'sending') OR stale > 0)"
    )
    await harness.wait_for_values(due, 0)


async def test_undelivered_messages_are_posted_once_and_none_twice(harness: RecordedHarness) -> None:
    await harness.wait_for_message("While it was updated", person=None)
    await wait_for_outbox(harness)
    for text, channel in (
        ("Kept on the way", "builds"),  # Slack posted it, and its response was lost
        ("Not sent yet", "builds"),
        ("shop deployment v3 failed", "builds"),
        ("Web Shop #3 failed", "random"),  # a request that never arrived
        ("While it was updated", "builds"),
    ):
        assert len(harness.messages_with(text, channel)) == 1, text
    for channel, posts in read_json("slack.json")["channels"].items():
        recorded = {post["ts"] for post in posts}
        added = [post for post in harness.slack.workspace.channels[channel].posts if post.ts not in recorded]
        assert not [
            harness.message_text(post)
            for post in added
            if "Delayed notifications" in harness.message_text(post)
        ]


async def test_the_next_builds_are_notified_in_the_style_of_each_subscription(
    harness: RecordedHarness,
) -> None:
    await wait_for_outbox(harness)
    bitrise = harness.bitrise
    live_message = await harness.wait_for_message("Sample iOS #13 is running", person=None)
    runs = harness.slack.workspace.executions.values()
    [waiting_step] = [
        run for run in runs if run.inputs == {"app": "ios", "build": "#13"} and "wait" in run.function
    ]
    for build in [build for build in bitrise.state.builds if build.app is bitrise.ios and build.number == 13]:
        bitrise.finish(build)
    await harness.wait_until(lambda: "Sample iOS #13 passed" in harness.message_text(live_message))
    await harness.wait_until(lambda: waiting_step.status == "completed")
    assert waiting_step.outputs is not None
    assert waiting_step.outputs["result"] == "succeeded"
    pushed = bitrise.start_build(bitrise.android, by="manual-anna-berg", params={"branch": "develop"})
    bitrise.finish(pushed, "error")
    await harness.wait_for_message(f"Sample Android #{pushed.number} failed", person=None)
    reply = await harness.wait_for_message(
        f"Sample Android #{pushed.number} failed", person=None, channel="D0ANNA"
    )
    assert reply.only_for is None
    fixed = bitrise.start_build(bitrise.web, params={"branch": "develop"})
    bitrise.finish(fixed)
    card = await harness.wait_for_message("Web Shop on `develop`, workflow `test`", person=None)
    await harness.wait_until(lambda: "is fixed" in harness.message_text(card))
    harness.buildio.deploy(harness.buildio.staging, branch="main")
    harness.buildio.finish(harness.buildio.staging)
    await harness.wait_for_message("shop-staging deployment v3 succeeded", person=None)
    await harness.wait_for_values(
        "SELECT count(*) > 0 FROM notifications JOIN subscriptions ON subscriptions.id = subscription_id"
        " WHERE terms LIKE '%daily%' AND status = 'owed'",
        1,
    )


async def test_scheduled_work_happens_at_its_time(tmp_path: Path) -> None:
    async with updated_harness(tmp_path) as harness:
        await wait_for_outbox(harness)
        card = await harness.wait_for_message("Web Shop on `main`, workflow `test`", person=None)
        assert "Snoozed until" in harness.message_text(card)
        assert "2 builds failed" not in harness.message_text(card)
        await harness.stop_bot()
        harness.clock.skip(timedelta(hours=5))
        await harness.start_bot()
        await harness.wait_until(lambda: "2 builds failed" in harness.message_text(card))
        assert "Snoozed until" not in harness.message_text(card)
        pending = await harness.wait_for_message(
            "ben wants to restart web.1 of shop", person=None, channel="random"
        )
        await harness.stop_bot()
        harness.clock.skip(timedelta(days=8))
        await harness.start_bot()
        await harness.wait_until(lambda: "No one approved" in harness.message_text(pending))
        await harness.wait_for_message("v2 failed", person=None, channel="random")
        await harness.wait_for_values("SELECT count(*) FROM notifications WHERE status = 'owed'", 0)
        await harness.wait_for_values("SELECT count(*) FROM passing_files", 0)


async def test_a_sign_in_that_was_started_before_is_finished(harness: RecordedHarness) -> None:
    await harness.users.command("carla", "builds", "/buildio connect")
    await harness.slack.wait_for_modal("carla", "paste it here")
    await harness.users.submit("carla", {"token": harness.recorded["code"]})
    await harness.slack.wait_for_modal("carla", "Connected to Build.io as")
    await harness.users.close_modal("carla")
    await harness.ask("/buildio whoami", "carla-ruiz", person="carla")


async def test_an_oauth_account_is_refreshed(harness: RecordedHarness) -> None:
    harness.buildio.oauth_grants.expire(harness.buildio.members["anna-berg"])
    harness.clock.skip(timedelta(hours=3))
    await harness.ask("/buildio config shop", "`DATABASE_URL`")


async def test_preferences_are_kept(harness: RecordedHarness) -> None:
    await harness.ask("/bitrise build #1", "Sample Android #1 passed")  # the channel's own app
    await harness.ask("/bitrise me", "Your builds: by `anna-berg`")
    linked = await harness.ask("/buildio link", "shop-staging")
    assert "branch `main` or `release/*`" in harness.message_text(linked)
    assert "Sample iOS" in harness.message_text(linked)
    policy = await harness.ask("/bitrise policy", "Who can do what")
    assert "Anna Berg and Ben Okafor" in harness.message_text(policy)
    await harness.users.command("anna", "builds", "/bitrise trigger")
    form = await harness.slack.wait_for_modal("anna", "Filled in from the last build that you started")
    assert "v1" in harness.slack.modal_text(form)


# Pending actions.


def is_contained(stored: Any, read: Any) -> bool:
    """Return whether everything stored is in what was read, which may have more fields."""
    if isinstance(stored, dict) and isinstance(read, dict):
        return all(name in read and is_contained(value, read[name]) for name, value in stored.items())
    return bool(stored == read)


async def test_pending_actions_are_refused_with_an_explanation_and_can_be_requested_again(
    harness: RecordedHarness,
) -> None:
    """Their messages do not show all that is sent, and their approvers were not protected (CHANGELOG, "Security")."""
    await wait_for_outbox(harness)
    pending = harness.messages_with("Somebody else must agree", "random")
    assert len(pending) >= len(NAMES["acts"])
    started = len(harness.bitrise.state.builds)
    harness.buildio.requests.clear()
    for post in pending:
        for button in ("proposal_agree", "proposal_decline"):
            await harness.press(
                post, button, "This was requested before Buildbell was updated. Request it again."
            )
    assert len(harness.bitrise.state.builds) == started
    assert [request for request in harness.buildio.requests if request.method != "GET"] == []
    await harness.ask("/buildio restart shop web.1", "", person="ben", channel="random")
    new_pending = await harness.wait_for_message(
        "ben requests approval to restart web.1 of shop", person=None, channel="random", after=pending[-1]
    )
    await harness.users.click("anna", new_pending, "proposal_agree")
    await harness.wait_for_message("restarted `web.1` of shop", person=None, channel="random")


async def test_every_stored_action_is_read_completely(tmp_path: Path) -> None:
    write_database(tmp_path / "buildbell.db")
    database = await SqliteDatabase.open(tmp_path / "buildbell.db")
    pending_actions = make_repositories(database, SecretBox([SECRET_KEY])).pending_actions
    try:
        with closing(sqlite3.connect(tmp_path / "buildbell.db")) as connection:
            rows = connection.execute("SELECT id, act FROM proposals WHERE state = 'open'").fetchall()
        found = {}
        for identity, encrypted in rows:
            pending_action = await pending_actions.find_open(TEAM, identity)
            assert pending_action is not None
            stored = json.loads(SecretBox([SECRET_KEY]).decrypt(encrypted, "proposal", TEAM, identity))
            read = json.loads(pending_action.act.to_json_with_secrets())
            assert is_contained(stored, read), stored["act"]
            found[stored["act"]] = pending_action
        assert sorted(found) == NAMES["acts"]
    finally:
        await database.close()


# Messages with buttons.

# A text of each button's result. The last buttons delete something, so they are pressed last.
EXPECTED_TEXTS: dict[str, str] = {
    "account_connect": "Your Build.io account",
    "build_log": "Log of Sample Android #1",
    "build_artifacts": "2 artifacts from",
    "build_rebuild": "with `primary`, a rebuild of Sample Android #1",
    "build_compare": "that passed was found",
    "build_show": "Sample Android #8 is",
    "build_tell_me": "direct message when Sample iOS #13 finishes",
    "builds_next": "Sample iOS: all builds",
    "card_claim": "@anna is on it",
    "card_snooze": "by @anna",
    "pipeline_failed_rebuild": "rebuilt the failed workflows of Sample Android release-train #5",
    "pipeline_whole_rebuild": "release-train #5",
    "pipeline_show": "Sample Android release-train #",
    "request_approve": "approved the build of pull request #41",
    "request_decline": "declined the build of pull request #43",
    "apps_page_next": "page 2 of 2",
    "apps_page": "page 1 of 2",
    "start_build": "Filled in from the last build that you started",
    "subscribe": "Notify about",
    "subscription_edit": "Notifications for Sample Android",
    "subscription_resume": "resumed notifications for",
    "log_step": "SSH key is added to the agent",
    "log_search": "Word or part of a line",
    "log_file": "Full log of Sample Android #3",
    "log_share": "Full log of Sample Android #3",
    "log_follow": "Following the log of",
    "artifact_link": "expires in 10 minutes",
    "artifact_several": "They expire in 10 minutes",
    "artifact_qr": "Scan to install sample-ios.apk",
    "artifact_public": "made the install page of sample-android.apk public",
    "artifact_private": "made the install page of sample-ios.apk private",
    "policy_add": "Add a rule",
    "buildio_offer": "started deploying shop-staging v3",
    "buildio_app": "ledger",
    "buildio_ps": "[Run a command…]",
    "buildio_deploy": "┌─ Deploy",
    "buildio_create": "Create an app",
    "buildio_apps_page": "apps of acme",
    "buildio_restart": "Processes of shop",
    "buildio_restart_one": "of shop",
    "buildio_restart_all": "restarted all processes of shop",
    "buildio_run": "Run a command",
    "buildio_run_share": "shared the output of a command in `web.1` of shop",
    "buildio_vars": "2 config vars",
    "buildio_vars_set": "Set config vars",
    "buildio_vars_unset": "Remove config vars",
    "buildio_reveal": "Only visible to you. Hides in",
    "buildio_reveal_granted": "Only visible to you. Hides in",
    "buildio_domains": "4 domains",
    "buildio_domain_add": "Add a domain",
    "buildio_domain_certificate": "Replace a certificate",
    "buildio_domains_clear": "Remove all domains",
    "buildio_pipeline_show": "Team acme",
    "buildio_namespace_create": "Create a namespace",
    "buildio_namespace_delete": "and everything in it",
    "build_abort": "Abort a",
    "subscription_pause": "paused notifications for",
    "unsubscribe": "removed a subscription",
    "buildio_untie": "removed the deploy link",
    "policy_remove": "Access rule deleted",
    "buildio_domain_remove": "removed the domain",
    "account_disconnect": "Disconnect `anna-berg` from Bitrise?",
}
# These update their own message, or only store a selection.
UPDATES_ITSELF = (
    "artifact_renew",
    "artifacts_pick",
    "build_refresh",
    "buildio_domains_refresh",
    "buildio_ps_refresh",
    "buildio_refresh",
    "buildio_vars_refresh",
    "open_link",
    "open_link_page",
    "pipeline_refresh",
)
LAST_COMMAND = ("buildbell_commands_total", {"command": "pipeline_refresh", "outcome": "answered"})
DECISION_BUTTONS = ("proposal_agree", "proposal_decline")


@dataclass
class Button:
    """An element of a recorded message, and the user who presses it."""

    element: dict[str, Any]
    channel: str
    post: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.element["action_id"])

    @property
    def person(self) -> str:
        if self.name == "buildio_reveal_granted":
            return "ben"
        only = self.post.get("only_for") or {"D0BEN": "U0BEN"}.get(self.channel, "U0ANNA")
        return str(only[2:].lower())

    @property
    def kind(self) -> tuple[str, str]:
        """Return its name and the fields of its value."""
        value = str(self.element.get("value", ""))
        if value.startswith("{"):
            parts = json.loads(value)
            return self.name, f"{sorted(parts)} {parts.get('pipeline') is True}"
        return self.name, ""

    def selection(self) -> Any:
        """Return the selected option; None for a button."""
        if self.element["type"] == "button":
            return None
        groups = self.element.get("option_groups") or [self.element]
        first = groups[0]["options"][0]["text"]["text"]
        return [first] if self.element["type"].startswith("multi") else first


def recorded_buttons() -> list[Button]:
    """Return one recorded button of each kind."""
    found: dict[tuple[str, str], Button] = {}
    for channel, posts in read_json("slack.json")["channels"].items():
        for post in posts:
            below = [
                block for attachment in post.get("attachments", ()) for block in attachment.get("blocks", ())
            ]
            for element in find_elements([*post.get("blocks", ()), *below]):
                button = Button(element, channel, post)
                if button.name == "request_decline" and channel == "C0BUILDS":
                    found[button.kind] = button  # the last one, since the first one is approved
                found.setdefault(button.kind, button)
    order = [*UPDATES_ITSELF, *EXPECTED_TEXTS, *DECISION_BUTTONS]
    return sorted(found.values(), key=lambda button: order.index(button.name))


def visible_texts(harness: RecordedHarness, person: str) -> dict[str, str]:
    """Return the texts of all messages and modals that a person sees."""
    workspace = harness.slack.workspace
    who = workspace.find_user(person).id
    seen = {
        f"{channel.id} {post.ts}": harness.message_text(post)
        for channel in workspace.channels.values()
        if channel.im_with in (None, who)
        for post in channel.posts
        if post.only_for in (None, who)
    }
    modals = {opened.id: harness.slack.modal_text(opened) for opened in workspace.views.get(who, ())}
    return seen | modals


async def press_recorded(harness: RecordedHarness, button: Button) -> str:
    """Press a button on its message as that commit posted it, and return the new texts after the answer."""
    posts = harness.slack.workspace.channels[button.channel].posts
    shown = next((post for post in posts if post.ts == button.post["ts"]), None)
    if shown is None:
        shown = make_post(button.post)
        posts.append(shown)
    shown.blocks = deepcopy(button.post["blocks"])
    before = visible_texts(harness, button.person)
    delivered = await harness.users.click(
        button.person, shown, button.name, button.selection(), block_id=button.element["block_id"]
    )
    assert delivered is not None, f"{button.name} was not acknowledged"
    expected = EXPECTED_TEXTS.get(button.name, "")
    if button.name in DECISION_BUTTONS:
        expected = "requested before Buildbell was updated"

    def new_text() -> str:
        after = visible_texts(harness, button.person)
        return "\n".join(text for key, text in after.items() if before.get(key) != text)

    try:
        if expected:
            await harness.wait_until(lambda: expected in new_text())
    except TimeoutError:
        pytest.fail(f"{button.kind} does not say {expected!r} but:\n{new_text()}")
    while harness.users.modal(button.person):
        await harness.users.close_modal(button.person)
    return new_text()


async def test_every_button_still_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async with updated_harness(tmp_path) as harness:
        await wait_for_outbox(harness)
        buttons = recorded_buttons()
        for button in buttons:
            assert "another version" not in await press_recorded(harness, button), button.kind
        await harness.wait_until(
            lambda: harness.bot.metrics.registry.get_sample_value(*LAST_COMMAND) is not None
        )
        samples = {
            (sample.labels["command"], sample.labels["outcome"]): sample.value
            for metric in harness.bot.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == "buildbell_commands_total"
        }
        assert not [name for name, outcome in samples if outcome != "answered"]
        posts = [post for channel in harness.slack.workspace.channels.values() for post in channel.posts]
        warnings = {
            harness.message_text(post) for post in posts if harness.message_text(post).startswith("⚠️")
        }
        assert warnings == {
            "⚠️ release-train #5 is still running. Abort it first, or wait until it finishes.",
            "⚠️ This was requested before Buildbell was updated. Request it again.",
        }
    output = capfd.readouterr()
    assert "answer.broken" not in output.out + output.err + caplog.text


def test_the_recording_has_every_button_and_form_of_that_commit() -> None:
    views = read_json("views.json")
    recorded_names = {button.name for button in recorded_buttons()}
    for view in [*(modal["view"] for modal in views["modals"]), *views["homes"].values()]:
        recorded_names |= {element["action_id"] for element in find_elements(view["blocks"])}
        recorded_names.add(view.get("callback_id", ""))
    never_shown = {
        "choose_app",
        "choose_app_modal",
    }  # that commit had listeners for them and never showed them
    assert set(NAMES["ids"]) - recorded_names == never_shown


# Forms and Home.


async def test_an_open_form_keeps_its_input_and_asks_to_be_opened_again(
    harness: RecordedHarness,
) -> None:
    """Forms have been signed since then, and an unsigned one could be forged (CHANGELOG, "Security")."""
    await wait_for_outbox(harness)
    users, workspace = harness.users, harness.slack.workspace
    harness.bitrise.requests.clear()
    harness.buildio.requests.clear()
    forms = [modal for modal in read_json("views.json")["modals"] if "submit" in modal["view"]]
    assert len({form["view"]["callback_id"] for form in forms}) >= 15
    for form in forms:
        opened = workspace.open_view(workspace.find_user(form["person"]).id, deepcopy(form["view"]))
        fields = [block for block in opened.view["blocks"] if block["type"] == "input"]
        typed = {
            block["block_id"]: "typed"[: block["element"].get("max_length", 9)]
            for block in fields
            if block["element"]["type"] in ("plain_text_input", "email_text_input")
        }
        for block in fields:
            block["optional"] = True  # this is not about missing input
        await users.submit(form["person"], typed)
        assert users.modal(form["person"]) is opened, form["how"]
        if fields:
            output = " ".join(opened.errors.values())
            assert opened.entered == typed, form["how"]
        else:
            output = harness.slack.modal_text(opened)
        assert "another version of Buildbell, so nothing was done. Copy your input" in output, form["how"]
        await users.close_modal(form["person"])
    sent = [*harness.bitrise.requests, *harness.buildio.requests]
    assert [request for request in sent if request.method != "GET"] == []


async def test_an_open_form_keeps_its_input_when_it_is_updated(
    harness: RecordedHarness,
) -> None:
    [recorded] = [
        modal for modal in read_json("views.json")["modals"] if modal["how"] == "start_add_variable"
    ]
    view = deepcopy(recorded["view"])
    [first] = [block for block in view["blocks"] if block.get("block_id") == "variable_1"]
    second = json.loads(json.dumps(first).replace("variable_1", "variable_2"))
    view["blocks"].insert(view["blocks"].index(first) + 1, second)
    opened = harness.slack.workspace.open_view("U0ANNA", view)
    typed = {"message": "try it", "variable_1": "A=1", "variable_2": "B=2"}
    opened.entered |= typed
    await harness.redraw("start_add_variable", None)
    assert opened.entered == typed
    assert "variable_3" in {block["block_id"] for block in opened.view["blocks"]}


async def test_a_recorded_home_still_works(harness: RecordedHarness) -> None:
    await wait_for_outbox(harness)
    users, slack = harness.users, harness.slack
    assert await users.options("anna", "pick_app", "shop")
    for element, expected in (
        ("find_build", "Find"),
        ("settings", "Your name at Bitrise"),
        ("start_build", "Start a build"),
        ("subscribe", "Notify about"),
        ("subscription_edit", "Notify about"),
        ("build_show", "Sample"),
        ("build_abort", "Abort a build"),
    ):
        blocks = show_recorded_home(harness)
        [first, *_] = [found for found in find_elements(blocks) if found["action_id"] == element]
        await users.set_value("anna", element, block_id=first["block_id"])
        await slack.wait_for_modal("anna", expected)
        while users.modal("anna"):
            await users.close_modal("anna")
    users.open_home("anna")
    await harness.wait_until(lambda: "Sample" in json.dumps(slack.workspace.homes["U0ANNA"]))


def show_recorded_home(harness: RecordedHarness) -> list[dict[str, Any]]:
    """Show Anna's Home as that commit published it, and return its blocks."""
    home = deepcopy(read_json("views.json")["homes"]["U0ANNA"])
    harness.slack.workspace.homes["U0ANNA"] = home
    blocks: list[dict[str, Any]] = home["blocks"]
    return blocks


async def test_a_shortcut_on_an_old_message_finds_its_build(harness: RecordedHarness) -> None:
    post: Post = await harness.wait_for_message("Sample Android #3 failed", person=None)
    await harness.users.shortcut("anna", "about_build", post)
    await harness.slack.wait_for_modal("anna", "Sample Android #3")
