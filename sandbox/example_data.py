"""The data that `buildbell sandbox` starts with: builds of the last hours, and what README's examples name."""

from __future__ import annotations

from datetime import timedelta

from sandbox.environment import SandboxEnvironment


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
