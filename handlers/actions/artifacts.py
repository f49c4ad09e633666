"""Buttons about artifacts."""

from __future__ import annotations

from collections.abc import Mapping

from bot.messages import ArtifactButton, actions, artifacts_of_block, read_picked
from handlers.actions.press import Press, Respond, found_build
from handlers.answers import results
from handlers.caller import Answer


async def _artifacts(press: Press) -> Answer:
    return await results.artifacts_of(*await found_build(press), press.caller)


async def _artifact_link(press: Press) -> Answer:
    return await results.artifact_link(ArtifactButton.decode(press.value), press.caller)


async def _artifact_renew(press: Press) -> None:
    fresh = await results.artifact_link(ArtifactButton.decode(press.value), press.caller)
    await press.say.instead(fresh.message)


async def _artifact_links(press: Press) -> Answer:
    picked = read_picked(press.state, press.block)
    return await results.artifact_links(artifacts_of_block(press.block), picked, press.caller)


async def _artifact_public(press: Press) -> Answer | None:
    return await results.set_public(ArtifactButton.decode(press.value), press.caller, public=True)


async def _artifact_private(press: Press) -> Answer | None:
    return await results.set_public(ArtifactButton.decode(press.value), press.caller, public=False)


async def _artifact_qr(press: Press) -> Answer | None:
    thread = press.on.ts if press.on is not None else None
    return await results.install_code(ArtifactButton.decode(press.value), thread, press.caller)


ANSWERS: Mapping[str, Respond] = {
    actions.BUILD_ARTIFACTS: _artifacts,
    actions.ARTIFACT_LINK: _artifact_link,
    actions.ARTIFACT_RENEW: _artifact_renew,
    actions.ARTIFACT_LINKS: _artifact_links,
    actions.ARTIFACT_PUBLIC: _artifact_public,
    actions.ARTIFACT_PRIVATE: _artifact_private,
    actions.ARTIFACT_QR: _artifact_qr,
}
FORMS: Mapping[str, Respond] = {}
