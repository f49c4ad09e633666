"""Attackers who write what the bot reads: commit messages, branches, logs, files (SECURITY.md, C)."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.log.log_text import LONGEST_LINE
from sandbox.bitrise.state import Build
from tests.services.features.test_access_rules import governed
from tests.support.bot_harness import BotHarness
from tests.support.canary_secrets import leaked_kinds, log_with_secrets

NASTY = "<!channel> <!here> <@U0BEN> <#C0RANDOM> &lt;!everyone&gt; <https://evil.example|Approve>"


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with governed(tmp_path) as opened:
        await opened.ask("/bitrise subscribe android", "subscribed")
        yield opened


def set_log(build: Build, text: str) -> None:
    """Set the log of a build."""
    build.log = lambda _now: text  # type: ignore[method-assign, assignment]


async def fail_with_log(harness: BotHarness, log: str) -> Build:
    build = harness.bitrise.start_build(harness.bitrise.android, ends_as="error")
    set_log(build, log)
    harness.bitrise.finish(build, "error")
    harness.clock.skip(timedelta(minutes=1))
    return build


async def test_c1_text_from_outside_mentions_nobody_and_is_no_link(harness: BotHarness) -> None:
    params = {"branch": f"b{NASTY}", "commit_message": NASTY, "commit_hash": "c0ffee" * 6}
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android, params=params), "error")
    notification = await harness.wait_for_message("Sample Android #1 failed", person=None)
    listed = await harness.ask("/bitrise builds android", "Sample Android #1")
    for post in (notification, listed):
        sent = post.text + str(post.blocks)
        assert not re.search(r"<(!channel|!here|!everyone|@U0BEN|#C0RANDOM)", sent)
        assert "<https://evil" not in sent
    assert harness.slack.violations == []


async def test_c2_direction_changes_and_invisible_characters_are_not_shown(harness: BotHarness) -> None:
    message = "safe\u202egnp.exe\u202c a\u200bb \u2066x\u2069"
    harness.bitrise.finish(
        harness.bitrise.start_build(harness.bitrise.android, params={"commit_message": message})
    )
    notification = await harness.wait_for_message("Sample Android #1 passed", person=None)
    assert not re.search(
        "[\u200b-\u200f\u202a-\u202e\u2060-\u2069]", notification.text + str(notification.blocks)
    )


async def test_c3_secrets_in_a_log_are_shown_to_nobody(harness: BotHarness) -> None:
    log = f"step one\n{log_with_secrets()}\nFAILURE: Build failed\n{log_with_secrets()}\nexit code 1\n"
    await fail_with_log(harness, log)
    notification = await harness.wait_for_message("Sample Android #1 failed", person=None)
    log_message = await harness.ask("/bitrise log android #1", "FAILURE")
    await harness.press(log_message, "Send me the file", "Sent to your DMs")
    await harness.users.click("anna", log_message, "Search…")
    await harness.slack.wait_for_modal("anna", "Search")
    await harness.users.submit("anna", {"word": "password"})
    opened = await harness.slack.wait_for_modal("anna", "password")
    files = b"".join(harness.slack.workspace.files.values()).decode("utf-8", "replace")
    assert "FAILURE" in files
    messages = [
        str(post.blocks) + post.text
        for channel in harness.slack.workspace.channels.values()
        for post in channel.posts
    ]
    for text in (
        *messages,
        harness.message_text(notification),
        harness.message_text(log_message),
        harness.slack.modal_text(opened),
        files,
    ):
        assert leaked_kinds(text) == []
    assert leaked_kinds(harness.stored_bytes().decode("latin-1")) == []


async def test_c4_a_log_with_a_huge_line_or_many_lines_is_read_within_limits(harness: BotHarness) -> None:
    await fail_with_log(harness, "x" * 3_000_000 + "\nexit code 1\n" + "y\n" * 300_000 + "the very end\n")
    log_message = await harness.ask("/bitrise log android #1", "the very end")
    assert len(str(log_message.blocks)) < 20_000
    await harness.ask("/bitrise status android", "Sample Android")


async def test_c7_a_log_that_can_not_be_redacted_is_not_shown_and_nothing_else_fails(
    harness: BotHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = await fail_with_log(harness, f"{log_with_secrets()}\nexit code 1\n" * 20)
    await harness.wait_for_message("Sample Android #1 failed", person=None)
    # If a worker dies in the middle, another one repeats its work.
    log_message = await harness.ask("/bitrise log android #1", "exit code 1")
    for pid in harness.bot.workers.pids:
        os.kill(pid, signal.SIGKILL)
    await harness.press(log_message, "Send me the file", "Sent to your DMs")
    [file] = harness.slack.workspace.files.values()
    assert b"exit code 1" in file
    # If no worker can be started, nothing unredacted is shown, and everything else still works.
    for pid in harness.bot.workers.pids:
        os.kill(pid, signal.SIGKILL)
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/nowhere/python")
        await harness.press(log_message, "Send me the file", "so it isn't shown")
        await harness.ask("/bitrise log android #1", "so it isn't shown")
        await harness.ask("/bitrise builds android", f"{build.number}", person="ben")
    assert [*harness.slack.workspace.files.values()] == [file]
    await harness.ask("/bitrise log android #1", "exit code 1")
    messages = [
        str(post.blocks) for channel in harness.slack.workspace.channels.values() for post in channel.posts
    ]
    for text in (*messages, file.decode()):
        assert leaked_kinds(text) == []


async def test_c8_a_secret_at_a_cut_is_not_shown_in_part(harness: BotHarness) -> None:
    token = "ghp_9xKq2LmN7vRt4WzYb8Hc1Jd5Fg6Ts3Pq0Ua"
    start = "." * (LONGEST_LINE - len("NPM_TOKEN=") - 20) + "NPM_TOKEN="
    await fail_with_log(harness, f"first\n{start}{token} needle{' more' * 20}\n" * 3 + "exit code 1\n")
    notification = await harness.wait_for_message("Sample Android #1 failed", person=None)
    log_message = await harness.ask("/bitrise log android #1", "exit code 1")
    await harness.press(log_message, "Send me the file", "Sent to your DMs")
    await harness.users.click("anna", log_message, "Search…")
    await harness.slack.wait_for_modal("anna", "Search")
    await harness.users.submit("anna", {"word": "needle"})
    opened = await harness.slack.wait_for_modal("anna", "needle")
    [file] = harness.slack.workspace.files.values()
    assert b"needle more" in file
    for text in (
        harness.message_text(notification),
        harness.message_text(log_message),
        harness.slack.modal_text(opened),
        file.decode(),
    ):
        assert not [at for at in range(len(token) - 7) if token[at : at + 8] in text]


async def test_c5_a_log_with_a_link_to_another_host_is_not_fetched(harness: BotHarness) -> None:
    from aiohttp import web

    from tests.support.stub_server import stub_server

    build = await fail_with_log(harness, "exit code 1\n")
    async with stub_server(lambda _asked: web.Response(text="secret of the inner network")) as inner:
        harness.bitrise.file_store.signed_url = lambda *_: inner.url.replace("127.0.0.1", "localhost") + "/x"  # type: ignore[method-assign]
        log_message = await harness.ask(f"/bitrise log {build.slug}", "Sample Android #1")
        assert "inner network" not in harness.message_text(log_message)
        assert inner.requests == []


async def test_c6_the_parameters_of_a_build_are_not_stored(harness: BotHarness) -> None:
    secret = "canary-4711-of-a-variable"
    params = {
        "environments": [{"mapped_to": "PLAIN", "value": secret}],
        "commit_message": "bitpat_canary4711canary",
    }
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android, params=params))
    await harness.wait_for_message("Sample Android #1 passed", person=None)
    assert secret.encode() not in harness.stored_bytes()
    assert b"bitpat_canary4711canary" not in harness.stored_bytes()
