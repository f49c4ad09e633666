"""The baseline after a restore: the current state at the providers, as far as it can be read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.admin.commands import read_baseline
from bot.settings import Settings
from domain.build import App
from domain.provider_errors import ProviderError
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from sandbox.bitrise.members import TOKEN
from sandbox.bitrise.server import BitriseSimulator
from sandbox.buildio import members
from sandbox.buildio.server import BuildioSimulator
from sandbox.clock import Clock

LIST_OF_ALL = "GET /v0.1/builds"


@pytest.fixture
async def bitrise() -> AsyncIterator[BitriseSimulator]:
    sandbox = BitriseSimulator(now=Clock())
    await sandbox.start()
    yield sandbox
    await sandbox.close()


def settings(bitrise: BitriseSimulator) -> Settings:
    return Settings(
        _env_file=None,
        slack_bot_token="xoxb-none",
        slack_app_token="xapp-none",
        bitrise_token=TOKEN,
        bitrise_api_url=bitrise.api_url,
    )  # type: ignore[call-arg, arg-type, unused-ignore]


def add_builds(bitrise: BitriseSimulator) -> tuple[list[App], str, str]:
    """Add sixty builds that have ended, with a running one before and one after them."""
    first = bitrise.start_build(bitrise.android, ends_as=None)
    for _ in range(60):
        bitrise.finish(bitrise.start_build(bitrise.ios, ends_as=None))
    last = bitrise.start_build(bitrise.android, ends_as=None)
    apps = [App(provider=BITRISE, slug=app.slug, title=app.title) for app in (bitrise.android, bitrise.ios)]
    return apps, first.slug, last.slug


async def test_the_newest_and_all_running_builds_are_the_baseline_and_take_two_requests(
    bitrise: BitriseSimulator,
) -> None:
    apps, first, last = add_builds(bitrise)
    waiting = bitrise.add_build_request(bitrise.android, 12)
    baseline = await read_baseline(settings(bitrise), apps)
    android, ios = (baseline.builds[app.slug] for app in apps)
    assert {build.slug for build in android.builds if not build.ended} == {first, last}
    assert all(build.ended for build in ios.builds)
    assert android.at == ios.at == max(build.triggered_at for build in android.builds if build.triggered_at)
    assert [request.slug for request in baseline.requests] == [waiting.slug]
    assert len([request for request in bitrise.requests if request.path.endswith("/builds")]) == 2


async def test_each_app_is_read_separately_without_the_list_of_all_builds(bitrise: BitriseSimulator) -> None:
    apps, first, last = add_builds(bitrise)
    bitrise.fault(LIST_OF_ALL, "status", times=9, status=403)
    unseen = App(provider=BITRISE, slug="nobody-sees-this", title="Unseen")
    baseline = await read_baseline(settings(bitrise), [*apps, unseen])
    assert {build.slug for build in baseline.builds[apps[0].slug].builds} == {first, last}
    assert set(baseline.builds) == {app.slug for app in apps}


async def test_there_is_no_baseline_without_a_response(bitrise: BitriseSimulator) -> None:
    apps, _, _ = add_builds(bitrise)
    bitrise.fault("*", "status", times=99, status=503)
    with pytest.raises(ProviderError):
        await read_baseline(settings(bitrise), apps)


async def test_nothing_is_requested_without_apps(bitrise: BitriseSimulator) -> None:
    assert (await read_baseline(settings(bitrise), [])).builds == {}
    assert not bitrise.requests


async def test_the_state_of_buildio_apps_is_part_of_the_baseline() -> None:
    sandbox = await BuildioSimulator(now=Clock()).start()
    try:
        settings_ = Settings(
            _env_file=None,
            slack_bot_token="xoxb-none",
            slack_app_token="xapp-none",
            buildio_token=members.TOKEN,
            buildio_api_url=sandbox.api_url,
        )  # type: ignore[call-arg, arg-type, unused-ignore]
        sandbox.deploy(sandbox.shop)
        shop = App(provider=BUILDIO, slug=sandbox.shop.id, title="shop")
        gone = App(provider=BUILDIO, slug="gone", title="gone")
        baseline = (await read_baseline(settings_, [shop, gone])).builds
        assert set(baseline) == {shop.slug}
        assert baseline[shop.slug].snapshot is not None
        assert [build.ended for build in baseline[shop.slug].builds] == [False]
    finally:
        await sandbox.close()
