"""`buildbell sandbox`: runs the bot between simulated services, to try it by hand or by script."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.console import HELP, Console
from sandbox.control_api import ControlApi
from sandbox.environment import SandboxEnvironment
from sandbox.example_data import enable_log_summaries, seed_builds, seed_examples
from sandbox.page.routes import add_page


async def run_sandbox(
    manifest: Mapping[str, Any], *, speed: float, port: int, database_url: str | None = None
) -> int:
    """Run until the user quits; builds run `speed` times as fast as real ones."""
    async with SandboxEnvironment(manifest) as environment:

        def add_routes(app: web.Application) -> None:
            ControlApi(environment).add_routes(app)
            add_page(app, environment)

        await environment.start(port=port, add_routes=add_routes, database_url=database_url)
        await environment.connect_accounts("anna", "ben")
        seed_builds(environment)
        seed_examples(environment)
        enable_log_summaries(environment)
        environment.bitrise.state.speed = environment.buildio.state.speed = speed
        environment.bitrise.start_clock()
        environment.buildio.start_clock()
        _say(f"The sandbox is running: {environment.slack.url}/")
        _say(
            "Open it in a browser: simulated Slack, with Bitrise and Build.io beside it. Or type commands here:"
        )
        _say(HELP)
        _say("You are Anna, in #builds. Try: /bitrise subscribe android   then: start android   and: fail")
        _say(
            "Anna and Ben have connected their accounts at both providers."
            " Carla has not (her tokens are in docs/sandbox.md)."
        )
        if not await Console(environment, _say).run() and not sys.stdin.isatty():
            _say(
                f"There is no terminal. Use the control API at {environment.slack.url}/control/"
                " (docs/sandbox.md); stop with Ctrl-C."
            )
            await asyncio.Event().wait()
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
