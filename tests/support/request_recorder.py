"""What a proxy's log keeps of Slack's requests: each byte for byte, to be sent once more."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from sandbox.slack.request_delivery import RequestDelivery


@dataclass(frozen=True)
class RecordedRequest:
    """One request, with the headers by which it is known to be Slack's."""

    body: str
    headers: dict[str, str]


class RequestRecorder:
    """Keeps all requests from now on."""

    def __init__(self, delivery: RequestDelivery) -> None:
        self.requests: list[RecordedRequest] = []
        self._sign = delivery.sign
        delivery.sign = self._signed  # type: ignore[method-assign]

    def _signed(self, body: str, *, at: int | None = None) -> dict[str, str]:
        headers = self._sign(body, at=at)
        kind = "application/json" if body.startswith("{") else "application/x-www-form-urlencoded"
        self.requests.append(RecordedRequest(body, headers | {"Content-Type": kind}))
        return headers

    async def send_again(self, url: str) -> None:
        """Send all of them once more, as they were, and in their order."""
        async with aiohttp.ClientSession() as session:
            for one in self.requests:
                async with session.post(url, data=one.body.encode(), headers=one.headers) as answer:
                    assert answer.status in (200, 400), await answer.text()
