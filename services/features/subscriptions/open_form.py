"""Open the form that adds or changes a subscription."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from domain.build import App
from domain.provider import Provider
from messages import subscription_form
from messages.subscription_form import SubscriptionForm, SubscriptionOrigin
from services.features.subscriptions.commands import find_subscription
from services.request.context import RequestContext
from services.request.finder import find_channel_app_slug
from services.request.modals import check_can_open, check_may_act, opening_deadline


async def open_subscription(number: int, context: RequestContext) -> None:
    """Open the form of a subscription, with its current values. Raises UserError, FilterTooLong, SlackCallFailed."""
    subscription = await find_subscription(number, context)
    app = subscription.app
    origin = SubscriptionOrigin(
        channel=context.channel,
        app=app.slug if app else "",
        provider=subscription.provider,
        number=subscription.id,
    )
    await context.open_view(
        subscription_form.subscription_modal(
            app,
            SubscriptionForm.of(subscription.terms),
            context.services.registry.presentation_of(subscription.provider),
            origin=origin,
        )
    )


async def open_subscribe(
    context: RequestContext, provider: Provider, app: App | None = None, *, until: float | None = None
) -> None:
    """Open the form of a new subscription; its list of apps begins with those of `provider`.

    `until` is the deadline, a time of the event loop, if part of the time has passed already.
    Raises UserError, NotConnected, SlackCallFailed.
    """
    check_can_open(context)
    await check_may_act(context, provider, until or opening_deadline())
    origin = SubscriptionOrigin(channel=context.channel, app=app.slug if app else "", provider=provider)
    presentation = context.services.registry.presentation_of(provider)
    await context.open_view(
        subscription_form.subscription_modal(app, SubscriptionForm(), presentation, origin=origin)
    )


async def open_subscribe_unless_one_app(context: RequestContext, provider: Provider) -> bool:
    """Open the form of a new subscription, unless only one app is possible; return whether it was opened.

    Raises UserError, NotConnected, SlackCallFailed.
    """
    if await find_channel_app_slug(context, provider) is not None:
        return False
    until = opening_deadline()
    only: Sequence[App] = ()
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            only = await context.visible_apps(provider).list_in_time()
    if len(only) == 1:
        return False
    await open_subscribe(context, provider, until=until)
    return True
