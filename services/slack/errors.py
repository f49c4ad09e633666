"""The error that every failed call of Slack's Web API raises."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

# Reasons without an error code of Slack's.
NOT_SENT = "not_sent"
NO_ANSWER = "no_answer"
NOT_UNDERSTOOD = "not_understood"
RATE_LIMITED = "ratelimited"
# Slack may or may not have carried out the call.
UNCLEAR = frozenset({NO_ANSWER, NOT_UNDERSTOOD})

_ERROR_CODE = re.compile(r"[\w.:-]{1,100}", re.ASCII)


class SlackCallFailed(SlackApiError):
    """Slack refused the call, or gave no response that its documents describe.

    `reason` is Slack's error code, or NOT_SENT (no connection), NO_ANSWER (it broke, or took too long), NOT_UNDERSTOOD
    (no JSON object, or one without the method's fields); for every 429 it is RATE_LIMITED. `status` is the HTTP
    status, 0 without a response. `retry_after` is the pause in seconds that Slack asks for. `detail` is for the log.
    `response` is one of slack_sdk's, and its body is always a dictionary.
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
        detail = f" ({self.detail})" if self.detail != self.reason else ""
        return f"{self.method}: {self.reason}{detail}"


def read_error_code(data: Mapping[str, Any]) -> str | None:
    """Return Slack's error code; None if the response has no valid one."""
    code = data.get("error")
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else None
