"""The client against the simulated Bitrise: every endpoint and its errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from pydantic import SecretStr

from domain.build import BuildState
from domain.credentials import FixedToken
from domain.provider_errors import Forbidden, InvalidToken, NotFound, ResponseLost, TooLarge
from providers.bitrise.api import pagination
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.connection import BuildAlreadyFinished, NoLog
from providers.bitrise.api.requests import AbortRequest, BuildListParams, TriggerRequest
from providers.http import downloads
from providers.http.transport import HttpTransport
from sandbox.bitrise.members import TESTER_TOKEN, TOKEN
from sandbox.bitrise.server import BitriseSimulator
from sandbox.clock import Clock
from tests.support.factories import NOON
from tests.support.stub_server import ReceivedRequest, stub_server


class ClientFixture:
    """The simulated Bitrise and a client for it."""

    def __init__(self, sandbox: BitriseSimulator, clock: Clock, http: HttpTransport) -> None:
        self.sandbox, self.clock = sandbox, clock
        self._http = http
        self.bitrise = self.client(TOKEN)
        self.android = sandbox.android

    def client(self, token: str) -> BitriseClient:
        host = urlsplit(self.sandbox.file_store.url).hostname or ""
        return BitriseClient(
            self._http,
            credentials=FixedToken(SecretStr(token)),
            base_url=self.sandbox.api_url,
            clock=self.clock,
            download_hosts=(host,),
        )


@pytest.fixture
async def client_fixture() -> AsyncIterator[ClientFixture]:
    clock = Clock(lambda: NOON)  # stands still, so simulated builds progress only when time is skipped
    sandbox = await BitriseSimulator(now=clock).start()
    async with HttpTransport() as http:
        yield ClientFixture(sandbox, clock, http)
    await sandbox.close()


async def test_the_roots_need_no_token(client_fixture: ClientFixture) -> None:
    client = client_fixture.client("wrong")
    assert await client.root() == await client.root(versioned=False)
    with pytest.raises(InvalidToken):
        await client.me()


async def test_me_apps_and_one_app(client_fixture: ClientFixture) -> None:
    assert (await client_fixture.bitrise.me()).username == "api-demo"
    apps = [app.slug async for app in client_fixture.bitrise.apps(limit=2)]
    assert apps == [app.slug for app in client_fixture.sandbox.state.apps]
    assert (await client_fixture.bitrise.app(apps[1])).title == "Sample iOS"
    with pytest.raises(NotFound):
        await client_fixture.bitrise.app("no-such-app")


async def test_my_apps_are_read_from_an_older_server_without_apps(client_fixture: ClientFixture) -> None:
    client_fixture.sandbox.fault("GET /v0.1/apps", "status", status=404)
    assert len([app async for app in client_fixture.bitrise.apps()]) == 3
    assert client_fixture.sandbox.requests[-1].path == "/v0.1/me/apps"


async def test_an_endless_list_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pagination, "MAX_PAGES", 3)

    def respond_with_next_page(request: ReceivedRequest) -> web.Response:
        page = int(request.query.get("next", "0")) + 1
        return web.json_response({"data": [{"slug": f"app{page}"}], "paging": {"next": str(page)}})

    async with HttpTransport() as http, stub_server(respond_with_next_page) as server:
        bitrise = BitriseClient(
            http, credentials=FixedToken(SecretStr("t0p")), base_url=server.url, clock=Clock()
        )
        with pytest.raises(TooLarge, match="more than 3 pages in one list"):
            _ = [app async for app in bitrise.apps()]
    assert len(server.requests) == 3


async def test_a_log_that_is_too_large_is_read_from_its_chunks(
    client_fixture: ClientFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "LARGEST_FILE", 100)
    build = client_fixture.sandbox.start_build(client_fixture.android)
    client_fixture.sandbox.finish(build)
    client_fixture.clock.skip(timedelta(minutes=1))
    read = await client_fixture.bitrise.read_log(client_fixture.android.slug, build.slug)
    assert read.reading.size > 0
    assert (await client_fixture.bitrise.log_tail(client_fixture.android.slug, build.slug)).framed
    with pytest.raises(TooLarge):
        async with client_fixture.bitrise.raw_log(client_fixture.android.slug, build.slug) as chunks:
            _ = [chunk async for chunk in chunks]


async def test_pages_are_followed_and_can_be_left_early(client_fixture: ClientFixture) -> None:
    for _ in range(7):
        client_fixture.sandbox.start_build(client_fixture.android)
    numbers = [
        build.number async for build in client_fixture.bitrise.builds(client_fixture.android.slug, limit=3)
    ]
    assert numbers == [7, 6, 5, 4, 3, 2, 1]
    before = len(client_fixture.sandbox.requests)
    async for build in client_fixture.bitrise.builds(client_fixture.android.slug, limit=3):
        assert build.number == 7
        break
    assert len(client_fixture.sandbox.requests) == before + 1


async def test_every_build_filter_works(client_fixture: ClientFixture) -> None:
    begin = client_fixture.clock()
    client_fixture.sandbox.finish(
        client_fixture.sandbox.start_build(client_fixture.android, params={"branch": "develop"}), "error"
    )
    client_fixture.sandbox.start_build(
        client_fixture.android, params={"pull_request_id": 9, "commit_message": "Fix login"}
    )
    client_fixture.clock.skip(timedelta(seconds=5))
    client_fixture.sandbox.start_build(client_fixture.android, workflow="deploy", params={"tag": "v1"})

    async def numbers(**filters: object) -> list[int | None]:
        query = BuildListParams(**filters)
        return [
            build.number async for build in client_fixture.bitrise.builds(client_fixture.android.slug, query)
        ]

    assert await numbers(branch="develop") == [1]
    assert await numbers(status=2) == [1]
    assert await numbers(trigger_event_type="pull-request") == [2]
    assert await numbers(trigger_event_type="pull-request", pull_request_id=9) == [2]
    assert await numbers(trigger_event_type="pull-request", pull_request_id=8) == []
    assert await numbers(workflow="deploy") == [3]
    assert await numbers(build_number=2) == [2]
    assert await numbers(commit_message="login") == [2]
    assert await numbers(after=begin + timedelta(seconds=4)) == [3]
    assert await numbers(before=begin + timedelta(seconds=1)) == [2, 1]
    assert (await numbers(sort_by="running_first"))[-1] == 1


async def test_the_builds_of_all_apps_have_their_app(client_fixture: ClientFixture) -> None:
    client_fixture.sandbox.start_build(client_fixture.android)
    client_fixture.sandbox.finish(client_fixture.sandbox.start_build(client_fixture.sandbox.ios))
    builds = [build async for build in client_fixture.bitrise.all_builds()]
    assert [build.app_slug for build in builds] == [
        client_fixture.sandbox.ios.slug,
        client_fixture.android.slug,
    ]
    assert [build.number async for build in client_fixture.bitrise.all_builds(status=0)] == [1]


async def test_a_build_passes_through_its_states(client_fixture: ClientFixture) -> None:
    started = client_fixture.sandbox.start_build(client_fixture.android)
    states = []
    for seconds in (0, 25, 60, 300):
        client_fixture.clock.skip(timedelta(seconds=seconds))
        states.append((await client_fixture.bitrise.build(client_fixture.android.slug, started.slug)).state)
    assert states == [BuildState.ON_HOLD, BuildState.RUNNING, BuildState.RUNNING, BuildState.SUCCEEDED]


async def test_a_log_is_first_missing_then_growing_then_archived(client_fixture: ClientFixture) -> None:
    build = client_fixture.sandbox.start_build(client_fixture.android, ends_as="error")
    with pytest.raises(NoLog):
        await client_fixture.bitrise.log_tail(client_fixture.android.slug, build.slug)
    client_fixture.clock.skip(timedelta(minutes=3))
    growing = await client_fixture.bitrise.log_tail(client_fixture.android.slug, build.slug)
    assert growing.still_growing
    client_fixture.clock.skip(timedelta(minutes=5))
    whole = await client_fixture.bitrise.log_tail(client_fixture.android.slug, build.slug)
    assert not whole.still_growing
    assert "1 failed" in whole.framed
    assert client_fixture.sandbox.file_store.refused == []
    async with client_fixture.bitrise.raw_log(client_fixture.android.slug, build.slug) as chunks:
        assert b"1 failed" in b"".join([chunk async for chunk in chunks])


async def test_the_end_of_a_growing_log_begins_with_a_whole_line(client_fixture: ClientFixture) -> None:
    build = client_fixture.sandbox.start_build(client_fixture.android, ends_as="error")
    client_fixture.clock.skip(timedelta(minutes=3))
    whole = (await client_fixture.bitrise.log_tail(client_fixture.android.slug, build.slug)).framed.split(
        "\n"
    )
    for most in range(100, 160):
        tail = await client_fixture.bitrise.log_tail(client_fixture.android.slug, build.slug, most=most)
        assert tail.still_growing
        assert tail.framed.split("\n") == whole[-len(tail.framed.split("\n")) :]


async def test_artifacts_and_their_public_page(client_fixture: ClientFixture) -> None:
    build = client_fixture.sandbox.start_build(client_fixture.android)
    client_fixture.sandbox.finish(build)
    apk, results = [
        artifact
        async for artifact in client_fixture.bitrise.artifacts(
            client_fixture.android.slug, build.slug, limit=1
        )
    ]
    assert (apk.kind, results.title) == ("android-apk", "test-results.xml")
    links = await client_fixture.bitrise.artifact(client_fixture.android.slug, build.slug, apk.slug)
    assert links.install_page_url
    changed = await client_fixture.bitrise.set_public_page(
        client_fixture.android.slug, build.slug, apk.slug, enabled=False
    )
    assert not changed.public_page
    assert changed.install_page_url is None


async def test_abort_with_all_four_options_and_a_second_time(client_fixture: ClientFixture) -> None:
    build = client_fixture.sandbox.start_build(client_fixture.android)
    order = AbortRequest(
        reason="why", with_success=True, skip_notifications=True, skip_git_status_report=True
    )
    await client_fixture.bitrise.abort(client_fixture.android.slug, build.slug, order)
    aborted = await client_fixture.bitrise.build(client_fixture.android.slug, build.slug)
    assert aborted.state is BuildState.ABORTED_WITH_SUCCESS
    assert aborted.abort_reason == "User api-demo requested to abort this build with reason: why"
    assert not build.notified
    with pytest.raises(BuildAlreadyFinished):
        await client_fixture.bitrise.abort(client_fixture.android.slug, build.slug, order)


async def test_after_a_lost_trigger_response_the_build_is_searched(
    client_fixture: ClientFixture,
) -> None:
    client_fixture.sandbox.fault("POST */builds", "answer_lost")
    [started] = await client_fixture.bitrise.trigger(
        client_fixture.android.slug, TriggerRequest(branch="main")
    )
    assert started.found_after_lost_answer
    assert started.number == 1
    client_fixture.sandbox.fault("POST */builds", "dropped")
    with pytest.raises(ResponseLost):
        await client_fixture.bitrise.trigger(client_fixture.android.slug, TriggerRequest(branch="develop"))
    assert len(client_fixture.sandbox.state.builds) == 1


async def test_branches_and_workflows(client_fixture: ClientFixture) -> None:
    client_fixture.sandbox.start_build(
        client_fixture.android, workflow="deploy", params={"branch": "develop"}
    )
    client_fixture.sandbox.start_build(client_fixture.android)
    assert await client_fixture.bitrise.branches(client_fixture.android.slug) == ["develop", "main"]
    assert await client_fixture.bitrise.workflows(client_fixture.android.slug) == ["deploy", "primary"]


async def test_a_tester_may_list_but_neither_read_logs_nor_abort(client_fixture: ClientFixture) -> None:
    build = client_fixture.sandbox.start_build(client_fixture.android)
    tester = client_fixture.client(TESTER_TOKEN)
    assert [build.number async for build in tester.builds(client_fixture.android.slug)] == [1]
    with pytest.raises(Forbidden):
        await tester.log(client_fixture.android.slug, build.slug)
    with pytest.raises(Forbidden):
        await tester.abort(client_fixture.android.slug, build.slug, AbortRequest())
