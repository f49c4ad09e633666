"""HTTP session for all calls to Slack: no redirects, and a size limit for responses."""

from __future__ import annotations

import aiohttp
from aiohttp import hdrs

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5)
# The largest responses are pages of users or messages, a few megabytes.
# The statuses with which aiohttp follows a Location.
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_RESPONSE_BYTES = 16 * 1024 * 1024


class BoundedResponse(aiohttp.ClientResponse):
    """Response with a size limit."""

    async def read(self) -> bytes:
        """Read the whole body. Raises ClientPayloadError if it is too large."""
        if self._body is None:
            content = bytearray()
            async for chunk in self.content.iter_any():
                content += chunk
                if len(content) > MAX_RESPONSE_BYTES:
                    self.close()
                    raise aiohttp.ClientPayloadError("the response is too large")
            self._body = bytes(content)
        return await super().read()


def create_slack_session() -> aiohttp.ClientSession:
    """Create the session to share: with one session per call, each call would open a connection."""
    return aiohttp.ClientSession(
        timeout=REQUEST_TIMEOUT,
        connector=aiohttp.TCPConnector(limit=100),
        response_class=BoundedResponse,
        middlewares=(_reject_redirect,),
    )


async def _reject_redirect(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Reject redirects: Slack never sends any, and no token or message may go to another server."""
    response = await handler(request)
    if response.status not in REDIRECTS or hdrs.LOCATION not in response.headers:
        return response
    response.close()
    raise aiohttp.ClientResponseError(
        response.request_info, response.history, status=response.status, message="sent elsewhere"
    )
