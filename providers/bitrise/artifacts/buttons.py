"""Buttons about artifacts."""

from __future__ import annotations

from collections.abc import Mapping

from messages.kit import action_ids
from messages.kit.button_values import ArtifactButton
from providers.bitrise.artifacts import commands
from providers.bitrise.artifacts.messages import artifacts_of_block, read_picked
from providers.bitrise.builds.build_button import find_pressed_build
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply


async def _artifacts(press: ButtonPress) -> Reply:
    return await commands.list_build_artifacts(*await find_pressed_build(press), press.context)


async def _artifact_link(press: ButtonPress) -> Reply:
    return await commands.fetch_artifact_link(ArtifactButton.decode(press.value), press.context)


async def _artifact_renew(press: ButtonPress) -> None:
    fresh = await commands.fetch_artifact_link(ArtifactButton.decode(press.value), press.context)
    await press.responder.replace_original(fresh.message)


async def _artifact_links(press: ButtonPress) -> Reply:
    picked = read_picked(press.state, press.block)
    return await commands.fetch_artifact_links(artifacts_of_block(press.block), picked, press.context)


async def _artifact_public(press: ButtonPress) -> Reply | None:
    return await commands.set_public(ArtifactButton.decode(press.value), press.context, public=True)


async def _artifact_private(press: ButtonPress) -> Reply | None:
    return await commands.set_public(ArtifactButton.decode(press.value), press.context, public=False)


async def _artifact_qr(press: ButtonPress) -> Reply | None:
    thread = press.message.ts if press.message is not None else None
    return await commands.send_qr_code(ArtifactButton.decode(press.value), thread, press.context)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.BUILD_ARTIFACTS: _artifacts,
    action_ids.ARTIFACT_LINK: _artifact_link,
    action_ids.ARTIFACT_RENEW: _artifact_renew,
    action_ids.ARTIFACT_LINKS: _artifact_links,
    action_ids.ARTIFACT_PUBLIC: _artifact_public,
    action_ids.ARTIFACT_PRIVATE: _artifact_private,
    action_ids.ARTIFACT_QR: _artifact_qr,
}
