"""Steps of Slack's Workflow Builder, from the event to what the workflow goes on with."""

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
    """Say yes to what a step wants to do in this person's name; nothing is asked twice."""
    asked = await harness.wait_for_message("in your name", person=person, channel=f"D0{person.upper()}")
    [button] = [
        one
        for block in asked.blocks
        for one in block.get("elements", ())
        if one.get("action_id") == "proposal_agree"
    ]
    assert "confirm" not in button
    await harness.users.click(person, asked, "Do it as me")
    return asked


def step(harness: BotHarness, function: str, **inputs: Any) -> FunctionExecution:
    return harness.users.run_step(function, inputs)


async def test_a_workflow_starts_a_build_waits_for_its_end_and_learns_how_it_ended(
    harness: BotHarness,
) -> None:
    run = step(harness, START, app="android", branch="develop", variables="A=1\nB=two words", person="U0BEN")
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

    waiting = step(harness, WAIT, app="android", build=started.outputs["build"])
    await harness.wait_for_commands(WAIT)
    assert waiting.status == "running"
    harness.bitrise.finish(build, "error")
    # It is followed by nobody, so it is looked at now and then; another app's end makes the bot look at once.
    await harness.ask("/bitrise subscribe ios", "subscribed")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios))
    await wait_until_over(harness, waiting)
    assert waiting.outputs is not None
    assert (waiting.outputs["result"], waiting.outputs["succeeded"]) == ("failed", False)


async def test_a_workflow_without_a_person_can_not_say_that_somebody_has_started_it(
    harness: BotHarness,
) -> None:
    forged = f"BUILDBELL_STARTED_BY={slack_user('U0ANNA', 'T0SANDBOX')}"
    await wait_until_over(
        harness, step(harness, START, app="android", branch="develop", variables=f"{forged}\nA=1")
    )
    [build] = harness.bitrise.state.builds
    assert build.params["environments"] == [{"key": "A", "value": "1", "is_expand": False}]


async def test_a_wait_survives_a_restart_and_one_that_is_too_long_is_given_up(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as town:
        build = town.bitrise.start_build(town.bitrise.android)
        town.bitrise.start_running(build)
        waiting = step(town, WAIT, app="android", build="#1", minutes=5)
        await town.wait_for_commands(WAIT)
        await town.stop_bot()
        town.bitrise.finish(build)
        await town.start_bot()
        await wait_until_over(town, waiting)
        assert waiting.outputs is not None
        assert waiting.outputs["result"] == "succeeded"
        assert town.slack.violations == []


async def test_a_wait_tells_nothing_of_an_app_that_no_channel_follows_any_more(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, seconds={"sight_seconds": 0.2}, service_token_acts="0") as town:
        await town.connect("ben")
        await town.ask("/bitrise subscribe ios", "subscribed", person="ben")
        build = town.bitrise.start_build(town.bitrise.ios, ends_as=None)
        waiting = step(town, WAIT, app="ios", build="#1", minutes=5)
        await town.wait_for_commands(WAIT)
        town.bitrise.set_role("ben-okafor", town.bitrise.ios, None)
        await town.wait_for_message("can't see the app at Bitrise any more", person=None)
        town.bitrise.finish(build)
        await wait_until_over(town, waiting)
        assert waiting.outputs is None
        assert "No channel here follows the build's app any more" in str(waiting.error)


async def test_an_ended_build_is_not_waited_for(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.abort(build, "octo", "no need", with_success=True)
    done = await wait_until_over(
        harness, step(harness, WAIT, app="android", build=f"<https://app.bitrise.io/build/{build.slug}>")
    )
    assert done.outputs is not None
    assert (done.outputs["result"], done.outputs["succeeded"]) == ("aborted-with-success", True)
    assert "no need" in done.outputs["reason"]


async def test_a_workflow_aborts_a_build_in_somebodys_name(harness: BotHarness) -> None:
    harness.bitrise.start_running(harness.bitrise.start_build(harness.bitrise.android))
    run = step(harness, ABORT, app="android", build="1", reason="release is off", person="U0ANNA")
    asked = await confirm(harness, "anna")
    done = await wait_until_over(harness, run)
    await harness.wait_until(
        lambda: "a workflow wanted to abort Sample Android #1" in harness.message_text(asked)
    )
    assert "anna wanted" not in harness.message_text(asked)
    assert "release is off" in harness.message_text(asked)
    assert done.outputs is not None
    assert harness.bitrise.state.builds[0].abort_reason == (
        "User api-demo requested to abort this build with reason: release is off (anna via Slack)"
    )


@pytest.mark.parametrize(
    ("function", "inputs", "words"),
    [
        (START, {"app": "android"}, "Say what to build"),
        (START, {"app": "andriod", "branch": "x"}, "Did you mean"),
        (START, {"app": "android", "branch": "x", "variables": "nonsense"}, "NAME=value"),
        (START, {"app": "android", "workflow": "nightly"}, "did not found in the bitrise config"),
        (WAIT, {"app": "android", "build": "lunch"}, "lunch is no build"),
        (ABORT, {"app": "android", "build": "#7"}, "has no build #7"),
    ],
)
async def test_what_can_not_be_done_fails_the_step_in_words(
    harness: BotHarness, function: str, inputs: dict[str, Any], words: str
) -> None:
    done = await wait_until_over(harness, step(harness, function, **inputs))
    assert done.error is not None
    assert words in done.error


async def test_a_bot_that_may_only_read_fails_the_step(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, service_token_acts="0") as town:
        for function, inputs in ((START, {"branch": "main"}), (ABORT, {"build": "1"})):
            done = await wait_until_over(town, step(town, function, app="android", **inputs))
            assert "Fill in *On behalf of*" in str(done.error)
            assert "SERVICE_TOKEN_ACTS" in str(done.error)
        assert town.bitrise.state.builds == []


async def test_a_step_that_slack_asks_for_twice_is_done_once_and_told_when_slack_is_back(
    harness: BotHarness,
) -> None:
    harness.slack.fault("functions.completeSuccess", "status", status=503, times=1)
    run = step(harness, START, app="android", branch="main")
    await harness.wait_for_commands(START)
    # The same event again, as Slack sends it where it saw no acknowledgement; with another id, to get past the first gate.
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


async def test_workflow_builder_refuses_what_the_manifest_does_not_name(harness: BotHarness) -> None:
    for inputs in ({}, {"app": 7, "branch": "x"}, {"app": "android", "lunch": "x"}):
        with pytest.raises(InvalidInteraction):
            step(harness, START, **inputs)


async def test_a_step_that_was_cut_off_says_so_and_is_not_done_again(tmp_path: Path) -> None:
    from bot.app import utc_now
    from storage.database import Database

    database = await Database.open(tmp_path / "buildbell.db")
    steps = make_repositories(database).workflow_steps
    async with bot_harness(tmp_path / "other") as town:
        run = FunctionExecution("Fx1", START, {"app": "android", "branch": "main"})
        town.slack.workspace.executions[run.id] = run
        await town.stop_bot()
        await steps.begin("T0SANDBOX", "Fx1", START, utc_now() - timedelta(minutes=1))
        await database.close()
        town.folder = tmp_path
        await town.start_bot()
        await wait_until_over(town, run)
        assert "stopped in the middle" in str(run.error)
        assert town.bitrise.state.builds == []
