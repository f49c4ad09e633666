"""Handlers of the buttons about builds that wait for approval."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import structlog

from domain.message import Recipient
from domain.provider_errors import ProviderError
from messages.kit.button_values import RequestButton
from providers.bitrise import action_ids
from providers.bitrise.build_requests import commands
from providers.bitrise.provider import BITRISE
from services.features.subscriptions import notification_buttons
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply
from services.request.finder import app_by_slug
from services.slack.errors import SlackCallFailed
from storage.build_requests import subject_of_request

log = structlog.get_logger()


async def _decide(press: ButtonPress, *, approved: bool) -> Reply | None:
    button, context = RequestButton.decode(press.value), press.context
    result = await commands.decide(button, context, approved=approved)
    # A notification that asks for the decision is updated itself, and says who decided.
    if result.is_pending or await notification_buttons.find_message(press) is not None:
        return result.answer if result.is_pending else None
    await _update_list(press, button)
    channel = Recipient(team=context.team, channel=context.channel)
    is_notified = await context.services.storage.slack_messages.exists(
        channel, subject_of_request(button.request)
    )
    return None if is_notified else result.answer


async def _update_list(press: ButtonPress, button: RequestButton) -> None:
    """Update the list in which the user decided, so that it shows the remaining builds; failing does no harm."""
    try:
        app = await app_by_slug(press.context, button.app, BITRISE)
        await press.responder.replace_original(await commands.list_app_requests(app, press.context))
    except (ProviderError, SlackCallFailed) as problem:
        log.info("approvals.list_stays", reason=type(problem).__name__)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.REQUEST_APPROVE: partial(_decide, approved=True),
    action_ids.REQUEST_DECLINE: partial(_decide, approved=False),
}
