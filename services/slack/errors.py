"""The one error of a call of Slack's Web API, whatever went wrong with it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

# Reasons for which Slack has no word of its own.
NOT_SENT = "not_sent"
NO_ANSWER = "no_answer"
NOT_UNDERSTOOD = "not_understood"
RATE_LIMITED = "ratelimited"
# Slack may or may not have done what it was asked for, or could not say why not.
UNCLEAR = frozenset({NO_ANSWER, NOT_UNDERSTOOD})

_WORD = re.compile(r"[\w.:-]{1,100}", re.ASCII)


class SlackCallFailed(SlackApiError):
    """Slack did not do what it was asked for, or gave no answer that its documents describe.

    `reason` is Slack's own word, or NOT_SENT (no connection), NO_ANSWER (it broke, or took too long), NOT_UNDERSTOOD
    (no JSON object, or one without what the method answers); for every 429 it is RATE_LIMITED. `status` is the HTTP
    status, 0 without an answer. `retry_after` is how many seconds Slack asks to wait. `detail` is for the log.
    `response` has the form that slack_sdk gives it, with a body that is a dictionary in any case.
    """

    def __init__(
        self, method: str, reason: str, *, status: int = 0, retry_after: float = 1.0, detail: str = ""
    ) -> None:
        self.method = method
        self.reason = reason
        self.status = status
        self.retry_after = retry_after
        self.detail = detail or reason
        response = AsyncSlackResponse(
            client=None,
            http_verb="POST",
            api_url=method,
            req_args={},
            data={"ok": False, "error": reason},
            headers={"Retry-After": str(math.ceil(retry_after))} if reason == RATE_LIMITED else {},
            status_code=status,
        )
        super().__init__(f"{method} failed", response)  # type: ignore[no-untyped-call]

    def __str__(self) -> str:
        more = f" ({self.detail})" if self.detail != self.reason else ""
        return f"{self.method}: {self.reason}{more}"


def read_error_code(data: Mapping[str, Any]) -> str | None:
    """Return Slack's word for why it refuses; None where the answer holds none."""
    word = data.get("error")
    return word if isinstance(word, str) and _WORD.fullmatch(word) else None
