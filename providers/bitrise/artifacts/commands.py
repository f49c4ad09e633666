"""The artifacts of a build: list, links, install page, QR code."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence

import segno

from domain.build import App, Build
from domain.commands.command import AppArgument, BuildArgument, Command
from domain.commands.errors import UserError
from domain.message import Message
from messages import notices
from messages.kit.button_values import ArtifactButton, BuildButton
from providers.bitrise.api.access import own_client, reading_client
from providers.bitrise.api.models import Artifact, ArtifactLinks
from providers.bitrise.artifacts import messages as artifact_messages
from providers.bitrise.artifacts.actions import SetPublicInstallPageAction
from providers.bitrise.artifacts.messages import MAX_SELECTED_ARTIFACTS
from providers.bitrise.provider import BITRISE
from providers.bitrise.state import state_of
from services.actions import run
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import app_by_slug, build_by_slugs, find_build
from services.slack.file_upload import share_file

MAX_ARTIFACTS = 100
TITLE = "Artifacts"


class ListArtifacts(Command):
    """List a build's artifacts."""

    app: AppArgument = None
    build: BuildArgument


async def list_artifacts(command: ListArtifacts, context: RequestContext) -> Reply:
    """List the artifacts of the build that the command names."""
    return await list_build_artifacts(
        *await find_build(context, command.app, command.build, BITRISE), context
    )


async def list_build_artifacts(app: App, build: Build, context: RequestContext) -> Reply:
    """List a build's artifacts by type, each with a button that fetches its link."""
    lines: list[Artifact] = []
    total = 0
    async for page in reading_client(context).artifacts(app.slug, build.slug).pages():
        total = max(page.total or 0, len(lines) + len(page.items))
        lines += page.items
        if len(lines) >= MAX_ARTIFACTS:
            break
    state_of(context).artifact_index.add(app.slug, build.slug, (line.slug for line in lines))
    return Reply(artifact_messages.artifacts(build, app, lines[:MAX_ARTIFACTS], total=total), title=TITLE)


async def artifact_card(app: App, build: Build, artifact_slug: str, context: RequestContext) -> Message:
    """Render one artifact of a build, with a button that fetches its link."""
    artifact = await reading_client(context).artifact(app.slug, build.slug, artifact_slug)
    return artifact_messages.artifacts(build, app, [artifact], total=1)


async def fetch_artifact_link(button: ArtifactButton, context: RequestContext) -> Reply:
    """Fetch a new link to one artifact, shown to the user only: anyone who has the link can open the file."""
    await app_by_slug(context, button.app, BITRISE)
    artifact = await _fetch_artifact(button, context)
    message = artifact_messages.artifact_link(artifact, button, may_act=await context.may_act(BITRISE))
    return Reply(message, Visibility.ONE_PERSON, title="Artifact")


async def fetch_artifact_links(button: BuildButton, picked: Sequence[str], context: RequestContext) -> Reply:
    """Fetch new links to several artifacts, shown to the user only. Raises UserError if none was picked."""
    if not picked:
        raise UserError("Pick artifacts in the list beside the button first.")
    app, build = await build_by_slugs(context, button.app, button.build, BITRISE)
    artifacts = [
        ArtifactButton.read({"app": button.app, "build": button.build, "artifact": slug})
        for slug in picked[:MAX_SELECTED_ARTIFACTS]
    ]
    links = await asyncio.gather(*(_fetch_artifact(artifact, context) for artifact in artifacts))
    return Reply(artifact_messages.artifact_links(build, app, links), Visibility.ONE_PERSON, title=TITLE)


async def set_public(button: ArtifactButton, context: RequestContext, *, public: bool) -> Reply | None:
    """Make an artifact's install page public, or private. Raises PermissionDenied, ProviderError."""
    app, build = await build_by_slugs(context, button.app, button.build, BITRISE)
    action = SetPublicInstallPageAction.of_build(app, build, button.artifact, public=public)
    return (await run.run_action(action, context)).answer


async def send_qr_code(button: ArtifactButton, thread: str | None, context: RequestContext) -> Reply | None:
    """Send the QR code of an artifact's public install page as a picture.

    `thread`: the thread of the channel to send it to; if None, it is sent as a direct message.
    """
    app, build = await build_by_slugs(context, button.app, button.build, BITRISE)
    artifact = await _fetch_artifact(button, context)
    if not artifact.install_page_url:
        raise UserError("This artifact no longer has a public install page.")
    is_shared = bool(thread and context.channel)
    await share_file(
        context,
        _render_qr_code(artifact.install_page_url),
        name=f"install-{build.label.lstrip('#')}.png",
        title=f"QR code: install {artifact.title}",
        comment=artifact_messages.qr_comment(artifact, build, app),
        channel=context.channel if is_shared else None,
        thread=thread,
        alt=f"QR code of the install page of {artifact.title}",
    )
    if is_shared:
        return None
    return Reply(notices.sent_as_direct_message("QR code sent to your DMs."), Visibility.ONE_PERSON)


async def _fetch_artifact(button: ArtifactButton, context: RequestContext) -> ArtifactLinks:
    return await own_client(context).artifact(button.app, button.build, button.artifact)


def _render_qr_code(url: str) -> bytes:
    content = io.BytesIO()
    segno.make(url, error="m", micro=False).save(content, kind="png", scale=8, border=4)
    return content.getvalue()


COMMANDS = (
    CommandSpec(
        ListArtifacts,
        "artifacts",
        "List a build's artifacts; download links expire in 10 minutes.",
        ("artifacts #12",),
        handler=list_artifacts,
        aliases=("artifact",),
    ),
)
