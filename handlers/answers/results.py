"""What a build left behind: its artifacts."""

from __future__ import annotations

from bot import messages
from bot.build import App, Build
from bot.commands import ListArtifacts
from bot.messages import ArtifactLine, Message
from handlers.caller import Answer, Audience, Caller
from handlers.finding import find_build

MOST_ARTIFACTS = 40


async def artifacts(ask: ListArtifacts, caller: Caller) -> Answer:
    """A build's artifacts."""
    return await artifacts_of(*await find_build(caller, ask.app, ask.build), caller)


async def artifacts_of(app: App, build: Build, caller: Caller) -> Answer:
    """This build's artifacts, each with a button that fetches its link."""
    lines: list[ArtifactLine] = []
    total = 0
    async for page in caller.desk.bitrise.artifacts(app.slug, build.slug).pages():
        total = max(page.total or 0, len(lines) + len(page.items))
        lines += (
            ArtifactLine(slug=one.slug, title=one.title, kind=one.kind, size=one.size) for one in page.items
        )
        if len(lines) >= MOST_ARTIFACTS:
            break
    caller.desk.artifacts.note(app.slug, build.slug, (line.slug for line in lines))
    return Answer(messages.artifacts(build, app, lines[:MOST_ARTIFACTS], total=total))


async def one_artifact(app: App, build: Build, artifact_slug: str, caller: Caller) -> Message:
    """One artifact of a build, with a button that fetches its link."""
    one = await caller.desk.bitrise.artifact(app.slug, build.slug, artifact_slug)
    line = ArtifactLine(slug=one.slug, title=one.title, kind=one.kind, size=one.size)
    return messages.artifacts(build, app, [line], total=1)


async def artifact_link(app_slug: str, build_slug: str, artifact_slug: str, caller: Caller) -> Answer:
    """A fresh link to one artifact, for the person who asked: it opens the file for whoever has it."""
    artifact = await caller.desk.bitrise.artifact(app_slug, build_slug, artifact_slug)
    return Answer(
        messages.artifact_link(
            title=artifact.title,
            download_url=artifact.download_url,
            install_page_url=artifact.install_page_url,
        ),
        Audience.ONE_PERSON,
    )
