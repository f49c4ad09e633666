"""The bot as a process: health, draining, power cuts, and clear words where it can't start."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.manifest import manifest
from sandbox.slack import APP_TOKEN, BOT_TOKEN
from sandbox.stage import Stage
from tests.forked_bot import forked_stage
from tests.operating.forking import forked


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with forked_stage(manifest()) as opened:
        await opened.start(
            settings={"POLL_INTERVAL": "0.2", "POLL_INTERVAL_ACTIVE": "0.1", "SERVICE_TOKEN_ACTS": "1"}
        )
        yield opened


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_health_readiness_and_metrics_are_served(stage: Stage) -> None:
    await stage.slack.people.command("anna", "builds", "/bitrise subscribe android")
    await stage.slack.wait_for_post("builds", "subscribed this channel")
    url = await stage.bot_url()
    assert await get(f"{url}/healthz") == (200, "ok\n")
    status, ready = await get(f"{url}/readyz")
    assert status == 200
    assert '"slack": true' in ready
    _, metrics = await get(f"{url}/metrics")
    assert "buildbell_subscriptions 1.0" in metrics
    assert 'buildbell_commands_total{command="command",outcome="answered"} 1.0' in metrics
    assert "buildbell_socket_connections 2.0" in metrics
    assert (await get(f"{url}/slack/events"))[0] == 404


async def test_sigterm_finishes_what_was_acknowledged_and_exits_0(stage: Stage) -> None:
    stage.bitrise.fault("GET /v0.1/me", "slow", seconds=1.5)
    assert await stage.slack.people.command("anna", "builds", "/bitrise whoami") is not None
    assert await stage.bot.stop() == 0
    assert [post for post in stage.slack.posts("builds", "anna") if "api-demo" in stage.slack.words(post)]
    assert stage.slack.violations == []


async def test_its_log_lines_are_json_and_hold_no_token(stage: Stage) -> None:
    await stage.slack.people.command("anna", "builds", f"/bitrise use {BOT_TOKEN}")
    await stage.slack.wait_for_post("builds", "I don't know an app", viewer="anna")
    stage.bitrise.fault("*", "status", times=5, status=401)
    await stage.slack.people.command("anna", "builds", "/bitrise build android #1")
    await stage.slack.wait_for_post("builds", "does not accept the bot's own token", viewer="anna")
    await stage.bot.stop()
    assert all("timestamp" in line for line in stage.bot.lines)
    everything = str(stage.bot.lines)
    for secret in (BOT_TOKEN, APP_TOKEN, stage.settings["BITRISE_TOKEN"]):
        assert secret not in everything
    database = (stage.folder / "buildbell.db").read_bytes()
    assert stage.settings["BITRISE_TOKEN"].encode() not in database
    assert BOT_TOKEN.encode() not in database


async def test_two_bots_on_one_database_are_one_too_many(stage: Stage) -> None:
    code, said = await forked("run", **stage.settings)
    assert code == 2
    assert "in use by another Buildbell" in said
    assert said.count("\n") == 1


async def buildbell(*arguments: str, **settings: str) -> tuple[int, str]:
    """Run the program with these settings alone; returns its exit code and all that it said."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "COLUMNS": "200"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        env=environment | settings,
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


WHOLE = {
    "SLACK_BOT_TOKEN": "xoxb-none",
    "SLACK_APP_TOKEN": "xapp-none",
    "BITRISE_TOKEN": "none",
    "SLACK_API_URL": "http://127.0.0.1:9/api/",
    "BITRISE_API_URL": "http://127.0.0.1:9/v0.1",
    "PORT": "0",
    "HOST": "127.0.0.1",
}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SLACK_BOT_TOKEN", None, "set SLACK_BOT_TOKEN (one workspace) or SLACK_CLIENT_ID (many)"),
        ("PORT", "many", "PORT: "),
        ("SLACK_BOT_TOKEN", "xapp-none", "SLACK_BOT_TOKEN: is an app-level token"),
        ("HOST", "999.1.1.1", "HOST: 999.1.1.1 can't be served on"),
        ("POLICY_FILE", "/nowhere.toml", "POLICY_FILE: /nowhere.toml can't be read"),
    ],
)
async def test_a_missing_or_wrong_setting_is_one_clear_line_with_its_name(
    tmp_path: Path, name: str, value: str | None, words: str
) -> None:
    settings = {"DATABASE_URL": str(tmp_path / "b.db"), **WHOLE}
    settings = {key: text for key, text in settings.items() if key != name} | ({name: value} if value else {})
    code, said = await forked("run", **settings)
    assert code == 2
    assert words in said
    assert said.count("\n") == 1
    assert "Traceback" not in said


async def test_a_damaged_database_stops_the_start_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    path.write_bytes(b"this is no database" * 100)
    code, said = await forked("run", **WHOLE, DATABASE_URL=str(path))
    assert code == 2
    assert "is damaged" in said
    assert said.count("\n") == 1
    assert path.read_bytes() == b"this is no database" * 100


async def test_a_refused_token_stops_the_start_with_a_line_that_names_it(
    stage: Stage, tmp_path: Path
) -> None:
    async def say(name: str) -> tuple[int, str]:
        changed = {name: "nobodys", "DATABASE_URL": str(tmp_path / name / "b.db")}
        return await forked("run", **stage.settings | changed)

    names = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "BITRISE_TOKEN", "BUILDIO_TOKEN")
    for name, (code, said) in zip(names, await asyncio.gather(*map(say, names)), strict=True):
        last = said.splitlines()[-1]
        assert (code, last.startswith("buildbell can't start: ")) == (2, True), said
        assert f"refuses {name} (" in last
        assert "Traceback" not in said


async def test_the_doctor_finds_everything_well(stage: Stage) -> None:
    code, said = await forked("doctor", **stage.settings)
    assert code == 0, said
    for part in (
        "Slack token: workspace Sandbox",
        "granted",
        "Clock",
        "Socket Mode",
        "Bitrise: as api-demo",
        "3 can be watched",
        "Database",
    ):
        assert part in said
    assert "not well" not in said


async def test_the_manifest_is_printed_ready_to_paste() -> None:
    import json

    import yaml

    code, said = await buildbell("manifest")
    assert (code, yaml.safe_load(said)) == (0, manifest())
    code, said = await forked("manifest", "--json", "--url", "https://bot.example.com")
    assert code == 0
    assert json.loads(said)["settings"]["socket_mode_enabled"] is False


def names_under(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*")]


async def test_the_sandbox_ends_by_sigterm_and_takes_with_it_what_it_started(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot", "sandbox"),
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        async for line in process.stdout:
            if b"Nobody types here" in line:
                break
        assert "buildbell.db" in names_under(tmp_path)
        process.terminate()
        assert await process.wait() == 0
    assert names_under(tmp_path) == []  # it is taken away after the bot has ended
