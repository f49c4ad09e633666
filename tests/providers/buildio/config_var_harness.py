"""Harness for config vars with secret values, and a search for leaks of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from providers.buildio.provider import BUILDIO
from sandbox.buildio.domains import Domain
from sandbox.buildio.state import App
from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.canary_secrets import CANARIES

SECRET = CANARIES["password"]
URL = f"postgres://shop:{SECRET}@db.example.com/shop"
# Methods that show something to one person only, and can remove it.
_FOR_ONE = frozenset({"views.open", "views.push", "views.update", "response_url"})


@asynccontextmanager
async def config_var_harness(
    folder: Path, rules: str = "", *, shown_seconds: float = 3600.0, people: tuple[str, ...] = ("anna", "ben")
) -> AsyncIterator[BotHarness]:
    """Run the bot with these rules; the shop has a database password; Anna and Ben have linked Build.io accounts."""
    (folder / "policy.toml").write_text(rules)
    policy = str(folder / "policy.toml")
    seconds = {"shown_seconds": shown_seconds}
    async with bot_harness(folder, seconds=seconds, service_token_acts="0", policy_file=policy) as harness:
        harness.buildio.shop.config.update({"DATABASE_URL": URL, "RAILS_ENV": "production"})
        await harness.connect(*people, provider=BUILDIO)
        yield harness
        assert harness.slack.violations == []
        assert harness.buildio.violations == []


async def listed(harness: BotHarness, *, person: str = "anna") -> Post:
    return await harness.ask("/buildio config shop", "Views are logged", person=person)


async def reveal(harness: BotHarness, post: Post, *, person: str = "anna", key: str = "DATABASE_URL") -> None:
    """Press Reveal beside a config var."""
    [block] = [block for block in post.blocks if f"`{key}`" in json.dumps(block) and "accessory" in block]
    await harness.users.click(person, post, "Reveal", block_id=block["block_id"])


async def open_form(harness: BotHarness, command: str, expected: str, *, person: str = "anna") -> None:
    """Type a command that opens a form."""
    await harness.users.command(person, "builds", command)
    await harness.slack.wait_for_modal(person, expected)


def form_errors(harness: BotHarness, person: str = "anna") -> dict[str, str]:
    """Return the errors of the open form, by field."""
    modal = harness.users.modal(person)
    assert modal is not None
    return dict(modal.errors)


def visible_in(harness: BotHarness, secret: str = SECRET) -> list[str]:
    """Return the calls to Slack that contained the secret."""
    return [
        entry.title
        for entry in harness.slack.request_log.entries
        if entry.direction == "app → Slack" and secret in json.dumps(entry.request, default=str)
    ]


def leaks(harness: BotHarness, logs: str = "", secret: str = SECRET) -> list[str]:
    """Return every place where the secret must not be but is; `said` is the bot's log."""
    posts = [post for channel in harness.slack.workspace.channels.values() for post in channel.posts]
    found = [f"a message: {post.text}" for post in posts if secret in json.dumps([post.text, post.blocks])]
    found += [f"said by {call}" for call in visible_in(harness, secret) if call not in _FOR_ONE]
    found += [f"in the table {table}" for table in harness.count_rows_with(secret)]
    found += ["in the folder"] if secret.encode() in harness.stored_bytes() else []
    return [*found, *(["in the log"] if secret in logs else [])]


def logged(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> str:
    """Return everything that was logged or printed so far."""
    return "".join([*capfd.readouterr(), caplog.text])


async def audited(harness: BotHarness, act: str) -> list[tuple[Any, ...]]:
    """Return the audit entries of an action: the event, and the label."""
    rows = await harness.rows("SELECT body FROM audit ORDER BY seq")
    entries = [json.loads(str(body)) for (body,) in rows]
    return [(entry["event"], entry.get("about", {}).get("label")) for entry in entries if entry["act"] == act]


def changes(harness: BotHarness) -> list[tuple[str, str, Any]]:
    """Return the changes requested from Build.io, in order."""
    return [
        (request.method, request.path.removeprefix("/api/v1"), request.body)
        for request in harness.buildio.requests
        if request.method != "GET"
    ]


def custom_hostnames(app: App) -> list[str]:
    """Return the app's custom domains."""
    return [domain.hostname for domain in _custom_domains(app)]


def _custom_domains(app: App) -> list[Domain]:
    return [domain for domain in app.domains if not domain.is_platform_domain]
