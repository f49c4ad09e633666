"""A recorder of Slack's requests, which can send each of them again byte for byte, as from a proxy's log."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from sandbox.slack.request_delivery import RequestDelivery


@dataclass(frozen=True)
class RecordedRequest:
    """A request, with its signature headers."""

    body: str
    headers: dict[str, str]


class RequestRecorder:
    """Records all requests from its creation on."""

    def __init__(self, delivery: RequestDelivery) -> None:
        self.requests: list[RecordedRequest] = []
        self._sign = delivery.sign
        delivery.sign = self._sign_and_record  # type: ignore[method-assign]

    def _sign_and_record(self, body: str, *, at: int | None = None) -> dict[str, str]:
        headers = self._sign(body, at=at)
        content_type = "application/json" if body.startswith("{") else "application/x-www-form-urlencoded"
        self.requests.append(RecordedRequest(body, headers | {"Content-Type": content_type}))
        return headers

    async def send_again(self, url: str) -> None:
        """Send all recorded requests again, unchanged and in their order."""
        async with aiohttp.ClientSession() as session:
            for request in self.requests:
                async with session.post(url, data=request.body.encode(), headers=request.headers) as answer:
                    assert answer.status in (200, 400), await answer.text()
