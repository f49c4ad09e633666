"""The error that every failed call of Slack's Web API raises, and the pauses that Slack asks for after a 429."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
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


TIMES_TO_WAIT = 2
# A longer pause is not waited out: the call fails at once.
LONGEST_WAIT = 30.0

# Slack counts by the minute (docs.slack.dev, "Rate limits"): a much longer pause is not a rate limit of Slack's.
_LONGEST_PAUSE = 600.0


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a response asks to wait, between 0.1 and 600; 1 if it does not say."""
    named = {name.lower(): value for name, value in headers.items()}
    try:
        seconds = float(named["retry-after"])
    except (KeyError, TypeError, ValueError):
        return 1.0
    return min(max(seconds, 0.1), _LONGEST_PAUSE) if math.isfinite(seconds) else 1.0


class RateLimitWait(AsyncRetryHandler):
    """Waits out a 429, twice at most, for as long as Slack asks, up to LONGEST_WAIT seconds.

    slack_sdk's own handler (3.47) raises ValueError if Retry-After is not a number, and has no upper limit.
    """

    def __init__(self) -> None:
        super().__init__(max_retry_count=TIMES_TO_WAIT)

    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        del state, request, error
        return response is not None and response.status_code == 429 and _seconds(response) <= LONGEST_WAIT

    async def prepare_for_next_attempt_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> None:
        """Wait."""
        del request, error
        state.next_attempt_requested = True
        await asyncio.sleep(_seconds(response) if response is not None else 1.0)
        state.increment_current_attempt()


def _seconds(response: HttpResponse) -> float:
    # slack_sdk has a list of values for each header.
    return retry_after({name: values[0] for name, values in response.headers.items() if values})
