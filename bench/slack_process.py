"""The simulated Slack as its own process: prints its address, and at the end what it received."""

from __future__ import annotations

import asyncio
import json
import sys

from bot.manifest import manifest
from sandbox.slack.server import SlackSimulator


async def main(channels: int) -> None:
    slack = await SlackSimulator(manifest()).start()
    for number in range(channels):
        slack.workspace.add_channel(f"load{number}")
    print(json.dumps({"url": slack.api_url}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    posts = [len(channel.posts) for channel in slack.workspace.channels.values()]
    print(json.dumps({"posts": sum(posts), "violations": slack.violations[:5]}), flush=True)
    await slack.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
