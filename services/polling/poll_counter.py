"""Counts polls by their outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from domain.provider import Provider
from domain.provider_errors import InvalidToken, ProviderError, RateLimited
from services.metrics import Metrics
from services.polling.poll import PollOutcome
from storage.database import DatabaseProblem


def count_polls(
    poll: Callable[[], Awaitable[PollOutcome]], provider: Provider, counts: Metrics
) -> Callable[[], Awaitable[PollOutcome]]:
    """Return the poll with a count of its outcomes; it returns and raises the same."""

    async def counted() -> PollOutcome:
        outcome = "broken"
        try:
            result = await poll()
            outcome = "succeeded"
            return result
        except RateLimited:
            outcome = "rate_limited"
            raise
        except InvalidToken:
            outcome = "token_refused"
            raise
        except ProviderError:
            outcome = "failed"
            raise
        except DatabaseProblem:
            outcome = "database_unavailable"
            raise
        finally:
            counts.count_poll(provider, outcome)

    return counted
