"""HTTP session for all calls to Slack: it follows no redirects and limits the size of responses."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5)
# The largest responses are pages of users or messages, a few megabytes.
MAX_RESPONSE_BYTES = 16 * 1024 * 1024


class BoundedResponse(aiohttp.ClientResponse):
    """Response with a size limit."""

    async def read(self) -> bytes:
        """Read the whole body. Raises ClientPayloadError if it is too large."""
        if self._body is None:
            content = bytearray()
            async for piece in self.content.iter_any():
                content += piece
                if len(content) > MAX_RESPONSE_BYTES:
                    self.close()
                    raise aiohttp.ClientPayloadError("the response is too large")
            self._body = bytes(content)
        return await super().read()


def create_slack_session() -> aiohttp.ClientSession:
    """Create the session; without a shared one, each call would open a connection."""
    stays = aiohttp.TraceConfig()
    stays.on_request_redirect.append(_reject_redirect)
    return aiohttp.ClientSession(
        timeout=REQUEST_TIMEOUT,
        connector=aiohttp.TCPConnector(limit=100),
        response_class=BoundedResponse,
        trace_configs=[stays],
    )


async def _reject_redirect(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, request: aiohttp.TraceRequestRedirectParams
) -> None:
    """Reject redirects: Slack never sends any, and neither token nor message may go elsewhere."""
    answer = request.response
    answer.close()
    raise aiohttp.ClientResponseError(
        answer.request_info, answer.history, status=answer.status, message="sent elsewhere"
    )
