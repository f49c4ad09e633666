"""`buildbell sandbox`: runs the bot between simulated services, to try it by hand or by script."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from aiohttp import web

from sandbox.console import HELP, Console
from sandbox.control_api import ControlApi
from sandbox.environment import SandboxEnvironment
from sandbox.page.routes import add_page


async def run_sandbox(manifest: Mapping[str, Any], *, speed: float, port: int) -> int:
    """Run until the user quits; builds run `speed` times as fast as real ones."""
    async with SandboxEnvironment(manifest) as environment:

        def add_routes(app: web.Application) -> None:
            ControlApi(environment).add_routes(app)
            add_page(app, environment)

        await environment.start(port=port, add_routes=add_routes)
        await environment.connect_accounts("anna", "ben")
        seed_builds(environment)
        seed_examples(environment)
        enable_log_summaries(environment)
        environment.bitrise.state.speed = environment.buildio.state.speed = speed
        environment.bitrise.start_clock()
        environment.buildio.start_clock()
        _say(f"The sandbox is running: {environment.slack.url}/")
        _say(
            "Open it in a browser: a small Slack, with Bitrise and Build.io beside it. Or type commands here:"
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


def seed_builds(environment: SandboxEnvironment) -> None:
    """Add some builds of the last hours."""
    bitrise = environment.bitrise
    for hours, app, branch, result in (
        (5, bitrise.android, "main", "success"),
        (4, bitrise.ios, "main", "success"),
        (3, bitrise.android, "develop", "error"),
        (2, bitrise.web, "main", "aborted"),
        (1, bitrise.android, "main", "success"),
    ):
        at = bitrise.now() - timedelta(hours=hours)
        build = bitrise.start_build(app, params={"branch": branch, "commit_message": "Tidy up"}, at=at)
        build.advance(at + timedelta(minutes=3))
        if result == "aborted":
            build.abort(at + timedelta(minutes=3), "api-demo", "not needed", with_success=False)
        else:
            build.finish("success" if result == "success" else "error", at + timedelta(minutes=5))


def enable_log_summaries(environment: SandboxEnvironment) -> None:
    """Enable log summaries, which the real Bitrise has for current builds."""
    for app in environment.bitrise.state.apps:
        app.has_log_summary = True


# The resources that README's examples name.
EXAMPLE_BUILD = 12
EXAMPLE_PIPELINE = 45
EXAMPLE_ENVIRONMENT = "8eb495d0-f653-4eed-910b-8d6b56cc0ec7"


def seed_examples(sandbox: SandboxEnvironment) -> None:
    """Make README's examples work unchanged: create what they name. Calling it again resets what they changed."""
    bitrise, buildio = sandbox.bitrise, sandbox.buildio
    app, now = bitrise.android, bitrise.now()
    if "release" not in app.workflows:
        app.workflows = (*app.workflows, "release")
        pipeline = bitrise.start_pipeline(app)
        for build in pipeline.builds.values():
            bitrise.finish(build)
        pipeline.number = EXAMPLE_PIPELINE
    builds = bitrise.state.builds_of(app)
    while len(builds) < EXAMPLE_BUILD - 1:
        minutes = 5 * (EXAMPLE_BUILD - len(builds))
        bitrise.finish(bitrise.start_build(app, at=now - timedelta(minutes=minutes)))
        builds = bitrise.state.builds_of(app)
    example = next((build for build in builds if build.number == EXAMPLE_BUILD), None)
    if example is None:
        # Runs until it is finished by hand.
        example = bitrise.start_build(app, params={"branch": "develop"}, ends_as=None)
    if example.result is not None:
        example.result, example.finished_at, example.abort_reason = None, None, None
    bitrise.start_running(example)
    buildio.shop.config |= {"OLD_KEY": "no longer used", "OLDER_KEY": "nor this one"}
    environment = buildio.pipeline.environments[0]
    environment.id = EXAMPLE_ENVIRONMENT
    environment.config.setdefault("RAILS_ENV", "staging")
    if all(namespace.name != "payments" for namespace in buildio.state.namespaces):
        buildio.state.add_namespace("payments", now, team=buildio.acme, owner=None)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
