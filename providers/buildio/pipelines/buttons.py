"""The button that shows a pipeline."""

from __future__ import annotations

from collections.abc import Mapping

from providers.buildio import action_ids
from providers.buildio.pipelines import commands
from providers.buildio.shared.button_values import ResourceButton
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply


async def _show(press: ButtonPress) -> Reply:
    return await commands.show(
        commands.ShowPipeline(name=ResourceButton.decode(press.value).name), press.context
    )


BUTTONS: Mapping[str, ButtonHandler] = {action_ids.PIPELINE_SHOW: _show}
