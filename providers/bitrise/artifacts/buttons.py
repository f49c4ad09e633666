"""Handlers of the buttons about artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from messages.kit.button_values import ArtifactButton
from providers.bitrise import action_ids
from providers.bitrise.artifacts import commands
from providers.bitrise.artifacts.messages import artifacts_of_block
from providers.bitrise.builds.buttons import on_build
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply


async def _fetch_link(press: ButtonPress) -> Reply:
    return await commands.fetch_artifact_link(ArtifactButton.decode(press.value), press.context)


async def _renew_link(press: ButtonPress) -> None:
    reply = await commands.fetch_artifact_link(ArtifactButton.decode(press.value), press.context)
    await press.responder.replace_original(reply.message)


async def _fetch_links(press: ButtonPress) -> Reply:
    picked = press.values.several(press.block)
    return await commands.fetch_artifact_links(artifacts_of_block(press.block), picked, press.context)


async def _set_public(press: ButtonPress, *, public: bool) -> Reply | None:
    return await commands.set_public(ArtifactButton.decode(press.value), press.context, public=public)


async def _send_qr_code(press: ButtonPress) -> Reply | None:
    thread = press.message.ts if press.message is not None else None
    return await commands.send_qr_code(ArtifactButton.decode(press.value), thread, press.context)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.BUILD_ARTIFACTS: on_build(commands.list_build_artifacts),
    action_ids.ARTIFACT_LINK: _fetch_link,
    action_ids.ARTIFACT_RENEW: _renew_link,
    action_ids.ARTIFACT_LINKS: _fetch_links,
    action_ids.ARTIFACT_PUBLIC: partial(_set_public, public=True),
    action_ids.ARTIFACT_PRIVATE: partial(_set_public, public=False),
    action_ids.ARTIFACT_QR: _send_qr_code,
}
