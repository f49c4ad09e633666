"""Commands about a channel's subscriptions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from domain.build import App
from domain.build_filter import GlobPatterns
from domain.commands.errors import UserError
from domain.commands.notification_arguments import format_rule
from domain.commands.shared_commands import ListSubscriptions, Subscribe, Unsubscribe
from domain.message import Message
from domain.notifications.rule import DeliveryStyle, NotificationRule
from domain.poll_state import Baseline
from domain.provider import Provider
from domain.provider_errors import Forbidden, NotConnected, NotFound, ProviderError
from domain.subscription import Scope, Subscription
from messages import subscriptions as message_subscriptions
from messages.kit.button_values import InvalidButtonValue
from messages.provider_presentation import ProviderPresentation
from messages.subscriptions import ProviderUnavailable, SubscriptionRow
from services.actions.permissions import PermissionDenied, check_subscribe_permission, permitted_and_audited
from services.features.subscriptions.explain import preview
from services.outbox.channels import enter_channel
from services.polling.poller import Pollers
from services.provider_description import ProviderDescription, ProviderRegistry
from services.request import user_channels
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import find_app
from services.request.user_channels import find_subscribed_apps, own_scope
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()


class ChannelRefused(UserError):
    """The channel can't be posted in; the sentence says what to do."""


class NoSuchSubscription(UserError):
    """The subscription has ended or never existed; the sentence says so."""


class NotStopped(UserError):
    """The subscription is active, so it can't be resumed."""


async def subscribe(command: Subscribe, context: RequestContext, provider: Provider) -> Reply | None:
    """Subscribe the channel to an app's builds from now on.

    The bot posts a message about it in the channel. That shows everyone what was subscribed, and whether the bot can
    post there at all; if it can't, nothing is subscribed.
    """
    app = await find_app(context, command.app, provider)
    terms = await resolve_rule(command, context)
    if command.preview:
        return await preview(app, terms, context)
    return await subscribe_channel(app, terms, context)


async def subscribe_channel(app: App, terms: NotificationRule, context: RequestContext) -> Reply | None:
    """Add the subscription for the context's channel and announce it there; return a reply if it exists already.

    Raises PermissionDenied, ChannelRefused, ProviderError.
    """
    app = await current_app(app, context)
    async with permitted_and_audited(context, "subscribe", app.provider, app, about=_audit_fields(terms)):
        if (existing := await _find_active(app, terms, context)) is not None:
            return Reply(
                message_subscriptions.subscription_exists(
                    subscription_row(existing, context.services.registry)
                )
            )
        subscription = await add(app, terms, context, channel=context.channel)
        try:
            member = await enter_channel(context)
            await _post(
                context,
                message_subscriptions.subscription_added(
                    app, terms, _presentation(subscription, context), by=context.person, member=member
                ),
            )
        except BaseException:
            await context.storage.subscriptions.remove(subscription)
            raise
    await context.services.pollers.poll_now(app.provider)
    return None


async def _find_active(app: App, terms: NotificationRule, context: RequestContext) -> Subscription | None:
    """Return the channel's active subscription to the app with the same rule, if there is one."""
    for subscription in await context.storage.subscriptions.of_channel(context.channel):
        same = (
            subscription.app is not None
            and subscription.provider is app.provider
            and subscription.app.slug == app.slug
        )
        if same and subscription.terms == terms and subscription.stopped is None:
            return subscription
    return None


async def add(
    app: App, terms: NotificationRule, context: RequestContext, *, channel: str, personal: bool = False
) -> Subscription:
    """Add a subscription to the app, with the current builds as its baseline. Raises ProviderError.

    It shows what the user can see, as long as they can see it. The bot must see the app too, since it polls.
    """
    scope = await find_scope(context, app.provider, app, personal=personal)
    subscriptions = context.storage.subscriptions
    watched = await subscriptions.is_watched(app.provider, app.slug)
    return await subscriptions.add(
        channel=channel,
        app=app,
        terms=terms,
        by=context.person,
        at=context.now(),
        baseline=None if watched else await _baseline(app, context),
        scope=scope,
    )


async def current_app(app: App, context: RequestContext) -> App:
    """Return the app with its current name, which rules match; with the stored one if the provider can't say.

    The app is read with the user's own access, or else the bot's: access rules also apply to users who end a
    subscription that they can't see.
    """
    clients = context.services.clients.at(app.provider)
    for directory in (context.own_apps(app.provider), clients.service_apps):
        try:
            return await directory.fetch(app.slug)
        except ProviderError as problem:
            log.info("app.not_current", app=app.slug, reason=type(problem).__name__)
    return app


async def check_app_access(app: App, context: RequestContext) -> None:
    """Check with the provider that the user sees the app, because then the bot polls it. Raises ProviderError."""
    if await context.is_linked(app.provider):
        await context.own_apps(app.provider).fetch(app.slug)
    else:
        await context.visible_apps(app.provider).require(app.slug)


async def find_scope(
    context: RequestContext, provider: Provider, app: App | None, *, personal: bool = False
) -> Scope:
    """Return the scope of a subscription that this user makes now, to one app or to all apps of the provider.

    Without an account of their own, users can make none for others; a `personal` one notifies only them, of the apps
    that their channels subscribe to. Raises NotConnected, another ProviderError, and SlackCallFailed if it is personal.
    """
    if await context.is_linked(provider):
        return await own_scope(context.own_apps(provider), app)
    acts = context.services.clients.at(provider).service_acts
    if not (acts or personal):
        raise NotConnected(provider=provider)
    if app is not None:
        await context.visible_apps(provider).require(app.slug)
        return Scope(logs=acts)
    return Scope(apps=None if acts else await find_subscribed_apps(context, provider), logs=acts)


async def _baseline(app: App, context: RequestContext) -> Baseline:
    try:
        return await context.services.pollers.baseline(app)
    except (NotFound, Forbidden) as error:
        raise UserError(
            f"You can see {app.title} at {app.provider.label}, but Buildbell can't. Ask whoever runs Buildbell to give"
            " its token access to the app."
        ) from error


def _audit_fields(terms: NotificationRule) -> dict[str, str]:
    """Return the rule's text for the audit log."""
    return {"terms": format_rule(terms)} if terms != NotificationRule() else {}


async def resolve_rule(command: Subscribe, context: RequestContext) -> NotificationRule:
    """Return the command's rule with "@me" replaced by the user, and in the user's time zone if it has times."""
    by = command.terms.filter.by
    mine = GlobPatterns(
        include=tuple(f"@{context.person}" if pattern == "@me" else pattern for pattern in by.include),
        exclude=tuple(f"@{context.person}" if pattern == "@me" else pattern for pattern in by.exclude),
    )
    terms = command.terms.model_copy(update={"filter": command.terms.filter.model_copy(update={"by": mine})})
    timed = terms.quiet is not None or terms.style in (DeliveryStyle.DAILY, DeliveryStyle.WEEKLY)
    if timed and not command.zone_given:
        terms = terms.model_copy(update={"zone": await context.timezone()})
    return terms


async def resume_by_ids(ids: Sequence[int], context: RequestContext) -> Reply | None:
    """Resume stopped or paused subscriptions of a channel, if the bot can post there; one message announces it.

    From now on they show what this user can see. If one can't be resumed, the others still are.
    Raises PermissionDenied, UserError, ProviderError; NotStopped or NoSuchSubscription if none is stopped any more.
    """
    resumed: list[Subscription] = []
    problem: Exception | None = None
    outdated: Exception | None = None
    for subscription_id in ids:
        try:
            resumed.append(await _resume(subscription_id, context, announce=len(ids) == 1))
        except (NotStopped, NoSuchSubscription) as error:
            outdated = error
        except (UserError, PermissionDenied, ProviderError) as error:
            problem = error
    if not resumed:
        raise problem or outdated or _subscription_not_found(context.services.clients.first)
    if len(ids) > 1:
        message = message_subscriptions.subscriptions_resumed(
            [subscription_row(subscription, context.services.registry) for subscription in resumed],
            by=context.person,
        )
        await _post(context.in_channel(resumed[0].channel), message)
    if problem is not None:
        raise problem
    return None


async def _resume(subscription_id: int, context: RequestContext, *, announce: bool) -> Subscription:
    """Resume one subscription; with `announce`, post a message about it first.

    Raises PermissionDenied, UserError, ProviderError.
    """
    subscription = await find_subscription(subscription_id, context)
    if subscription.stopped is None:
        # An earlier message may still have the button; pressing it takes over nobody's active subscription.
        raise NotStopped("This subscription was already resumed.")
    channel_context = context.in_channel(subscription.channel)
    app = await _fetch_current_app(subscription, context)
    async with permitted_and_audited(
        channel_context,
        "resume",
        subscription.provider,
        app,
        about={"subscription": str(subscription.number)},
    ):
        scope = await find_scope(context, subscription.provider, app)
        member = await enter_channel(channel_context)
        if announce:
            await _post(
                channel_context,
                message_subscriptions.subscription_resumed(
                    app,
                    subscription.terms,
                    _presentation(subscription, context),
                    by=context.person,
                    member=member,
                ),
            )
        await context.storage.subscriptions.resume(
            subscription, by=context.person, at=context.now(), scope=scope
        )
    await context.services.pollers.poll_now(subscription.provider)
    return subscription


async def change(subscription: Subscription, terms: NotificationRule, context: RequestContext) -> bool:
    """Change the rule of a subscription and announce it in the channel; return whether it differs.

    Raises PermissionDenied.
    """
    if terms == subscription.terms:
        return False
    channel_context = context.in_channel(subscription.channel)
    about = {"subscription": str(subscription.number), **_audit_fields(terms)}
    app = await _fetch_current_app(subscription, context)
    async with permitted_and_audited(
        channel_context, "change_subscription", subscription.provider, app, about=about
    ):
        await context.storage.subscriptions.change(subscription, terms)
        message = message_subscriptions.subscription_changed(
            subscription.app,
            subscription.terms,
            terms,
            _presentation(subscription, context),
            by=context.person,
        )
        await _post(channel_context, message)
    return True


async def pause_by_id(subscription_id: int, context: RequestContext) -> Reply | None:
    """Pause a subscription until a user resumes it, and announce it in its channel.

    Raises PermissionDenied.
    """
    subscription = await find_subscription(subscription_id, context)
    channel_context = context.in_channel(subscription.channel)
    app = await _fetch_current_app(subscription, context)
    async with permitted_and_audited(
        channel_context, "pause", subscription.provider, app, about={"subscription": str(subscription.number)}
    ):
        await context.storage.subscriptions.pause(subscription, context.now())
        message = message_subscriptions.subscription_paused(
            subscription.app,
            subscription.terms,
            _presentation(subscription, context),
            by=context.person,
        )
        await _post(channel_context, message)
    return None


async def _fetch_current_app(subscription: Subscription, context: RequestContext) -> App | None:
    """Return the subscription's app with its current name, which rules match, instead of the stored one."""
    return await current_app(subscription.app, context) if subscription.app is not None else None


async def find_subscription(subscription_id: int, context: RequestContext) -> Subscription:
    """Return the subscription with this id of the channel, or, on the Home tab, of the user. Raises UserError."""
    subscription = await context.storage.subscriptions.find(subscription_id)
    if subscription is not None:
        in_channel = subscription.channel == context.channel
        if in_channel or (
            not context.channel
            and subscription.channel in (await user_channels.find_user_channels(context)).all
        ):
            return subscription
    raise NoSuchSubscription(
        "This subscription no longer exists."
        f" `{context.services.clients.first.command} subscriptions` lists the current ones."
    )


def _subscription_not_found(provider: Provider) -> NoSuchSubscription:
    return NoSuchSubscription(
        f"No such subscription here. `{provider.command} subscriptions` lists them all."
    )


async def unsubscribe(command: Unsubscribe, context: RequestContext, provider: Provider) -> Reply:
    """End a subscription of the channel, by its number at any provider or by its app; ask first if several match."""
    subscriptions = await context.storage.subscriptions.of_channel(context.channel)
    at_provider = [subscription for subscription in subscriptions if subscription.provider is provider]
    if command.number is not None:
        selected = [subscription for subscription in subscriptions if subscription.number == command.number]
    elif command.app is None and len(at_provider) == 1:
        selected = at_provider
    else:
        app = await find_app(context, command.app, provider)
        selected = [
            subscription
            for subscription in at_provider
            if subscription.app is not None and subscription.app.slug == app.slug
        ]
    if not selected:
        raise _subscription_not_found(provider)
    if len(selected) > 1:
        about = {"subscription": " ".join(str(subscription.number) for subscription in selected)}
        current = await _fetch_current_app(selected[0], context)
        await check_subscribe_permission(context, "unsubscribe", provider, current, about=about)
        return Reply(
            message_subscriptions.unsubscribe_question(
                [subscription_row(subscription, context.services.registry) for subscription in selected]
            ),
            Visibility.ONE_PERSON,
        )
    return await _end(selected, context)


async def unsubscribe_by_ids(ids: Sequence[int], context: RequestContext) -> Reply | None:
    """End the subscriptions with these ids, which are of one channel, and announce it there."""
    ended = [await find_subscription(subscription_id, context) for subscription_id in ids]
    if len({(subscription.channel, subscription.app) for subscription in ended}) > 1:
        raise InvalidButtonValue
    reply = await _end(ended, context)
    if context.channel:
        return reply
    await _post(context.in_channel(ended[0].channel), reply.message)
    return None


async def _end(subscriptions: list[Subscription], context: RequestContext) -> Reply:
    """End these subscriptions; return the message for the channel. Raises PermissionDenied."""
    channel_context = context.in_channel(subscriptions[0].channel)
    numbers = " ".join(str(subscription.number) for subscription in subscriptions)
    app = await _fetch_current_app(subscriptions[0], context)
    async with permitted_and_audited(
        channel_context, "unsubscribe", subscriptions[0].provider, app, about={"subscription": numbers}
    ):
        for subscription in subscriptions:
            await context.storage.subscriptions.remove(subscription)
    return Reply(
        message_subscriptions.subscription_ended(subscriptions[0].app, len(subscriptions), by=context.person),
        Visibility.CHANNEL,
    )


async def list_subscriptions(
    _command: ListSubscriptions, context: RequestContext, provider: Provider
) -> Reply:
    """List the channel's subscriptions, at all providers."""
    subscriptions = await context.storage.subscriptions.of_channel(context.channel)
    rows = [subscription_row(subscription, context.services.registry) for subscription in subscriptions]
    outages = await unavailable_providers(
        dict.fromkeys(subscription.provider for subscription in subscriptions), context.services.pollers
    )
    deploy_links = await context.storage.deploy_links.of_channel(context.channel)
    links = [block for spec in context.services.registry for block in spec.list_deploy_links(deploy_links)]
    return Reply(message_subscriptions.subscription_list(rows, provider, outages=outages, deploy_links=links))


def _presentation(subscription: Subscription, context: RequestContext) -> ProviderPresentation:
    return context.services.registry.presentation_of(subscription.provider)


async def unavailable_providers(providers: Iterable[Provider], pollers: Pollers) -> list[ProviderUnavailable]:
    """Return which of the providers can't be polled now, and why."""
    await pollers.refresh()
    found = ((provider, pollers.outage(provider)) for provider in providers)
    return [
        ProviderUnavailable(provider, outage.since, outage.reason)
        for provider, outage in found
        if outage is not None
    ]


def subscription_row(
    subscription: Subscription, registry: ProviderRegistry[ProviderDescription]
) -> SubscriptionRow:
    """Return the subscription's row in a list."""
    return SubscriptionRow(
        number=subscription.number,
        id=subscription.id,
        presentation=registry.presentation_of(subscription.provider),
        app=subscription.app,
        terms=subscription.terms,
        created_by=subscription.created_by,
        stopped=subscription.stopped,
    )


async def _post(context: RequestContext, message: Message) -> None:
    try:
        await context.slack.chat_postMessage(
            channel=context.channel, text=message.text, blocks=message.blocks
        )
    except SlackCallFailed as error:
        if error.reason in ("channel_not_found", "not_in_channel"):
            raise ChannelRefused(
                "Buildbell can't post in this channel yet. Type `/invite @buildbell` here, then subscribe again."
            ) from error
        if error.reason in ("is_archived", "restricted_action"):
            raise ChannelRefused(
                "No one can post in this channel, so it can't be subscribed: it is archived, or posting is restricted."
            ) from error
        raise
