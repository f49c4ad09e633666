"""Calls of Bitrise's outgoing webhooks: a hint to look now, and nothing more.

Each is tried once and never again (Bitrise's documents, "Outgoing webhooks"), and anybody may forge one: so nothing in
a call is believed, and one that is lost costs only the rest of the interval.

The secret comes in a header, or in the address where whoever calls can send no header: proxies write addresses down.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import structlog
from aiohttp import web
from pydantic import SecretStr

from domain.constant_time import secrets_equal
from services.http_body import read_body

log = structlog.get_logger()

LARGEST_BODY = 256 * 1024
KEY_HEADER = "X-Buildbell-Secret"


class Webhook:
    """Takes the calls. `signing` is the secret that Bitrise signs with, None where it was given none."""

    def __init__(self, secret: SecretStr, signing: SecretStr | None, *, poll_now: Callable[[], None]) -> None:
        self._secret = secret
        self._signing = signing
        self._look_now = poll_now

    async def take(self, request: web.Request) -> web.Response:
        """Look now, if the call knows the secret and its signature fits."""
        given = request.headers.get(KEY_HEADER)
        if not secrets_equal(request.query.get("secret", "") if given is None else given, self._secret):
            log.warning("webhook.refused", reason="wrong secret")
            return web.Response(status=404, text="Not Found\n")
        if (body := await read_body(request, LARGEST_BODY)) is None:
            log.warning("webhook.refused", reason="too large")
            return web.Response(status=413, text="Too large\n")
        if self._signing is not None:
            expected = hmac.new(self._signing.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
            # `Bitrise-Hook-Signature: sha256=…` over the raw body (seen, not documented)
            if not secrets_equal(request.headers.get("Bitrise-Hook-Signature", ""), f"sha256={expected}"):
                log.warning("webhook.refused", reason="wrong signature")
                return web.Response(status=403, text="Wrong signature\n")
        self._look_now()
        return web.Response(status=204)
