"""The pauses that Slack asks for after a 429 (docs.slack.dev, "Rate limits")."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState

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
