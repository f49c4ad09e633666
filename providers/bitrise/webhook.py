"""The endpoint for Bitrise's outgoing webhooks: a call makes the bot poll at once, and nothing more.

Bitrise tries each call only once (Bitrise's documents, "Outgoing webhooks"), and anyone may forge one. So the content
of a call is not trusted, and a lost call costs only the rest of the poll interval.

The secret comes in a header, or in the URL if the sender cannot set headers; proxies may log URLs.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from pydantic import SecretStr

from domain.credentials import secrets_equal
from services.http_body import read_body

log = structlog.get_logger()

LARGEST_BODY = 256 * 1024
KEY_HEADER = "X-Buildbell-Secret"


class Webhook:
    """The endpoint. `signing` is the secret that Bitrise signs with, None if none is configured."""

    def __init__(
        self, secret: SecretStr, signing: SecretStr | None, *, poll_now: Callable[[], Awaitable[None]]
    ) -> None:
        self._secret = secret
        self._signing = signing
        self._poll_now = poll_now

    async def take(self, request: web.Request) -> web.Response:
        """Poll now if the call has the secret and a valid signature."""
        header = request.headers.get(KEY_HEADER)
        if not secrets_equal(request.query.get("secret", "") if header is None else header, self._secret):
            log.warning("webhook.refused", reason="wrong secret")
            return web.Response(status=404, text="Not Found\n")
        if (body := await read_body(request, LARGEST_BODY)) is None:
            log.warning("webhook.refused", reason="too large")
            return web.Response(status=413, text="Too large\n")
        if self._signing is not None:
            expected = hmac.new(self._signing.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
            # `Bitrise-Hook-Signature: sha256=…` over the raw body (observed, not documented)
            if not secrets_equal(request.headers.get("Bitrise-Hook-Signature", ""), f"sha256={expected}"):
                log.warning("webhook.refused", reason="wrong signature")
                return web.Response(status=403, text="Wrong signature\n")
        await self._poll_now()
        return web.Response(status=204)
