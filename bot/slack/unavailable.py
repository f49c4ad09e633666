"""Responses to Slack's requests before the bot has reached Slack's Web API (HTTP mode). Pure; no I/O.

Without the Web API the bot can't handle any request: it does not know its own identity. Slack waits three seconds for
an acknowledgement, so each type of request gets the most useful immediate response (docs.slack.dev):

- Event: 503; Slack sends it again up to three times: at once, after a minute, after five minutes ("The
  Events API", "Retries").
- Slash command: 200 with an ephemeral text, which Slack shows to the user; for any other
  status Slack only shows that the app did not respond ("Implementing slash commands").
- Form submission: the text at the first field; the form keeps its input ("Modals", "Display errors in
  views").
- Everything else (a button, a shortcut, a list that requests options, a form without fields): 503;
  Slack shows its own error and can't show a text of ours ("Handling user interaction").
"""

from __future__ import annotations

from typing import Any

from services.slack.interaction_payloads import SubmissionPayload
from services.slack.payloads import CommandPayload, Payload

TRY_AGAIN = "Buildbell is still connecting to Slack. Try again in a minute."
UNAVAILABLE = 503


def answer_unavailable(payload: Payload) -> tuple[int, dict[str, Any] | None]:
    """Return the HTTP status and JSON body for a request that can't be handled yet."""
    if isinstance(payload, CommandPayload):
        return 200, {"response_type": "ephemeral", "text": TRY_AGAIN}
    if isinstance(payload, SubmissionPayload) and payload.view.first_input is not None:
        return 200, {"response_action": "errors", "errors": {payload.view.first_input: TRY_AGAIN}}
    return UNAVAILABLE, None
