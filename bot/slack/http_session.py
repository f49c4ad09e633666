"""The one session of all calls to Slack: nothing that it sends is sent on elsewhere, and no answer is endless."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5)
# The largest are pages of users or messages, a few megabytes.
LARGEST_ANSWER = 16 * 1024 * 1024


class BoundedResponse(aiohttp.ClientResponse):
    """An answer of which only so much is read."""

    async def read(self) -> bytes:
        """The whole body. Raises ClientPayloadError where there is too much of it."""
        if self._body is None:
            content = bytearray()
            async for piece in self.content.iter_any():
                content += piece
                if len(content) > LARGEST_ANSWER:
                    self.close()
                    raise aiohttp.ClientPayloadError("the answer is larger than is read")
            self._body = bytes(content)
        return await super().read()


def create_slack_session() -> aiohttp.ClientSession:
    """The session; without it each call would open a connection of its own."""
    stays = aiohttp.TraceConfig()
    stays.on_request_redirect.append(_refuse)
    return aiohttp.ClientSession(
        timeout=REQUEST_TIMEOUT,
        connector=aiohttp.TCPConnector(limit=100),
        response_class=BoundedResponse,
        trace_configs=[stays],
    )


async def _refuse(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, request: aiohttp.TraceRequestRedirectParams
) -> None:
    """Follow no redirect: neither token nor message may go where an answer sends them, and Slack sends nowhere."""
    answer = request.response
    answer.close()
    raise aiohttp.ClientResponseError(
        answer.request_info, answer.history, status=answer.status, message="sent elsewhere"
    )
