"""What there is at Bitrise after a restore, read as far as it can be."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.admin.poll_baseline import read_baseline
from bot.settings import Settings
from domain.build import App
from domain.errors import ProviderError
from domain.provider import Provider
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


def some_builds(bitrise: BitriseSimulator) -> tuple[list[App], str, str]:
    """Sixty builds that have ended, with one from before them that runs and one after them."""
    first = bitrise.start_build(bitrise.android, ends_as=None)
    for _ in range(60):
        bitrise.finish(bitrise.start_build(bitrise.ios, ends_as=None))
    last = bitrise.start_build(bitrise.android, ends_as=None)
    apps = [App(slug=app.slug, title=app.title) for app in (bitrise.android, bitrise.ios)]
    return apps, first.slug, last.slug


async def test_the_newest_builds_and_all_that_run_are_the_beginning_in_two_lists(
    bitrise: BitriseSimulator,
) -> None:
    apps, first, last = some_builds(bitrise)
    held = bitrise.add_build_request(bitrise.android, 12)
    found = await read_baseline(settings(bitrise), apps)
    android, ios = (found.builds[app.slug] for app in apps)
    assert {build.slug for build in android.builds if not build.ended} == {first, last}
    assert all(build.ended for build in ios.builds)
    assert android.at == ios.at == max(build.triggered_at for build in android.builds if build.triggered_at)
    assert [one.slug for one in found.requests] == [held.slug]
    assert len([one for one in bitrise.requests if one.path.endswith("/builds")]) == 2


async def test_each_app_is_read_by_itself_where_there_is_no_list_of_all(bitrise: BitriseSimulator) -> None:
    apps, first, last = some_builds(bitrise)
    bitrise.fault(LIST_OF_ALL, "status", times=9, status=403)
    unseen = App(slug="nobody-sees-this", title="Unseen")
    found = await read_baseline(settings(bitrise), [*apps, unseen])
    assert {build.slug for build in found.builds[apps[0].slug].builds} == {first, last}
    assert set(found.builds) == {app.slug for app in apps}


async def test_without_an_answer_there_is_no_beginning(bitrise: BitriseSimulator) -> None:
    apps, _, _ = some_builds(bitrise)
    bitrise.fault("*", "status", times=99, status=503)
    with pytest.raises(ProviderError):
        await read_baseline(settings(bitrise), apps)


async def test_where_nothing_is_watched_nothing_is_asked(bitrise: BitriseSimulator) -> None:
    assert (await read_baseline(settings(bitrise), [])).builds == {}
    assert not bitrise.requests


async def test_how_apps_at_build_io_stand_is_the_beginning_too() -> None:
    sandbox = await BuildioSimulator(now=Clock()).start()
    try:
        given = Settings(
            _env_file=None,
            slack_bot_token="xoxb-none",
            slack_app_token="xapp-none",
            buildio_token=members.TOKEN,
            buildio_api_url=sandbox.api_url,
        )  # type: ignore[call-arg, arg-type, unused-ignore]
        sandbox.deploy(sandbox.shop)
        shop = App(provider=Provider.BUILDIO, slug=sandbox.shop.id, title="shop")
        gone = App(provider=Provider.BUILDIO, slug="gone", title="gone")
        found = (await read_baseline(given, [shop, gone])).builds
        assert set(found) == {shop.slug}
        assert found[shop.slug].snapshot is not None
        assert [build.ended for build in found[shop.slug].builds] == [False]
    finally:
        await sandbox.close()
