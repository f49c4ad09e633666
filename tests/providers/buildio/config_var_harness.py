"""A town in which values of config vars are kept secret, and where a secret could have got out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from domain.provider import Provider
from sandbox.buildio.domains import Domain
from sandbox.buildio.state import App
from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.canary_secrets import CANARIES

SECRET = CANARIES["password"]
URL = f"postgres://shop:{SECRET}@db.example.com/shop"
# What is said to one person alone, and can be taken away.
_FOR_ONE = frozenset({"views.open", "views.push", "views.update", "response_url"})


@asynccontextmanager
async def config_var_harness(
    folder: Path, rules: str = "", *, shown_seconds: float = 3600.0, people: tuple[str, ...] = ("anna", "ben")
) -> AsyncIterator[BotHarness]:
    """Its operator has set these rules; the shop's database has a password; Anna and Ben are linked at Build.io."""
    (folder / "policy.toml").write_text(rules)
    policy = str(folder / "policy.toml")
    seconds = {"shown_seconds": shown_seconds}
    async with bot_harness(folder, seconds=seconds, service_token_acts="0", policy_file=policy) as town:
        town.buildio.shop.config.update({"DATABASE_URL": URL, "RAILS_ENV": "production"})
        await town.connect(*people, provider=Provider.BUILDIO)
        yield town
        assert town.slack.violations == []
        assert town.buildio.violations == []


async def listed(harness: BotHarness, *, person: str = "anna") -> Post:
    return await harness.ask("/buildio config shop", "Who looked is noted", person=person)


async def reveal(harness: BotHarness, post: Post, *, person: str = "anna", key: str = "DATABASE_URL") -> None:
    """Press Reveal beside a config var."""
    [block] = [one for one in post.blocks if f"`{key}`" in json.dumps(one) and "accessory" in one]
    await harness.users.click(person, post, "Reveal", block_id=block["block_id"])


async def open_form(harness: BotHarness, words: str, expected: str, *, person: str = "anna") -> None:
    """Type a command that opens a form."""
    await harness.users.command(person, "builds", words)
    await harness.slack.wait_for_modal(person, expected)


def errors(harness: BotHarness, person: str = "anna") -> dict[str, str]:
    """What stands at the fields of the form that is open."""
    opened = harness.users.modal(person)
    assert opened is not None
    return dict(opened.errors)


def visible_in(harness: BotHarness, secret: str = SECRET) -> list[str]:
    """By which calls of Slack's the bot has shown it."""
    return [
        one.title
        for one in harness.slack.request_log.entries
        if one.direction == "app → Slack" and secret in json.dumps(one.request, default=str)
    ]


def leaks(harness: BotHarness, said: str = "", secret: str = SECRET) -> list[str]:
    """Where it is that it must never be; `said` is what the bot has logged."""
    posts = [post for channel in harness.slack.workspace.channels.values() for post in channel.posts]
    found = [f"a message: {post.text}" for post in posts if secret in json.dumps([post.text, post.blocks])]
    found += [f"said by {what}" for what in visible_in(harness, secret) if what not in _FOR_ONE]
    found += [f"in the table {table}" for table in harness.count_rows_with(secret)]
    found += ["in the folder"] if secret.encode() in harness.stored_bytes() else []
    return [*found, *(["in the log"] if secret in said else [])]


def logged(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> str:
    """All that was logged or printed so far."""
    return "".join([*capfd.readouterr(), caplog.text])


async def audited(harness: BotHarness, act: str) -> list[tuple[Any, ...]]:
    """What was written down of an act: what happened, and to what."""
    rows = await harness.rows("SELECT body FROM audit ORDER BY seq")
    entries = [json.loads(str(body)) for (body,) in rows]
    return [(one["event"], one.get("about", {}).get("label")) for one in entries if one["act"] == act]


def changes(harness: BotHarness) -> list[tuple[str, str, Any]]:
    """What Build.io was asked to change, in order."""
    return [
        (one.method, one.path.removeprefix("/api/v1"), one.body)
        for one in harness.buildio.requests
        if one.method != "GET"
    ]


def hosts(app: App) -> list[str]:
    """The app's domains that are its own."""
    return [one.hostname for one in _own(app)]


def _own(app: App) -> list[Domain]:
    return [one for one in app.domains if not one.is_platform_domain]
