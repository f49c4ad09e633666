"""Answers to Slack's requests while the bot has not reached Slack's Web API yet (HTTP mode). Pure; no I/O.

Nothing can be handled without it: not even who the bot is, is known. Slack waits three seconds for an acknowledgement,
so each kind of request is answered at once, in the way that Slack passes on best (docs.slack.dev):

- An event is answered 503, and Slack delivers it again up to three times: at once, after a minute, after five ("The
  Events API", "Retries").
- A slash command is answered 200 with an ephemeral text, which is what Slack shows to whoever typed it; for any other
  status it only says that the app did not respond ("Implementing slash commands").
- A form that is submitted gets the text at its first field, with all that was typed kept ("Modals", "Display errors in
  views").
- All else that people do (a button, a shortcut, a list that asks for options, a form without fields) is answered 503:
  Slack shows its own error, and has no place for a text ("Handling user interaction").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_YET = "Buildbell is still connecting to Slack. Try again in a minute."
UNAVAILABLE = 503


def needs_slack(payload: Mapping[str, Any]) -> bool:
    """Return whether a well-formed request can't be answered without the Web API; Slack's own tests of the URL can."""
    return payload.get("type") != "url_verification" and payload.get("ssl_check") != "1"


def answer_unavailable(payload: Mapping[str, Any]) -> tuple[int, dict[str, Any] | None]:
    """Return the HTTP status and JSON body for a well-formed request that can't be handled yet."""
    if "command" in payload:
        return 200, {"response_type": "ephemeral", "text": NOT_YET}
    if payload.get("type") == "view_submission" and (field := _first_field(payload["view"])) is not None:
        return 200, {"response_action": "errors", "errors": {field: NOT_YET}}
    return UNAVAILABLE, None


def _first_field(view: Mapping[str, Any]) -> str | None:
    """The block_id of the view's first input block."""
    blocks = view.get("blocks")
    for block in blocks if isinstance(blocks, list) else ():
        if (
            isinstance(block, Mapping)
            and block.get("type") == "input"
            and isinstance(block.get("block_id"), str)
        ):
            return str(block["block_id"])
    return None
