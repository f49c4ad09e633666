"""Bolt middleware that takes the request itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

NextCall: TypeAlias = Callable[[], Awaitable[Any]]
RequestCheck: TypeAlias = Callable[[AsyncBoltRequest, NextCall], Awaitable[BoltResponse | None]]


class RequestMiddleware(AsyncMiddleware):
    """Middleware that runs `check`, which continues with the second argument, or returns the response.

    For a middleware function with arguments of its choice Bolt (1.30) first computes all thirty that it knows, which
    costs more than everything that these middlewares do.
    """

    def __init__(self, check: RequestCheck) -> None:
        self._check = check

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,
        next: NextCall,  # noqa: A002 - Bolt's name
    ) -> BoltResponse | None:
        """Run the check."""
        del resp
        return await self._check(req, next)
