"""An update from commit 1391b6b: what it stored, what it posted, and what people had open go on working."""

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
from domain.provider import Provider
from messages.kit import action_ids
from sandbox.environment import BITRISE_TOKENS, BUILDIO_TOKENS
from sandbox.slack.models import Post
from storage.database import Database
from storage.encryption import SecretBox
from storage.installations import Installations
from tests.compatibility.recorded_release import (
    FIXTURES,
    RecordedHarness,
    elements_in,
    post_from,
    read_json,
    write_database,
)
from tests.support.bot_harness import SECRET_KEY
from tests.support.repositories import make_repositories

TEAM = "T0SANDBOX"
ROOMS = ("bot", "handlers", "providers", "services", "storage", "messages", "domain")
NAMES: dict[str, Any] = read_json("names.json")
# Whose cause is gone: whether somebody belongs to the workspace is asked elsewhere, at each use.
EVENTS_GONE = frozenset({"rulings.person_unknown"})


@asynccontextmanager
async def updated(folder: Path) -> AsyncIterator[RecordedHarness]:
    """The town a minute after that commit's bot was killed, with today's bot in its place."""
    town = RecordedHarness(folder)
    await town.open()
    branch = {"branch": "release/2.1", "commit_message": "While it was updated"}
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.android, params=branch))
    try:
        await town.start_bot()
        yield town
        assert town.slack.violations == []
        assert town.buildio.violations == []
    finally:
        await town.close()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[RecordedHarness]:
    async with updated(tmp_path) as opened:
        yield opened


# The database.


def rows_of(path: Path) -> dict[str, int]:
    """How many rows each table has."""
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
    before = rows_of(path)
    database = await Database.open(path)
    await database.close()
    after = rows_of(path)
    assert {name: after.get(name) for name in before if name != "_sqlite_migrations"} == {
        name: count for name, count in before.items() if name != "_sqlite_migrations"
    }
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_tokens_are_decrypted_and_the_audit_log_is_whole(tmp_path: Path) -> None:
    write_database(tmp_path / "buildbell.db")
    database = await Database.open(tmp_path / "buildbell.db")
    storage = make_repositories(database, SecretBox([SECRET_KEY]))
    here = storage.of(TEAM)
    try:
        for person, token in BITRISE_TOKENS.items():
            account = await here.accounts.find(f"U0{person.upper()}", Provider.BITRISE)
            assert account is not None
            assert here.accounts.token(account).get_secret_value() == token
        bens = await here.accounts.find("U0BEN", Provider.BUILDIO)
        assert bens is not None
        assert here.accounts.token(bens).get_secret_value() == BUILDIO_TOKENS["ben"]
        annas = await here.accounts.find("U0ANNA", Provider.BUILDIO)
        assert annas is not None
        tokens = here.accounts.tokens(annas)
        assert tokens.refresh_token is not None
        assert tokens.refresh_token.get_secret_value().startswith("bld_refresh-")
        assert (await here.audit_log.verify()).sealed
    finally:
        await database.close()


async def test_installations_of_many_workspaces_keep_their_tokens(tmp_path: Path) -> None:
    write_database(tmp_path / "buildbell.db", "workspaces.sql")
    database = await Database.open(tmp_path / "buildbell.db")
    installations = Installations(database, SecretBox([SECRET_KEY]), lambda: datetime.now(UTC))
    try:
        for team, recorded in read_json("workspaces.json").items():
            bot = await installations.of_workspace(team)
            assert bot is not None
            for name, value in recorded.items():
                kept = getattr(bot, name.removesuffix("_sha256"))
                if name.endswith("_sha256"):
                    kept = hashlib.sha256(str(kept).encode()).hexdigest()
                elif isinstance(kept, list | tuple):
                    kept = ",".join(kept)
                elif name in ("bot_token_expires_at", "installed_at"):
                    kept = datetime.fromtimestamp(float(kept), UTC)
                assert str(kept) == str(value), name
            assert (
                await make_repositories(database, SecretBox([SECRET_KEY])).of(team).audit_log.verify()
            ).sealed
    finally:
        await database.close()


# What whoever runs the bot has written.


def plain(value: object) -> object:
    """A setting's value as JSON has it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return str(value).replace("AbortReasonRule(", "AbortRule(")  # as the class was called in that commit


@pytest.mark.parametrize("file", ["settings", "workspaces"])
def test_an_env_file_means_what_it_meant(file: str) -> None:
    settings = Settings(_env_file=FIXTURES / f"{file}.env")
    recorded = read_json("settings.json")[file]
    found = {
        name: plain(getattr(settings, name.lower() if name.isupper() else name))
        for name in recorded
        if name in recorded
    }
    assert found == recorded


def test_a_policy_file_means_what_it_meant() -> None:
    rules = [json.loads(rule.model_dump_json()) for rule in read_policy(FIXTURES / "policy.toml")]
    recorded = read_json("policy.json")
    for rule in rules:
        for name, value in rule.items():
            if isinstance(value, list) and all(isinstance(one, str) for one in value):
                rule[name] = sorted(value)
    assert [
        {name: rule[name] for name in before} for rule, before in zip(rules, recorded, strict=True)
    ] == recorded


# Names.


def log_events() -> set[str]:
    """The first arguments of all calls of a logger."""
    found = set()
    for path in (path for room in ROOMS for path in Path(room).rglob("*.py")):
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
    return found


async def test_no_table_or_column_is_gone(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "new.db")
    await database.close()
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        for table, columns in NAMES["tables"].items():
            found = {row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')}
            assert set(columns) <= found, table


def test_no_name_that_is_stored_or_known_outside_is_gone() -> None:
    now = {
        "acts": {spec.action_class.model_fields["act"].default for spec in ACTIONS},
        "permissions": {one.value for one in Permission},
        "ids": {value for name, value in vars(action_ids).items() if name.isupper()},
        "settings": {name.upper() for name in Settings.model_fields},
        "shortcuts": {one["callback_id"] for one in manifest()["features"]["shortcuts"]},
        "commands": {one["command"] for one in manifest()["features"]["slash_commands"]},
        "metrics": set(
            re.findall(
                r'"(buildbell_[a-z_]+)"',
                "".join(path.read_text() for room in ROOMS for path in Path(room).rglob("*.py")),
            )
        ),
        "log_events": log_events() | EVENTS_GONE,
    }
    assert {kind: sorted(set(NAMES[kind]) - names) for kind, names in now.items()} == {
        kind: [] for kind in now
    }


def test_steps_of_workflows_take_and_give_what_they_did() -> None:
    functions = manifest()["functions"]
    for name, recorded in NAMES["functions"].items():
        for side, names in recorded.items():
            found = functions[name][f"{side}_parameters"]
            assert set(names) <= set(found.get("properties", found)), name


# What is under way when the bot is updated.


async def settled(town: RecordedHarness) -> None:
    """Wait until nothing that is due waits for Slack."""
    due = (
        "SELECT (SELECT count(*) FROM notifications WHERE status = 'sending'"
        " OR (status = 'owed' AND due_at IS NULL AND held_for IS NULL))"
        " + (SELECT count(*) FROM messages WHERE status IN ('owed', 'sending') OR stale > 0)"
    )
    await town.wait_for_values(due, 0)


async def test_what_was_not_delivered_is_posted_once_and_nothing_twice(town: RecordedHarness) -> None:
    await town.wait_for_message("While it was updated", person=None)
    await settled(town)
    for text, channel in (
        ("Kept on the way", "builds"),  # Slack had it, and its answer was lost
        ("Not sent yet", "builds"),
        ("shop deployment v3 failed", "builds"),
        ("Web Shop #3 failed", "random"),  # a request that never arrived
        ("While it was updated", "builds"),
    ):
        assert len(town.messages_with(text, channel)) == 1, text
    for channel, posts in read_json("slack.json")["channels"].items():
        recorded = {post["ts"] for post in posts}
        added = [one for one in town.slack.workspace.channels[channel].posts if one.ts not in recorded]
        assert not [
            town.message_text(one)
            for one in added
            if "ended while I could not tell you" in town.message_text(one)
        ]


async def test_the_next_builds_are_told_to_each_subscription_in_its_style(town: RecordedHarness) -> None:
    await settled(town)
    bitrise = town.bitrise
    live = await town.wait_for_message("Sample iOS #13 is running", person=None)
    runs = town.slack.workspace.executions.values()
    [waiting] = [
        one for one in runs if one.inputs == {"app": "ios", "build": "#13"} and "wait" in one.function
    ]
    for build in [one for one in bitrise.state.builds if one.app is bitrise.ios and one.number == 13]:
        bitrise.finish(build)
    await town.wait_until(lambda: "Sample iOS #13 succeeded" in town.message_text(live))
    await town.wait_until(lambda: waiting.status == "completed")
    assert waiting.outputs is not None
    assert waiting.outputs["result"] == "succeeded"
    pushed = bitrise.start_build(bitrise.android, by="manual-anna-berg", params={"branch": "develop"})
    bitrise.finish(pushed, "error")
    await town.wait_for_message(f"Sample Android #{pushed.number} failed", person=None)
    reply = await town.wait_for_message(
        f"Sample Android #{pushed.number} failed", person=None, channel="D0ANNA"
    )
    assert reply.only_for is None
    fixed = bitrise.start_build(bitrise.web, params={"branch": "develop"})
    bitrise.finish(fixed)
    card = await town.wait_for_message("Web Shop on `develop`, workflow `test`", person=None)
    await town.wait_until(lambda: "is green again" in town.message_text(card))
    town.buildio.deploy(town.buildio.staging, branch="main")
    town.buildio.finish(town.buildio.staging)
    await town.wait_for_message("shop-staging deployment v3 succeeded", person=None)
    await town.wait_for_values(
        "SELECT count(*) > 0 FROM notifications JOIN subscriptions ON subscriptions.id = subscription_id"
        " WHERE terms LIKE '%daily%' AND status = 'owed'",
        1,
    )


async def test_what_waited_for_a_time_happens_at_it(tmp_path: Path) -> None:
    async with updated(tmp_path) as town:
        await settled(town)
        card = await town.wait_for_message("Web Shop on `main`, workflow `test`", person=None)
        assert "Snoozed until" in town.message_text(card)
        assert "2 builds have failed" not in town.message_text(card)
        await town.stop_bot()
        town.clock.skip(timedelta(hours=5))
        await town.start_bot()
        await town.wait_until(lambda: "2 builds have failed" in town.message_text(card))
        assert "Snoozed until" not in town.message_text(card)
        asked = await town.wait_for_message(
            "ben wants to restart web.1 of shop", person=None, channel="random"
        )
        await town.stop_bot()
        town.clock.skip(timedelta(days=8))
        await town.start_bot()
        await town.wait_until(lambda: "Nobody agreed in time" in town.message_text(asked))
        await town.wait_for_message("v2 failed", person=None, channel="random")
        await town.wait_for_values("SELECT count(*) FROM notifications WHERE status = 'owed'", 0)
        await town.wait_for_values("SELECT count(*) FROM passing_files", 0)


async def test_a_sign_in_that_was_begun_before_is_finished(town: RecordedHarness) -> None:
    await town.users.command("carla", "builds", "/buildio connect")
    await town.slack.wait_for_modal("carla", "paste it here")
    await town.users.submit("carla", {"token": town.world["code"]})
    await town.slack.wait_for_modal("carla", "at Build.io. From now on")
    await town.users.close_modal("carla")
    await town.ask("/buildio whoami", "carla-ruiz", person="carla")


async def test_an_account_with_oauth_is_renewed(town: RecordedHarness) -> None:
    town.buildio.oauth_grants.expire(town.buildio.members["anna-berg"])
    town.clock.skip(timedelta(hours=3))
    await town.ask("/buildio config shop", "`DATABASE_URL`")


async def test_what_people_have_chosen_still_holds(town: RecordedHarness) -> None:
    await town.ask("/bitrise build #1", "Sample Android #1 succeeded")  # the channel's own app
    await town.ask("/bitrise me", "The builds of `anna-berg` are yours")
    tied = await town.ask("/buildio link", "shop-staging")
    assert "branch `main` or `release/*`" in town.message_text(tied)
    assert "Sample iOS" in town.message_text(tied)
    policy = await town.ask("/bitrise policy", "Who may do what")
    assert "Anna Berg and Ben Okafor" in town.message_text(policy)
    await town.users.command("anna", "builds", "/bitrise trigger")
    form = await town.slack.wait_for_modal("anna", "This is what you started last time")
    assert "v1" in town.slack.modal_text(form)


# Actions that wait for a second person.


def is_part_of(stored: Any, read: Any) -> bool:
    """Whether all that was stored is in what was read, which may have more."""
    if isinstance(stored, dict) and isinstance(read, dict):
        return all(name in read and is_part_of(value, read[name]) for name, value in stored.items())
    return bool(stored == read)


async def test_pending_actions_are_refused_in_words_and_asked_for_again(town: RecordedHarness) -> None:
    """Their messages do not show all that would be sent, and who may agree was not sealed then (CHANGELOG, "Security")."""
    await settled(town)
    asked = town.messages_with("Somebody else must agree", "random")
    assert len(asked) >= len(NAMES["acts"])
    started = len(town.bitrise.state.builds)
    town.buildio.requests.clear()
    for post in asked:
        for button in ("proposal_agree", "proposal_decline"):
            await town.press(post, button, "This was asked for before I was updated. Ask for it again.")
    assert len(town.bitrise.state.builds) == started
    assert [one for one in town.buildio.requests if one.method != "GET"] == []
    await town.ask("/buildio restart shop web.1", "", person="ben", channel="random")
    again = await town.wait_for_message(
        "ben wants to restart web.1 of shop", person=None, channel="random", after=asked[-1]
    )
    await town.users.click("anna", again, "proposal_agree")
    await town.wait_for_message("restarted `web.1` of shop", person=None, channel="random")


async def test_every_stored_action_is_read_whole(tmp_path: Path) -> None:
    write_database(tmp_path / "buildbell.db")
    database = await Database.open(tmp_path / "buildbell.db")
    proposals = make_repositories(database, SecretBox([SECRET_KEY])).pending_actions
    try:
        with closing(sqlite3.connect(tmp_path / "buildbell.db")) as connection:
            rows = connection.execute("SELECT id, act FROM proposals WHERE state = 'open'").fetchall()
        found = {}
        for identity, sealed in rows:
            proposal = await proposals.find_open(TEAM, identity)
            assert proposal is not None
            stored = json.loads(SecretBox([SECRET_KEY]).decrypt(sealed, "proposal", TEAM, identity))
            read = json.loads(proposal.act.to_json_with_secrets())
            assert is_part_of(stored, read), stored["act"]
            found[stored["act"]] = proposal
        assert sorted(found) == NAMES["acts"]
    finally:
        await database.close()


# Messages with buttons.

# What each button does; those of the last ones take things away.
DOES: dict[str, str] = {
    "account_connect": "Your Build.io account",
    "build_log": "Log of Sample Android #1",
    "build_artifacts": "left 2 artifacts behind",
    "build_rebuild": "with `primary`, as Sample Android #1 was",
    "build_compare": "has succeeded before it",
    "build_show": "Sample Android #8 is",
    "build_tell_me": "direct message when Sample iOS #13 ends",
    "builds_next": "Sample iOS: all builds",
    "card_claim": "@anna is on it",
    "card_snooze": "by @anna",
    "pipeline_failed_rebuild": "started what had not succeeded of Sample Android release-train #5",
    "pipeline_whole_rebuild": "release-train #5",
    "pipeline_show": "Sample Android release-train #",
    "request_approve": "approved the build of pull request #41",
    "request_decline": "declined the build of pull request #43",
    "apps_page_next": "page 2 of 2",
    "apps_page": "page 1 of 2",
    "start_build": "This is what you started last time",
    "subscribe": "What is told",
    "subscription_edit": "What is told of Sample Android",
    "subscription_resume": "let this channel be told again",
    "log_step": "SSH key is added to the agent",
    "log_search": "Word or part of a line",
    "log_file": "The whole log of Sample Android #3",
    "log_share": "The whole log of Sample Android #3",
    "log_follow": "as it is written",
    "artifact_link": "lives ten minutes",
    "artifact_several": "each lives ten minutes",
    "artifact_qr": "Scan to install sample-ios.apk",
    "artifact_public": "made the install page of sample-android.apk public",
    "artifact_private": "made the install page of sample-ios.apk private",
    "policy_add": "Add a rule",
    "buildio_offer": "deploys shop-staging v3",
    "buildio_app": "ledger",
    "buildio_ps": "[Run a command…]",
    "buildio_deploy": "┌─ Deploy",
    "buildio_create": "Create an app",
    "buildio_apps_page": "apps of acme",
    "buildio_restart": "Processes of shop",
    "buildio_restart_one": "of shop",
    "buildio_restart_all": "restarted all processes of shop",
    "buildio_run": "Run a command",
    "buildio_run_share": "shows what a command in `web.1` of shop said",
    "buildio_vars": "2 config vars",
    "buildio_vars_set": "Set config vars",
    "buildio_vars_unset": "Remove config vars",
    "buildio_reveal": "for your eyes only",
    "buildio_reveal_granted": "for your eyes only",
    "buildio_domains": "4 domains",
    "buildio_domain_add": "Add a domain",
    "buildio_domain_certificate": "Another certificate",
    "buildio_domains_clear": "Remove all domains",
    "buildio_pipeline_show": "Team acme",
    "buildio_namespace_create": "Create a namespace",
    "buildio_namespace_delete": "is deleted with all that is in it",
    "build_abort": "Abort a",
    "subscription_pause": "paused this",
    "unsubscribe": "ended the subscription",
    "buildio_untie": "untied",
    "policy_remove": "This rule counts no longer",
    "buildio_domain_remove": "removed the domain",
    "account_disconnect": "Disconnect `anna-berg` from Bitrise?",
}
# They draw their own message anew, or only remember what was picked.
DRAW_ANEW = (
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
LAST_ANSWERED = ("buildbell_commands_total", {"command": "pipeline_refresh", "outcome": "answered"})
ASKED_AGAIN = ("proposal_agree", "proposal_decline")


@dataclass
class Button:
    """An element of a recorded message, and whoever sees it."""

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
        """Its name, and which parts its value has."""
        value = str(self.element.get("value", ""))
        if value.startswith("{"):
            parts = json.loads(value)
            return self.name, f"{sorted(parts)} {parts.get('pipeline') is True}"
        return self.name, ""

    def given(self) -> Any:
        """What is picked from a list."""
        if self.element["type"] == "button":
            return None
        groups = self.element.get("option_groups") or [self.element]
        first = groups[0]["options"][0]["text"]["text"]
        return [first] if self.element["type"].startswith("multi") else first


def recorded_buttons() -> list[Button]:
    """One of each kind."""
    found: dict[tuple[str, str], Button] = {}
    for channel, posts in read_json("slack.json")["channels"].items():
        for post in posts:
            below = [block for one in post.get("attachments", ()) for block in one.get("blocks", ())]
            for element in elements_in([*post.get("blocks", ()), *below]):
                button = Button(element, channel, post)
                if button.name == "request_decline" and channel == "C0BUILDS":
                    found[button.kind] = button  # the last, since the first one is approved
                found.setdefault(button.kind, button)
    order = [*DRAW_ANEW, *DOES, *ASKED_AGAIN]
    return sorted(found.values(), key=lambda button: order.index(button.name))


def on_screen(town: RecordedHarness, person: str) -> dict[str, str]:
    """All that somebody sees."""
    workspace = town.slack.workspace
    who = workspace.find_user(person).id
    seen = {
        f"{channel.id} {post.ts}": town.message_text(post)
        for channel in workspace.channels.values()
        if channel.im_with in (None, who)
        for post in channel.posts
        if post.only_for in (None, who)
    }
    modals = {opened.id: town.slack.modal_text(opened) for opened in workspace.views.get(who, ())}
    return seen | modals


async def press_recorded(town: RecordedHarness, button: Button) -> str:
    """Press a button on its message as that commit posted it; what is new on the screen once it is answered."""
    posts = town.slack.workspace.channels[button.channel].posts
    shown = next((post for post in posts if post.ts == button.post["ts"]), None)
    if shown is None:
        shown = post_from(button.post)
        posts.append(shown)
    shown.blocks = deepcopy(button.post["blocks"])
    before = on_screen(town, button.person)
    delivered = await town.users.click(
        button.person, shown, button.name, button.given(), block_id=button.element["block_id"]
    )
    assert delivered is not None, f"{button.name} was not acknowledged"
    expected = DOES.get(button.name, "")
    if button.name in ASKED_AGAIN:
        expected = "asked for before I was updated"

    def new() -> str:
        after = on_screen(town, button.person)
        return "\n".join(words for place, words in after.items() if before.get(place) != words)

    try:
        if expected:
            await town.wait_until(lambda: expected in new())
    except TimeoutError:
        pytest.fail(f"{button.kind} does not say {expected!r} but:\n{new()}")
    while town.users.modal(button.person):
        await town.users.close_modal(button.person)
    return new()


async def test_every_button_does_what_it_did(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async with updated(tmp_path) as town:
        await settled(town)
        buttons = recorded_buttons()
        for button in buttons:
            assert "another version" not in await press_recorded(town, button), button.kind
        await town.wait_until(lambda: town.bot.metrics.registry.get_sample_value(*LAST_ANSWERED) is not None)
        samples = {
            (sample.labels["command"], sample.labels["outcome"]): sample.value
            for metric in town.bot.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == "buildbell_commands_total"
        }
        assert not [name for name, outcome in samples if outcome != "answered"]
        posts = [post for channel in town.slack.workspace.channels.values() for post in channel.posts]
        warnings = {town.message_text(post) for post in posts if town.message_text(post).startswith("⚠️")}
        assert warnings == {
            "⚠️ release-train #5 still runs; abort it first, or wait for its end.",
            "⚠️ This was asked for before I was updated. Ask for it again.",
        }
    said = capfd.readouterr()
    assert "answer.broken" not in said.out + said.err + caplog.text


def test_the_recording_has_every_button_and_form_of_that_commit() -> None:
    views = read_json("views.json")
    held = {button.name for button in recorded_buttons()}
    for view in [*(one["view"] for one in views["modals"]), *views["homes"].values()]:
        held |= {element["action_id"] for element in elements_in(view["blocks"])}
        held.add(view.get("callback_id", ""))
    never_shown = {"choose_app", "choose_app_modal"}  # that commit listened to them and showed them nowhere
    assert set(NAMES["ids"]) - held == never_shown


# Forms and Home.


async def test_what_was_typed_into_an_open_form_stays_and_it_is_opened_again(town: RecordedHarness) -> None:
    """Forms are signed since then, and one that is not could come from anybody (CHANGELOG, "Security")."""
    await settled(town)
    users, workspace = town.users, town.slack.workspace
    town.bitrise.requests.clear()
    town.buildio.requests.clear()
    forms = [one for one in read_json("views.json")["modals"] if "submit" in one["view"]]
    assert len({one["view"]["callback_id"] for one in forms}) >= 15
    for form in forms:
        opened = workspace.open_view(workspace.find_user(form["person"]).id, deepcopy(form["view"]))
        fields = [block for block in opened.view["blocks"] if block["type"] == "input"]
        typed = {
            block["block_id"]: "typed"[: block["element"].get("max_length", 9)]
            for block in fields
            if block["element"]["type"] in ("plain_text_input", "email_text_input")
        }
        for block in fields:
            block["optional"] = True  # what is missing is not what this is about
        await users.submit(form["person"], typed)
        assert users.modal(form["person"]) is opened, form["how"]
        if fields:
            said = " ".join(opened.errors.values())
            assert opened.entered == typed, form["how"]
        else:
            said = town.slack.modal_text(opened)
        assert "another version of me, so nothing was done. Copy what you typed" in said, form["how"]
        await users.close_modal(form["person"])
    sent = [*town.bitrise.requests, *town.buildio.requests]
    assert [one for one in sent if one.method != "GET"] == []


async def test_what_was_typed_into_an_open_form_stays_where_it_is_drawn_anew(town: RecordedHarness) -> None:
    [recorded] = [one for one in read_json("views.json")["modals"] if one["how"] == "start_add_variable"]
    view = deepcopy(recorded["view"])
    [first] = [block for block in view["blocks"] if block.get("block_id") == "variable_1"]
    second = json.loads(json.dumps(first).replace("variable_1", "variable_2"))
    view["blocks"].insert(view["blocks"].index(first) + 1, second)
    opened = town.slack.workspace.open_view("U0ANNA", view)
    typed = {"message": "try it", "variable_1": "A=1", "variable_2": "B=2"}
    opened.entered |= typed
    await town.redraw("start_add_variable", None)
    assert opened.entered == typed
    assert "variable_3" in {block["block_id"] for block in opened.view["blocks"]}


async def test_home_as_it_was_drawn_goes_on_working(town: RecordedHarness) -> None:
    await settled(town)
    users, slack = town.users, town.slack
    assert await users.options("anna", "pick_app", "shop")
    for element, expected in (
        ("find_build", "Find"),
        ("settings", "Your name at Bitrise"),
        ("start_build", "Start a build"),
        ("subscribe", "What is told"),
        ("subscription_edit", "What is told"),
        ("build_show", "Sample"),
        ("build_abort", "Abort a build"),
    ):
        blocks = workspace_home(town)
        [first, *_] = [one for one in elements_in(blocks) if one["action_id"] == element]
        await users.set_value("anna", element, block_id=first["block_id"])
        await slack.wait_for_modal("anna", expected)
        while users.modal("anna"):
            await users.close_modal("anna")
    users.open_home("anna")
    await town.wait_until(lambda: "Sample" in json.dumps(slack.workspace.homes["U0ANNA"]))


def workspace_home(town: RecordedHarness) -> list[dict[str, Any]]:
    """Anna's Home as that commit drew it."""
    home = deepcopy(read_json("views.json")["homes"]["U0ANNA"])
    town.slack.workspace.homes["U0ANNA"] = home
    blocks: list[dict[str, Any]] = home["blocks"]
    return blocks


async def test_a_shortcut_on_an_old_message_finds_its_build(town: RecordedHarness) -> None:
    post: Post = await town.wait_for_message("Sample Android #3 failed", person=None)
    await town.users.shortcut("anna", "about_build", post)
    await town.slack.wait_for_modal("anna", "Sample Android #3")
