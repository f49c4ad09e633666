"""The bot as a process: health, draining, and clear error messages if it can't start."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.manifest import manifest
from sandbox.environment import SandboxEnvironment
from sandbox.slack.server import APP_TOKEN, BOT_TOKEN
from tests.support.forked_bot import forked_environment
from tests.support.forked_process import run_forked


@pytest.fixture
async def environment() -> AsyncIterator[SandboxEnvironment]:
    async with forked_environment(manifest()) as opened:
        await opened.start(
            settings={"POLL_INTERVAL": "0.2", "POLL_INTERVAL_ACTIVE": "0.1", "SERVICE_TOKEN_ACTS": "1"}
        )
        yield opened


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_health_readiness_and_metrics_are_served(environment: SandboxEnvironment) -> None:
    await environment.slack.users.command("anna", "builds", "/bitrise subscribe android")
    await environment.slack.wait_for_post("builds", "subscribed to")
    url = await environment.bot_url()
    assert await get(f"{url}/healthz") == (200, "ok\n")
    status, ready = await get(f"{url}/readyz")
    assert status == 200
    assert '"slack": true' in ready
    answered = 'buildbell_commands_total{command="command",outcome="answered"} 1.0'
    async with asyncio.timeout(30):
        # The command is counted once it is done, which is after its answer.
        while answered not in (metrics := (await get(f"{url}/metrics"))[1]):  # noqa: ASYNC110 - no event leaves the process
            await asyncio.sleep(0.01)
    assert "buildbell_subscriptions 1.0" in metrics
    assert "buildbell_socket_connections 2.0" in metrics
    assert (await get(f"{url}/slack/events"))[0] == 404


async def test_sigterm_finishes_what_was_acknowledged_and_exits_0(environment: SandboxEnvironment) -> None:
    environment.bitrise.fault("GET /v0.1/me", "slow", seconds=1.5)
    assert await environment.slack.users.command("anna", "builds", "/bitrise whoami") is not None
    assert await environment.bot.stop() == 0
    assert [
        post
        for post in environment.slack.posts("builds", "anna")
        if "api-demo" in environment.slack.message_text(post)
    ]
    assert environment.slack.violations == []


async def test_log_lines_are_json_and_contain_no_token(environment: SandboxEnvironment) -> None:
    await environment.slack.users.command("anna", "builds", f"/bitrise use {BOT_TOKEN}")
    await environment.slack.wait_for_post("builds", "No app named", viewer="anna")
    environment.bitrise.fault("*", "status", times=5, status=401)
    await environment.slack.users.command("anna", "builds", "/bitrise build android #1")
    await environment.slack.wait_for_post("builds", "rejected Buildbell's own token", viewer="anna")
    await environment.bot.stop()
    assert all("timestamp" in line for line in environment.bot.lines)
    everything = str(environment.bot.lines)
    for secret in (BOT_TOKEN, APP_TOKEN, environment.settings["BITRISE_TOKEN"]):
        assert secret not in everything
    database = (environment.folder / "buildbell.db").read_bytes()
    assert environment.settings["BITRISE_TOKEN"].encode() not in database
    assert BOT_TOKEN.encode() not in database


async def test_a_second_bot_on_the_same_database_does_not_start(environment: SandboxEnvironment) -> None:
    code, output = await run_forked("run", **environment.settings)
    assert code == 2
    assert "in use by another Buildbell" in output
    assert output.count("\n") == 1


async def buildbell(*arguments: str, **settings: str) -> tuple[int, str]:
    """Run the program with only these settings; returns its exit code and output."""
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
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


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
    ("name", "value", "expected"),
    [
        ("SLACK_BOT_TOKEN", None, "set SLACK_BOT_TOKEN (one workspace) or SLACK_CLIENT_ID (many)"),
        ("PORT", "many", "PORT: "),
        ("SLACK_BOT_TOKEN", "xapp-none", "SLACK_BOT_TOKEN: is an app-level token"),
        ("HOST", "999.1.1.1", "HOST: 999.1.1.1 can't be used"),
        ("POLICY_FILE", "/nowhere.toml", "POLICY_FILE: /nowhere.toml can't be read"),
    ],
)
async def test_a_missing_or_wrong_setting_is_reported_in_one_line_with_its_name(
    tmp_path: Path, name: str, value: str | None, expected: str
) -> None:
    settings = {"DATABASE_URL": str(tmp_path / "b.db"), **WHOLE}
    settings = {key: text for key, text in settings.items() if key != name} | ({name: value} if value else {})
    code, output = await run_forked("run", **settings)
    assert code == 2
    assert expected in output
    assert output.count("\n") == 1
    assert "Traceback" not in output


async def test_a_damaged_database_stops_the_start_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    path.write_bytes(b"this is no database" * 100)
    code, output = await run_forked("run", **WHOLE, DATABASE_URL=str(path))
    assert code == 2
    assert "is damaged" in output
    assert output.count("\n") == 1
    assert path.read_bytes() == b"this is no database" * 100


async def test_a_refused_token_stops_the_start_with_a_line_that_names_it(
    environment: SandboxEnvironment, tmp_path: Path
) -> None:
    async def run_with(name: str) -> tuple[int, str]:
        changed_settings = {name: "nobodys", "DATABASE_URL": str(tmp_path / name / "b.db")}
        return await run_forked("run", **environment.settings | changed_settings)

    names = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "BITRISE_TOKEN", "BUILDIO_TOKEN")
    for name, (code, output) in zip(names, await asyncio.gather(*map(run_with, names)), strict=True):
        last_line = output.splitlines()[-1]
        assert (code, last_line.startswith("buildbell can't start: ")) == (2, True), output
        assert f"rejected {name} (" in last_line
        assert "Traceback" not in output


async def test_the_doctor_passes_all_checks(environment: SandboxEnvironment) -> None:
    code, output = await run_forked("doctor", **environment.settings)
    assert code == 0, output
    for part in (
        "Slack token: workspace Sandbox",
        "granted",
        "Clock",
        "Socket Mode",
        "Bitrise: connected as api-demo",
        "the token can see 3",
        "Database",
    ):
        assert part in output
    assert "failed" not in output


async def test_the_manifest_is_printed_ready_to_paste() -> None:
    import json

    import yaml

    code, output = await buildbell("manifest")
    assert (code, yaml.safe_load(output)) == (0, manifest())
    code, output = await run_forked("manifest", "--json", "--url", "https://bot.example.com")
    assert code == 0
    assert json.loads(output)["settings"]["socket_mode_enabled"] is False


def file_names(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*")]


async def test_sigterm_ends_the_sandbox_and_everything_it_started(tmp_path: Path) -> None:
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
            if b"There is no terminal" in line:
                break
        assert "buildbell.db" in file_names(tmp_path)
        process.terminate()
        assert await process.wait() == 0
    assert file_names(tmp_path) == []  # the folder is deleted after the bot has ended
