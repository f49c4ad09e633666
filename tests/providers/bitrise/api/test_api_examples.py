"""The example responses of the seed documentation, read by the real client and rendered for people."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr

from domain.build import App, Build, BuildState, time_building, time_on_hold, time_preparing
from domain.credentials import FixedToken
from domain.log.log_text import log_text
from domain.message import Message
from messages import build_card
from messages.kit.button_values import ArtifactButton
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.connection import BuildAlreadyFinished
from providers.bitrise.api.requests import AbortRequest, BuildListParams
from providers.bitrise.artifacts import messages as artifact_messages
from providers.bitrise.logs import messages as log_messages
from providers.bitrise.logs.messages import LogView
from providers.bitrise.provider import BITRISE
from providers.http.transport import HttpTransport
from sandbox.slack.models import Post
from sandbox.slack.transcript import message_text
from sandbox.slack.validation import validate_blocks
from tests.support.presentations import AT_BITRISE
from tests.support.stub_server import ReceivedRequest, StubServer, stub_server

FIXTURES = Path(__file__).parents[3] / "fixtures" / "bitrise"
NOW = datetime(2017, 9, 19, 12, 0, tzinfo=UTC)
ANDROID = App(provider=BITRISE, slug="669403bffbe35909", title="sample-apps-android-sdk22")
BUILD = "/v0.1/apps/669403bffbe35909/builds/3247e2920496e846"
RESPONSES = {
    "/v0.1/me": "me",
    "/v0.1/me/apps": "apps",
    "/v0.1/apps/669403bffbe35909": "app",
    "/v0.1/apps/669403bffbe35909/builds": "builds",
    BUILD: "build",
    f"{BUILD}/log": "log",
    f"{BUILD}/artifacts": "artifacts",
    f"{BUILD}/artifacts/0d2277e50b8d32ce": "artifact",
    f"{BUILD}/abort": "abort_refused",
}


# The host of the example's archive; here the stub server has it.
ARCHIVE = "https://bitrise-build-log-archives-production.s3.amazonaws.com"


def respond(request: ReceivedRequest) -> web.Response:
    if request.path.startswith("/build-logs-v2/"):
        chunks = json.loads((FIXTURES / "log.json").read_text())["log_chunks"]
        return web.Response(text="".join(chunk["chunk"] for chunk in chunks))
    name = RESPONSES.get(request.path)
    if name is None or (request.query.get("next") and name in ("apps", "builds")):
        if name is None:
            return web.json_response({"message": "Not Found"}, status=404)
        return web.json_response({"data": [], "paging": {"total_item_count": 4, "page_item_limit": 2}})
    status = 400 if name == "abort_refused" else 200
    text = (FIXTURES / f"{name}.json").read_text().replace(ARCHIVE, f"http://{request.headers['Host']}")
    return web.Response(text=text, status=status, content_type="application/json")


@pytest.fixture
async def server() -> AsyncIterator[StubServer]:
    async with stub_server(respond) as server:
        yield server


@pytest.fixture
async def bitrise(server: StubServer) -> AsyncIterator[BitriseClient]:
    async with HttpTransport() as http:
        yield BitriseClient(
            http, credentials=FixedToken(SecretStr("t0p")), base_url=f"{server.url}/v0.1", clock=lambda: NOW
        )


def rendered_text(message: Message) -> str:
    """Return the message as a person sees it, after checking that Slack accepts its blocks."""
    return message_text(Post("1.0", "U1", message.text, validate_blocks(message.blocks)), {})


async def test_me_and_apps(bitrise: BitriseClient, server: StubServer) -> None:
    assert (await bitrise.me()).username == "api-demo"
    apps = [app async for app in bitrise.apps(limit=2)]
    assert [app.repository for app in apps] == [
        "bitrise-samples/sample-apps-xamarin-cross-platform",
        "bitrise-samples/sample-apps-osx-10-12",
    ]
    assert [request.query.get("next") for request in server.requests if request.path == "/v0.1/me/apps"] == [
        None,
        "669403bffbe35909",
    ]
    assert (await bitrise.app("669403bffbe35909")).title == "sample-apps-android-sdk22"


async def test_the_list_of_builds(bitrise: BitriseClient) -> None:
    async for page in bitrise.builds("669403bffbe35909", BuildListParams(branch="master"), limit=3).pages():
        builds, total, next_ = page.items, page.total, page.next
        break
    assert (total, next_) == (19, "b5e4e86ff62ef8ec")
    assert [(build.number, build.state) for build in builds] == [
        (n, BuildState.SUCCEEDED) for n in (19, 18, 17)
    ]
    newest, _, pull_request = builds
    spans = [span and round(span.total_seconds()) for span in _durations(newest)]
    assert spans == [83, 66, 86]
    assert newest.pull_request is None
    assert (pull_request.pull_request, pull_request.target_branch) == (3, "master")
    text = rendered_text(build_card.build_card(pull_request, ANDROID, presentation=AT_BITRISE, now=NOW))
    assert "sample-apps-android-sdk22 #17 passed" in text
    assert "`create_dev_file` · pull request #3 into `master` · workflow `primary`" in text
    assert "b170936b Create dev.txt" in text
    assert "0s on hold · 1m 5s preparing · 1m 42s building" in text


def _durations(build: Build) -> list[timedelta | None]:
    return [time(build) for time in (time_on_hold, time_preparing, time_building)]


async def test_one_aborted_build(bitrise: BitriseClient) -> None:
    build = await bitrise.build("669403bffbe35909", "3247e2920496e846")
    assert build.state is BuildState.ABORTED
    text = rendered_text(build_card.build_card(build, ANDROID, presentation=AT_BITRISE, now=NOW))
    assert "sample-apps-android-sdk22 #10 was aborted" in text
    assert "Aborted by api-demo: This is an example abort build" in text
    assert "0s on hold · 0s preparing · 15s building" in text


async def test_the_log(bitrise: BitriseClient, server: StubServer) -> None:
    build = await bitrise.build("669403bffbe35909", "3247e2920496e846")

    tail = await bitrise.log_tail("669403bffbe35909", "3247e2920496e846", most=64 * 1024)

    assert "\x1b" not in tail.framed
    assert "BuildAPIToken: [redacted]" in tail.framed
    assert tail.framed.rstrip().endswith("+ sleep 30")
    read = await bitrise.read_log("669403bffbe35909", "3247e2920496e846")
    titles = [step.title for step in read.reading.steps]
    assert titles == ["activate-ssh-key@3.1.1", "git-clone@3.4.3", "Sleep"]
    reading = read.reading
    view = LogView(steps=reading.steps, end=log_text(reading.end), of=reading.of, whole_url=read.whole_url)
    text = rendered_text(log_messages.build_log(build, ANDROID, view))
    assert "✅ `git-clone@3.4.3` succeeded in" in text
    assert "🛑 `Sleep` was cut off" in text, "the build was aborted while it ran"
    clone = await bitrise.read_log("669403bffbe35909", "3247e2920496e846", step=2)
    assert "GIT_CLONE_COMMIT_MESSAGE_SUBJECT" in log_text(clone.reading.end)
    assert "+ sleep 30" in text.splitlines()
    assert "[Open full log]" in text
    archives = [request for request in server.requests if request.path.startswith("/build-logs-v2/")]
    assert len(archives) == 3
    assert not [archive for archive in archives if "Authorization" in archive.headers]


async def test_the_artifacts_and_one_of_them(bitrise: BitriseClient) -> None:
    build = await bitrise.build("669403bffbe35909", "3247e2920496e846")
    found = [artifact async for artifact in bitrise.artifacts("669403bffbe35909", "3247e2920496e846")]
    text = rendered_text(artifact_messages.artifacts(build, ANDROID, found, total=2))
    assert "artifact-1.txt\nfile  [Get link]" in text
    assert "artifact-2.txt\nfile  [Get link]" in text

    artifact = await bitrise.artifact("669403bffbe35909", "3247e2920496e846", "0d2277e50b8d32ce")

    assert artifact.public_page
    value = ArtifactButton(app="669403bffbe35909", build="3247e2920496e846", artifact=artifact.slug)
    message = artifact_messages.artifact_link(artifact, value, may_act=False)
    assert "[Download] [Install page] [Show QR code] [Renew link]" in rendered_text(message)
    assert "X-Amz-Signature=" in json.dumps(message.blocks)


async def test_an_abort_that_bitrise_refuses(bitrise: BitriseClient, server: StubServer) -> None:
    with pytest.raises(
        BuildAlreadyFinished, match=r"^Bitrise rejected this: Build already finished, can't abort it"
    ):
        await bitrise.abort("669403bffbe35909", "3247e2920496e846", AbortRequest(reason="test build abort"))
    assert json.loads(server.requests[-1].body)["abort_reason"] == "test build abort"
