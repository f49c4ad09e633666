"""Steps of Slack's Workflow Builder (custom functions)."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from services.container import Services
from services.request.context import RequestContext
from services.request.forms import plain_error_text
from services.request.interactions import FunctionHandler, Interactions
from services.request.request_tracker import RequestTracker, wait_for_place
from services.slack.event_payloads import EventPayload, FunctionExecuted, Inputs
from storage.database import DatabaseUnavailable, retry_until_stored
from storage.workflow_steps import Outcome


def register(app: AsyncApp, interactions: Interactions, services: Services, tracker: RequestTracker) -> None:
    """Listen to every function of the interactions."""
    for callback_id, function in interactions.functions.items():
        _listen(app, callback_id, function, services, tracker)


def _listen(
    app: AsyncApp, callback_id: str, function: FunctionHandler, services: Services, tracker: RequestTracker
) -> None:
    @app.function(callback_id)
    async def handle_execution(slack_payload: EventPayload[FunctionExecuted]) -> None:
        event, team = slack_payload.event, slack_payload.workspace_id
        execution, inputs = event.function_execution_id, event.inputs or Inputs()
        async with tracker.answering(callback_id):
            try:
                is_new = await services.storage.workflow_steps.begin(
                    team, execution, callback_id, services.clock()
                )
            except DatabaseUnavailable as problem:
                # Slack does not send it again, and the workflow must not wait for ever.
                await services.slack.client(team).functions_completeError(
                    function_execution_id=execution, error=plain_error_text(problem)
                )
                return
            if not is_new:
                return  # Slack resends what was not acknowledged; a build must not be started twice
            person = inputs.person or ""
            context = RequestContext(
                services=services,
                person=person,
                team=team,
                channel="",
                name=None if person else "a Slack workflow",
                # The workflow's author has named the user: Slack does not say who started it.
                is_verified=False,
            )
            try:
                await wait_for_place()
                outputs = await function(inputs.model_extra or {}, execution, context)
                outcome = Outcome(outputs=outputs) if outputs is not None else None
            except Exception as problem:  # noqa: BLE001 - the workflow's author is shown every error
                outcome = Outcome(error=plain_error_text(problem))
            if outcome is not None:
                concluded = outcome
                await retry_until_stored(
                    lambda: services.storage.workflow_steps.conclude(team, execution, concluded)
                )
