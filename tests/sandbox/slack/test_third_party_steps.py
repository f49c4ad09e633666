"""A Bolt app's workflow step in the sandbox: its token, its buttons and its modal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sandbox.slack.input_values import InvalidInteraction
from sandbox.slack.server import SlackSimulator
from tests.sandbox.slack.web_api_call import call_web_api
from tests.third_party_apps.bolt_runner import bolt_app, run_bolt_app
from tests.third_party_apps.workflow_step_app import FLAT, NESTED, manifest, workflow_step_app


@asynccontextmanager
async def stage(parameters: Any, line: str = "socket") -> AsyncIterator[tuple[SlackSimulator, list[str]]]:
    slack = await SlackSimulator(manifest(parameters)).start()
    tokens: list[str] = []
    try:
        async with bolt_app(slack) as app:
            workflow_step_app(app, tokens)
            async with run_bolt_app(app, slack, line):
                yield slack, tokens
    finally:
        await slack.close()


@pytest.mark.parametrize(("parameters", "line"), [(FLAT, "socket"), (NESTED, "http")], ids=["flat", "nested"])
async def test_a_step_has_its_own_token_until_it_is_completed(parameters: Any, line: str) -> None:
    async with stage(parameters, line) as (slack, tokens):
        run = slack.users.run_step("ask", {"person": "U0ANNA"})
        post = await slack.wait_for_post("D0ANNA", "Is it well?", viewer="anna")
        [token] = tokens
        assert token.startswith("xwfp-")
        assert (await call_web_api(slack, "auth.test", token=token))["user_id"] == "U0BUILDBELL"
        await slack.users.click("anna", post, "Yes")
        await slack.wait_for_post("D0ANNA", "It is well", viewer="anna")
        assert (run.status, run.outputs) == ("completed", {"person": "U0ANNA"})
        assert (await call_web_api(slack, "auth.test", token=token))["error"] == "token_revoked"
        # A button's own token outlives the step: Slack's templates update the message with it afterwards.
        assert (await call_web_api(slack, "auth.test", token=tokens[1]))["ok"]
        done = {"function_execution_id": run.id, "outputs": '{"person": "U0ANNA"}'}
        again = await call_web_api(slack, "functions.completeSuccess", **done)
        assert again["error"] == "execution_not_in_running_state"
        assert slack.violations == []


async def test_a_step_fails_at_once_or_in_a_modal_that_its_button_opened() -> None:
    async with stage(FLAT) as (slack, _):
        broken = slack.users.run_step("ask", {"person": "U0ANNA", "words": "break"})
        await slack.workspace.wait_for(lambda: broken.error, 30, "the step's end")
        assert broken.error == "There is nothing to ask"
        run = slack.users.run_step("ask", {"person": "U0BEN"})
        post = await slack.wait_for_post("D0BEN", "Is it well?", viewer="ben")
        await slack.users.click("ben", post, "No")
        await slack.wait_for_modal("ben", "Why")
        await slack.users.submit("ben", {"why": "Too late"})
        await slack.workspace.wait_for(lambda: run.error, 30, "the step's end")
        assert run.error == "Too late"
        with pytest.raises(InvalidInteraction, match="missing required parameter person"):
            slack.users.run_step("ask", {"words": "x"})
        with pytest.raises(InvalidInteraction, match="person is no slack#/types/user_id"):
            slack.users.run_step("ask", {"person": 7})
