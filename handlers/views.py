"""Submitted forms."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from services.container import Services
from services.request.forms import FormHandler, FormSubmission
from services.request.interactions import Interactions
from services.request.request_tracker import RequestTracker
from services.slack.interaction_payloads import SubmissionPayload


def register(app: AsyncApp, interactions: Interactions, services: Services, tracker: RequestTracker) -> None:
    """Listen to the submission of every form."""
    for callback_id, submit in interactions.forms.items():
        _listen(app, callback_id, submit, services, tracker)


def _listen(
    app: AsyncApp, callback_id: str, submit: FormHandler, services: Services, tracker: RequestTracker
) -> None:
    @app.view(callback_id)
    async def handle_submission(ack: AsyncAck, slack_payload: SubmissionPayload) -> None:
        async with tracker.answering(callback_id):
            await submit(FormSubmission.of(slack_payload, services, ack))
