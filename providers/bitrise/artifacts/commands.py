"""What a build left behind: its artifacts."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import segno

from domain.build import App, Build
from domain.message import Message
from domain.provider import Provider
from messages import notices
from messages.kit.button_values import ArtifactButton, BuildButton
from providers.bitrise.actions import SetPublicInstallPageAction
from providers.bitrise.api.access import own_client, reading_client
from providers.bitrise.api.models import ArtifactLinks
from providers.bitrise.artifacts import messages as artifact_messages
from providers.bitrise.artifacts.messages import MOST_AT_ONCE, ArtifactLine
from providers.bitrise.commands import ListArtifacts
from providers.bitrise.state import state_of
from services.actions import run
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError, app_by_slug, build_by_slugs, find_build
from services.slack import file_upload
from services.slack.errors import SlackCallFailed

MOST_ARTIFACTS = 100
TITLE = "Artifacts"


async def list_artifacts(command: ListArtifacts, context: RequestContext) -> Reply:
    """A build's artifacts."""
    return await list_build_artifacts(
        *await find_build(context, command.app, command.build, Provider.BITRISE), context
    )


async def list_build_artifacts(app: App, build: Build, context: RequestContext) -> Reply:
    """This build's artifacts by type, each with a button that fetches its link."""
    lines: list[ArtifactLine] = []
    total = 0
    async for page in reading_client(context).artifacts(app.slug, build.slug).pages():
        total = max(page.total or 0, len(lines) + len(page.items))
        lines += (
            ArtifactLine(slug=one.slug, title=one.title, kind=one.kind, size=one.size) for one in page.items
        )
        if len(lines) >= MOST_ARTIFACTS:
            break
    state_of(context).artifact_index.add(app.slug, build.slug, (line.slug for line in lines))
    return Reply(artifact_messages.artifacts(build, app, lines[:MOST_ARTIFACTS], total=total), title=TITLE)


async def artifact_card(app: App, build: Build, artifact_slug: str, context: RequestContext) -> Message:
    """One artifact of a build, with a button that fetches its link."""
    one = await reading_client(context).artifact(app.slug, build.slug, artifact_slug)
    line = ArtifactLine(slug=one.slug, title=one.title, kind=one.kind, size=one.size)
    return artifact_messages.artifacts(build, app, [line], total=1)


async def fetch_artifact_link(about: ArtifactButton, context: RequestContext) -> Reply:
    """A fresh link to one artifact, for the person who asked: it opens the file for whoever has it."""
    await app_by_slug(context, about.app, Provider.BITRISE)
    one = await _artifact(about, context)
    said = artifact_messages.artifact_link(one, about, may_act=await context.may_act(Provider.BITRISE))
    return Reply(said, Visibility.ONE_PERSON, title="Artifact")


async def fetch_artifact_links(about: BuildButton, picked: Sequence[str], context: RequestContext) -> Reply:
    """Fresh links to several artifacts, for the person who asked. Raises UserError where none was picked."""
    if not picked:
        raise UserError("Pick some artifacts in the list beside the button first.")
    app, build = await build_by_slugs(context, about.app, about.build, Provider.BITRISE)
    wanted = [
        ArtifactButton.read({"app": about.app, "build": about.build, "artifact": slug})
        for slug in picked[:MOST_AT_ONCE]
    ]
    links = await asyncio.gather(*(_artifact(one, context) for one in wanted))
    return Reply(artifact_messages.artifact_links(build, app, links), Visibility.ONE_PERSON, title=TITLE)


async def set_public(about: ArtifactButton, context: RequestContext, *, public: bool) -> Reply | None:
    """Make an artifact's install page public, or private. Raises PermissionDenied, ProviderError."""
    app, build = await build_by_slugs(context, about.app, about.build, Provider.BITRISE)
    action = SetPublicInstallPageAction.of_build(app, build, about.artifact, public=public)
    return (await run.run_action(action, context)).answer


async def send_qr_code(about: ArtifactButton, thread: str | None, context: RequestContext) -> Reply | None:
    """The QR code of an artifact's public install page, as a picture: in the thread where it was asked for on a
    message that everybody sees, else for the person alone.
    """
    app, build = await build_by_slugs(context, about.app, about.build, Provider.BITRISE)
    one = await _artifact(about, context)
    if not one.install_page_url:
        raise UserError("It has no public install page any more.")
    channel = context.channel if thread and context.channel else await context.direct_message_alone()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "code.png"
        path.write_bytes(_png(one.install_page_url))
        try:
            await file_upload.share_file(
                context,
                path,
                name=f"install-{build.label.lstrip('#')}.png",
                title=f"QR code: install {one.title}",
                comment=artifact_messages.qr_comment(one, build, app),
                channel=channel,
                thread=thread,
                alt=f"QR code that leads to the install page of {one.title}",
            )
        except SlackCallFailed as error:
            raise UserError(file_upload.explain_upload_failure(error)) from error
    if thread and context.channel:
        return None
    return Reply(
        notices.sent_as_direct_message("The QR code is in our direct messages."), Visibility.ONE_PERSON
    )


async def _artifact(about: ArtifactButton, context: RequestContext) -> ArtifactLinks:
    return await own_client(context).artifact(about.app, about.build, about.artifact)


def _png(address: str) -> bytes:
    content = io.BytesIO()
    segno.make(address, error="m", micro=False).save(content, kind="png", scale=8, border=4)
    return content.getvalue()
