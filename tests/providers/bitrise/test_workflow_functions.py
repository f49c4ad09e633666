"""Steps of Slack's Workflow Builder, from the event to their outputs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.build_author import slack_user
from sandbox.slack.input_values import InvalidInteraction
from sandbox.slack.models import FunctionExecution, Post
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.repositories import make_repositories

START, WAIT, ABORT = "start_bitrise_build", "wait_for_bitrise_build", "abort_bitrise_build"


async def wait_until_over(harness: BotHarness, run: FunctionExecution) -> FunctionExecution:
    return await harness.slack.workspace.wait_for(
        lambda: run if run.status != "running" else None, 30, f"{run.function} to be over"
    )


async def confirm(harness: BotHarness, person: str) -> Post:
    """Confirm what a step wants to do in this person's name; there is no second confirmation dialog."""
    request = await harness.wait_for_message("on your behalf", person=person, channel=f"D0{person.upper()}")
    [button] = [
        element
        for block in request.blocks
        for element in block.get("elements", ())
        if element.get("action_id") == "proposal_agree"
    ]
    assert "confirm" not in button
    await harness.users.click(person, request, "Approve")
    return request


def run_step(harness: BotHarness, function: str, **inputs: Any) -> FunctionExecution:
    return harness.users.run_step(function, inputs)


async def test_a_workflow_starts_a_build_waits_for_its_end_and_gets_its_result(
    harness: BotHarness,
) -> None:
    run = run_step(
        harness, START, app="android", branch="develop", variables="A=1\nB=two words", person="U0BEN"
    )
    await confirm(harness, "ben")
    started = await wait_until_over(harness, run)
    assert started.outputs is not None
    assert (started.outputs["app"], started.outputs["number"]) == ("Sample Android", 1)
    build = harness.bitrise.state.builds[0]
    assert build.branch == "develop"
    assert {"key": "B", "value": "two words", "is_expand": False} in build.params["environments"]
    assert {
        "key": "BUILDBELL_STARTED_BY",
        "value": slack_user("U0BEN", "T0SANDBOX"),
        "is_expand": False,
    } in build.params["environments"]

    waiting = run_step(harness, WAIT, app="android", build=started.outputs["build"])
    await harness.wait_for_commands(WAIT)
    assert waiting.status == "running"
    harness.bitrise.finish(build, "error")
    # No one subscribed to this app, so it is polled rarely; the end of another app's build makes the bot poll at once.
    await harness.ask("/bitrise subscribe ios", "subscribed")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await wait_until_over(harness, waiting)
    assert waiting.outputs is not None
    assert (waiting.outputs["result"], waiting.outputs["succeeded"]) == ("failed", False)


async def test_a_workflow_without_a_person_cannot_claim_that_a_user_started_the_build(
    harness: BotHarness,
) -> None:
    forged = f"BUILDBELL_STARTED_BY={slack_user('U0ANNA', 'T0SANDBOX')}"
    await wait_until_over(
        harness, run_step(harness, START, app="android", branch="develop", variables=f"{forged}\nA=1")
    )
    [build] = harness.bitrise.state.builds
    assert build.params["environments"] == [{"key": "A", "value": "1", "is_expand": False}]


async def test_a_waiting_step_survives_a_restart(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as harness:
        build = harness.bitrise.start_build(harness.bitrise.android)
        harness.bitrise.start_running(build)
        waiting = run_step(harness, WAIT, app="android", build="#1", minutes=5)
        await harness.wait_for_commands(WAIT)
        await harness.stop_bot()
        harness.bitrise.finish(build)
        await harness.start_bot()
        await wait_until_over(harness, waiting)
        assert waiting.outputs is not None
        assert waiting.outputs["result"] == "succeeded"
        assert harness.slack.violations == []


async def test_a_waiting_step_reveals_nothing_of_an_app_without_subscriptions_left(tmp_path: Path) -> None:
    async with bot_harness(
        tmp_path, seconds={"access_check_seconds": 0.2}, service_token_acts="0"
    ) as harness:
        await harness.connect("ben")
        await harness.ask("/bitrise subscribe ios", "subscribed", person="ben")
        build = harness.bitrise.start_build(harness.bitrise.ios, ends_as=None)
        waiting = run_step(harness, WAIT, app="ios", build="#1", minutes=5)
        await harness.wait_for_commands(WAIT)
        harness.bitrise.set_role("ben-okafor", harness.bitrise.ios, None)
        await harness.wait_for_message("can't see the app at Bitrise any more", person=None)
        harness.bitrise.finish(build)
        await wait_until_over(harness, waiting)
        assert waiting.outputs is None
        assert "No channel here is subscribed to the build's app any more" in str(waiting.error)


async def test_an_ended_build_is_not_waited_for(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.abort(build, "octo", "no need", with_success=True)
    ended = await wait_until_over(
        harness, run_step(harness, WAIT, app="android", build=f"<https://app.bitrise.io/build/{build.slug}>")
    )
    assert ended.outputs is not None
    assert (ended.outputs["result"], ended.outputs["succeeded"]) == ("aborted-with-success", True)
    assert "no need" in ended.outputs["reason"]


async def test_a_workflow_aborts_a_build_in_a_users_name(harness: BotHarness) -> None:
    harness.bitrise.start_running(harness.bitrise.start_build(harness.bitrise.android))
    run = run_step(harness, ABORT, app="android", build="1", reason="release is off", person="U0ANNA")
    request = await confirm(harness, "anna")
    ended = await wait_until_over(harness, run)
    await harness.wait_until(
        lambda: "a workflow's request to abort Sample Android #1" in harness.message_text(request)
    )
    assert "anna wanted" not in harness.message_text(request)
    assert "release is off" in harness.message_text(request)
    assert ended.outputs is not None
    assert harness.bitrise.state.builds[0].abort_reason == (
        "User api-demo requested to abort this build with reason: release is off (anna via Slack)"
    )


@pytest.mark.parametrize(
    ("function", "inputs", "error"),
    [
        (START, {"app": "android"}, "Choose what to build"),
        (START, {"app": "andriod", "branch": "x"}, "Did you mean"),
        (START, {"app": "android", "branch": "x", "variables": "nonsense"}, "NAME=value"),
        (START, {"app": "android", "workflow": "nightly"}, "did not found in the bitrise config"),
        (WAIT, {"app": "android", "build": "lunch"}, "lunch isn't a valid build"),
        (ABORT, {"app": "android", "build": "#7"}, "has no build #7"),
    ],
)
async def test_a_step_that_cannot_be_done_fails_with_an_explanation(
    harness: BotHarness, function: str, inputs: dict[str, Any], error: str
) -> None:
    ended = await wait_until_over(harness, run_step(harness, function, **inputs))
    assert ended.error is not None
    assert error in ended.error


async def test_a_read_only_bot_fails_the_step(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, service_token_acts="0") as harness:
        for function, inputs in ((START, {"branch": "main"}), (ABORT, {"build": "1"})):
            ended = await wait_until_over(harness, run_step(harness, function, app="android", **inputs))
            assert "Fill in *On behalf of*" in str(ended.error)
            assert "SERVICE_TOKEN_ACTS" in str(ended.error)
        assert harness.bitrise.state.builds == []


async def test_a_step_requested_twice_is_executed_once_and_reported_when_slack_is_available_again(
    harness: BotHarness,
) -> None:
    harness.slack.fault("functions.completeSuccess", "status", status=503, times=1)
    run = run_step(harness, START, app="android", branch="main")
    await harness.wait_for_commands(START)
    # Slack sends the same event again if it saw no acknowledgement; another ID gets it past the check for repeats.
    harness.users.events.send(
        {
            "type": "function_executed",
            "function": {"callback_id": START},
            "inputs": run.inputs,
            "function_execution_id": run.id,
            "event_ts": "1",
        },
        "function_executed",
    )
    await harness.wait_for_commands(START, 2)
    await wait_until_over(harness, run)
    assert run.outputs is not None
    assert len(harness.bitrise.state.builds) == 1


async def test_workflow_builder_refuses_inputs_that_the_manifest_does_not_declare(
    harness: BotHarness,
) -> None:
    for inputs in ({}, {"app": 7, "branch": "x"}, {"app": "android", "lunch": "x"}):
        with pytest.raises(InvalidInteraction):
            run_step(harness, START, **inputs)


async def test_a_step_interrupted_by_a_crash_fails_and_is_not_executed_again(tmp_path: Path) -> None:
    from bot.app import utc_now
    from storage.sqlite_database import SqliteDatabase

    database = await SqliteDatabase.open(tmp_path / "buildbell.db")
    steps = make_repositories(database).workflow_steps
    async with bot_harness(tmp_path / "other") as harness:
        run = FunctionExecution("Fx1", START, {"app": "android", "branch": "main"})
        harness.slack.workspace.executions[run.id] = run
        await harness.stop_bot()
        await steps.begin("T0SANDBOX", "Fx1", START, utc_now() - timedelta(minutes=1))
        await database.close()
        harness.database_url = f"sqlite:///{tmp_path / 'buildbell.db'}"
        await harness.start_bot()
        await wait_until_over(harness, run)
        assert "stopped during this step" in str(run.error)
        assert harness.bitrise.state.builds == []
