"""A Slack that answers late, as a process of its own: prints its address, and for each line on its input what it got.

It only knows how to accept posts, and costs as little CPU as possible, since the bots are to be measured.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import defaultdict

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_NUMBER = re.compile(r"#(\d+)")


class SlowSlack:
    """Accepts posts to channels, each `seconds` after it has come; `numbers` are the posted builds' in their order."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.numbers: defaultdict[str, list[int]] = defaultdict(list)
        self.posts = 0
        self.last_at = 0.0

    def accept(self, body: bytes) -> bytes:
        """Record a post, and return the response."""
        message = json.loads(body)
        channel = message["channel"]
        number = _NUMBER.search(message["text"])
        self.numbers[channel].append(int(number[1]) if number else 0)
        self.posts += 1
        self.last_at = time.time()
        response = {"ok": True, "channel": channel, "ts": f"{self.posts}.000100", "message": {}}
        return json.dumps(response).encode()


class _Connection(asyncio.Protocol):
    """One HTTP connection: the responses are sent in the order of the requests, each after its time."""

    def __init__(self, slack: SlowSlack) -> None:
        self._slack = slack
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if separator and len(rest) >= size:
            self._buffer = rest[size:]
            response = self._slack.accept(rest[:size])
            asyncio.get_running_loop().call_later(self._slack.seconds, self._respond, response)

    def _respond(self, body: bytes) -> None:
        assert self._transport is not None
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def main(seconds: float) -> None:
    slack = SlowSlack(seconds)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(slack), "127.0.0.1", 0)
    print(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/"}), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        report = {"posts": slack.posts, "numbers": slack.numbers, "last_at": slack.last_at}
        print(json.dumps(report | {"cpu": time.process_time()}), flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
