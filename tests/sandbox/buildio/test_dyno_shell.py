"""Commands in a simulated dyno."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.sandbox.buildio.conftest import ApiResponse, MemberClient


async def execute(member_client: MemberClient, command: Sequence[str], dyno: str = "web.1") -> ApiResponse:
    return await member_client.ask("POST", f"/apps/shop/dynos/{dyno}/exec", {"command": list(command)})


@pytest.mark.parametrize(
    ("command", "output", "exit_code"),
    [
        (["echo", "hello", "$LOG_LEVEL"], "hello $LOG_LEVEL\n", 0),
        (["/bin/sh", "-c", "echo hello $LOG_LEVEL on $DYNO"], "hello info on web.1\n", 0),
        (["ls"], "Procfile\nbin\npackage.json\nsrc\n", 0),
        (["sh", "-c", "ls nothing"], "ls: cannot access 'nothing': No such file or directory\n", 2),
        (["false"], "", 1),
        (["sh", "-c", "false && echo never"], "", 1),
        (["sh", "-c", "false; echo always"], "always\n", 0),
        (["sh", "-c", "echo a; exit 3; echo b"], "a\n", 3),
        (["sh", "-c", "echo 'open"], "sh: 1: Syntax error: Unterminated quoted string\n", 2),
        (["seq", "3"], "1\n2\n3\n", 0),
        (["printenv", "LOG_LEVEL"], "info\n", 0),
        (["printenv", "NOTHING"], "", 1),
        (["make", "coffee"], "sh: 1: make: not found\n", 127),
    ],
)
async def test_a_command_returns_its_output_and_exit_code(
    member_client: MemberClient, command: list[str], output: str, exit_code: int
) -> None:
    response = await execute(member_client, command)
    assert response.status == 200
    assert response.body == {"output": output, "exit_code": exit_code}


async def test_the_environment_shows_config_vars_as_they_are(member_client: MemberClient) -> None:
    output = (await execute(member_client, ["env"])).body["output"]
    assert f"DATABASE_URL={member_client.buildio.shop.config['DATABASE_URL']}\n" in output
    assert "DYNO=web.1\n" in output


@pytest.mark.parametrize(
    "command",
    [["sleep", "infinity"], ["sh", "-c", "echo a && tail -f log"], ["rails", "console"], ["/bin/bash"]],
)
async def test_a_command_that_does_not_end_times_out(member_client: MemberClient, command: list[str]) -> None:
    member_client.buildio.response_options.exec_seconds = 0.01
    response = await execute(member_client, command)
    assert (response.status, response.code) == (504, "timeout")


async def test_a_command_needs_a_running_dyno(member_client: MemberClient) -> None:
    buildio = member_client.buildio
    buildio.crash(buildio.dyno(buildio.shop))
    response = await execute(member_client, ["ls"])
    assert (response.status, response.body["message"]) == (422, "web.1 is not running: it is crashed")
    assert (await execute(member_client, ["ls"], "web.9")).status == 404
