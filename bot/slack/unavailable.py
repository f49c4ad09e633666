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

from collections.abc import Mapping
from typing import Any

TRY_AGAIN = "Buildbell is still connecting to Slack. Try again in a minute."
UNAVAILABLE = 503


def needs_slack(payload: Mapping[str, Any]) -> bool:
    """Return whether a well-formed request needs the Web API. Slack's own tests of the URL don't."""
    return payload.get("type") != "url_verification" and payload.get("ssl_check") != "1"


def answer_unavailable(payload: Mapping[str, Any]) -> tuple[int, dict[str, Any] | None]:
    """Return the HTTP status and JSON body for a well-formed request that can't be handled yet."""
    if "command" in payload:
        return 200, {"response_type": "ephemeral", "text": TRY_AGAIN}
    if payload.get("type") == "view_submission" and (field := _find_first_input(payload["view"])) is not None:
        return 200, {"response_action": "errors", "errors": {field: TRY_AGAIN}}
    return UNAVAILABLE, None


def _find_first_input(view: Mapping[str, Any]) -> str | None:
    """Return the block_id of the view's first input block."""
    blocks = view.get("blocks")
    for block in blocks if isinstance(blocks, list) else ():
        if (
            isinstance(block, Mapping)
            and block.get("type") == "input"
            and isinstance(block.get("block_id"), str)
        ):
            return str(block["block_id"])
    return None
