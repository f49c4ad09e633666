"""Open the form that chooses a channel's app."""

from __future__ import annotations

from domain.provider import Provider
from messages import choose_app_form
from messages.kit.view_metadata import ViewMetadata
from services.request.context import RequestContext
from services.request.modals import check_can_open, check_may_act, opening_deadline


async def open_choose_app(context: RequestContext, provider: Provider) -> None:
    """Open the form to choose the channel's default app. Raises NotConnected, UserError, SlackCallFailed."""
    check_can_open(context)
    await check_may_act(context, provider, opening_deadline())
    origin = ViewMetadata(channel=context.channel, provider=provider)
    await context.open_view(choose_app_form.choose_app_modal(origin=origin))
