"""`buildbell sandbox`: the bot between simulated services, to be tried by hand or by a script."""

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
    """Run until somebody quits; `speed` is how many times faster than real builds the simulated ones are."""
    async with SandboxEnvironment(manifest) as stage:

        def add_routes(app: web.Application) -> None:
            ControlApi(stage).add_routes(app)
            add_page(app, stage)

        await stage.start(port=port, also=add_routes)
        await stage.connect_accounts("anna", "ben")
        seed_builds(stage)
        seed_examples(stage)
        sum_up_logs(stage)
        stage.bitrise.farm.pace = stage.buildio.platform.pace = speed
        stage.bitrise.start_clock()
        stage.buildio.start_clock()
        _say(f"The sandbox is open: {stage.slack.url}/")
        _say(
            "Open it in a browser: a small Slack, with Bitrise and Build.io beside it. Or stay here, and type:"
        )
        _say(HELP)
        _say("You are Anna, in #builds. Try: /bitrise subscribe android   then: start android   and: fail")
        _say(
            "Anna and Ben have linked their accounts at both; Carla has not (docs/sandbox.md has her tokens)."
        )
        if not await Console(stage, _say).run() and not sys.stdin.isatty():
            _say(
                f"Nobody types here. Drive it over {stage.slack.url}/control/ (docs/sandbox.md); Ctrl-C ends it."
            )
            await asyncio.Event().wait()
    return 0


def seed_builds(stage: SandboxEnvironment) -> None:
    """Some builds of the last hours, so that there is something to see."""
    bitrise = stage.bitrise
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


def sum_up_logs(stage: SandboxEnvironment) -> None:
    """Let Bitrise know the steps of each log, as the real one does of builds of today."""
    for app in stage.bitrise.farm.apps:
        app.sums_up = True


# What README's examples name.
EXAMPLE_BUILD = 12
EXAMPLE_PIPELINE = 45
EXAMPLE_ENVIRONMENT = "8eb495d0-f653-4eed-910b-8d6b56cc0ec7"


def seed_examples(stage: SandboxEnvironment) -> None:
    """Make README's examples work as they stand: what they name is there. To do so again mends what they changed."""
    bitrise, buildio = stage.bitrise, stage.buildio
    app, now = bitrise.android, bitrise.now()
    if "release" not in app.workflows:
        app.workflows = (*app.workflows, "release")
        train = bitrise.start_pipeline(app)
        for build in train.builds.values():
            bitrise.finish(build)
        train.number = EXAMPLE_PIPELINE
    of_app = bitrise.farm.of_app(app)
    while len(of_app) < EXAMPLE_BUILD - 1:
        minutes = 5 * (EXAMPLE_BUILD - len(of_app))
        bitrise.finish(bitrise.start_build(app, at=now - timedelta(minutes=minutes)))
        of_app = bitrise.farm.of_app(app)
    example = next((one for one in of_app if one.number == EXAMPLE_BUILD), None)
    if example is None:
        # It runs until somebody ends it.
        example = bitrise.start_build(app, params={"branch": "develop"}, ends_as=None)
    if example.result is not None:
        example.result, example.finished_at, example.abort_reason = None, None, None
    bitrise.run(example)
    buildio.shop.config |= {"OLD_KEY": "no longer used", "OLDER_KEY": "nor this one"}
    environment = buildio.pipeline.environments[0]
    environment.id = EXAMPLE_ENVIRONMENT
    environment.config.setdefault("RAILS_ENV", "staging")
    if all(one.name != "payments" for one in buildio.platform.namespaces):
        buildio.platform.add_namespace("payments", now, team=buildio.acme, owner=None)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
