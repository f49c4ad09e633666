"""A channel's standing orders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import structlog

from domain.build import App
from domain.build_filter import GlobPatterns
from domain.commands.formatting import format_rule
from domain.commands.shared_commands import ListSubscriptions, Subscribe, Unsubscribe
from domain.errors import Forbidden, NotConnected, NotFound, ProviderError
from domain.message import Message
from domain.notifications.rule import DeliveryStyle, NotificationRule
from domain.poll_state import Baseline
from domain.provider import Provider
from domain.subscription import Scope, Subscription
from messages import subscriptions as message_subscriptions
from messages.kit.button_values import InvalidButtonValue
from messages.provider_presentation import ProviderPresentation
from messages.subscriptions import ProviderUnavailable, SubscriptionRow
from services.actions.permissions import check_subscribe_permission, permitted_and_audited
from services.actions.result import PermissionDenied
from services.features.subscriptions.explain import preview
from services.features.subscriptions.scope import find_subscribed_apps, own_scope
from services.polling.pollers import Pollers
from services.provider_spec import ProviderRegistry
from services.request import user_channels
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError, find_app
from services.slack.channel_membership import enter_channel
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()


class ChannelRefused(UserError):
    """The channel can't be posted in; the sentence says what to do."""


class NoSuchSubscription(UserError):
    """It has ended, or was never there; the sentence says so."""


async def subscribe(command: Subscribe, context: RequestContext, provider: Provider) -> Reply | None:
    """Let the channel be told of an app's builds from now on.

    The channel hears of it by a message of the bot's own: it shows everybody what was agreed, and it shows the bot
    whether it can post there at all; where it can't, nothing is subscribed.
    """
    app = await find_app(context, command.app, provider)
    terms = await resolve_rule(command, context)
    if command.preview:
        return await preview(app, terms, context)
    return await subscribe_channel(app, terms, context)


async def subscribe_channel(app: App, terms: NotificationRule, context: RequestContext) -> Reply | None:
    """Add the subscription for the caller's channel, and say so there; an answer where there is such a one already.

    Raises PermissionDenied, ChannelRefused, ProviderError.
    """
    app = await current_app(app, context)
    async with permitted_and_audited(context, "subscribe", app.provider, app, about=_about(terms)):
        if (there := await _running_like(app, terms, context)) is not None:
            return Reply(
                message_subscriptions.subscription_exists(subscription_row(there, context.services.registry))
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
    context.services.pollers.poll_now(app.provider)
    return None


async def _running_like(app: App, terms: NotificationRule, context: RequestContext) -> Subscription | None:
    """The channel's subscription to the app with the same terms, unless it has stopped."""
    for one in await context.storage.subscriptions.of_channel(context.channel):
        same = one.app is not None and one.provider is app.provider and one.app.slug == app.slug
        if same and one.terms == terms and one.stopped is None:
            return one
    return None


async def add(
    app: App, terms: NotificationRule, context: RequestContext, *, channel: str, personal: bool = False
) -> Subscription:
    """Add a subscription to the app, with what is there now as its beginning. Raises ProviderError.

    It shows what the person can see, for as long as they can; the bot must see it too, since it is the bot that looks.
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
    """The app as it is called now, which is what rules are about; as it was, where its provider can't say.

    It is asked as the caller, or where they don't see it as the bot itself: whoever ends what they can't see is judged
    all the same.
    """
    clients = context.services.clients.at(app.provider)
    for directory in (context.own_apps(app.provider), clients.service_apps):
        try:
            return await directory.fetch(app.slug)
        except ProviderError as problem:
            log.info("app.not_current", app=app.slug, reason=type(problem).__name__)
    return app


async def check_app_access(app: App, context: RequestContext) -> None:
    """Ask the provider itself whether they see the app, since from then on the bot looks. Raises ProviderError."""
    if await context.is_linked(app.provider):
        await context.own_apps(app.provider).fetch(app.slug)
    else:
        await context.visible_apps(app.provider).require(app.slug)


async def find_scope(
    context: RequestContext, provider: Provider, app: App | None, *, personal: bool = False
) -> Scope:
    """What a subscription may show that this person makes now, of one app or of all at the provider.

    Without an account of their own they make none for others; a `personal` one tells them alone of what their channels
    follow. Raises NotConnected, another ProviderError, and SlackCallFailed where it is personal.
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
            f"You can see {app.title} at {app.provider.label}, but I can't, and it is I who must watch it. Let whoever"
            " runs me give my token access to it."
        ) from error


def _about(terms: NotificationRule) -> dict[str, str]:
    """The terms for the audit log."""
    return {"terms": format_rule(terms)} if terms != NotificationRule() else {}


async def resolve_rule(command: Subscribe, context: RequestContext) -> NotificationRule:
    """The terms with what only the asker knows: who "me" is, and in whose time hours are meant."""
    by = command.terms.filter.by
    mine = GlobPatterns(
        include=tuple(f"@{context.person}" if one == "@me" else one for one in by.include),
        exclude=tuple(f"@{context.person}" if one == "@me" else one for one in by.exclude),
    )
    terms = command.terms.model_copy(update={"filter": command.terms.filter.model_copy(update={"by": mine})})
    timed = terms.quiet is not None or terms.style in (DeliveryStyle.DAILY, DeliveryStyle.WEEKLY)
    if timed and not command.zone_given:
        terms = terms.model_copy(update={"zone": await context.timezone()})
    return terms


async def resume_by_ids(ids: Sequence[int], context: RequestContext) -> Reply | None:
    """Let stopped or paused subscriptions of a channel be told again, if it can be posted in; one message says so.

    From now on they show what this person can see. What can't be resumed keeps none of the others from it.
    Raises PermissionDenied, UserError, ProviderError.
    """
    resumed: list[Subscription] = []
    problem: Exception | None = None
    for identity in ids:
        try:
            resumed.append(await _resume(identity, context, said=len(ids) == 1))
        except (UserError, PermissionDenied, ProviderError) as one:
            problem = one
    if not resumed:
        raise problem or _no_such(context.services.clients.first)
    if len(ids) > 1:
        said = message_subscriptions.subscriptions_resumed(
            [subscription_row(one, context.services.registry) for one in resumed], by=context.person
        )
        await _post(replace(context, channel=resumed[0].channel), said)
    if problem is not None:
        raise problem
    return None


async def _resume(identity: int, context: RequestContext, *, said: bool) -> Subscription:
    """Let one be told again; where it is to be `said`, before that.

    Raises PermissionDenied, UserError, ProviderError.
    """
    subscription = await find_subscription(identity, context)
    there = replace(context, channel=subscription.channel)
    app = await _judged(subscription, context)
    async with permitted_and_audited(
        there, "resume", subscription.provider, app, about={"subscription": str(subscription.number)}
    ):
        scope = await find_scope(context, subscription.provider, app)
        member = await enter_channel(there)
        if said:
            await _post(
                there,
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
    context.services.pollers.poll_now(subscription.provider)
    return subscription


async def change(subscription: Subscription, terms: NotificationRule, context: RequestContext) -> bool:
    """Give a subscription other terms, and say so to the channel; returns whether they differ.

    Raises PermissionDenied.
    """
    if terms == subscription.terms:
        return False
    there = replace(context, channel=subscription.channel)
    about = {"subscription": str(subscription.number), **_about(terms)}
    app = await _judged(subscription, context)
    async with permitted_and_audited(there, "change_subscription", subscription.provider, app, about=about):
        await context.storage.subscriptions.change(subscription, terms)
        said = message_subscriptions.subscription_changed(
            subscription.app,
            subscription.terms,
            terms,
            _presentation(subscription, context),
            by=context.person,
        )
        await _post(there, said)
    return True


async def pause_by_id(identity: int, context: RequestContext) -> Reply | None:
    """Tell a subscription nothing until somebody lets it be told again; its channel hears of it.

    Raises PermissionDenied.
    """
    subscription = await find_subscription(identity, context)
    there = replace(context, channel=subscription.channel)
    app = await _judged(subscription, context)
    async with permitted_and_audited(
        there, "pause", subscription.provider, app, about={"subscription": str(subscription.number)}
    ):
        await context.storage.subscriptions.pause(subscription, context.now())
        said = message_subscriptions.subscription_paused(
            subscription.app,
            subscription.terms,
            _presentation(subscription, context),
            by=context.person,
        )
        await _post(there, said)
    return None


async def _judged(subscription: Subscription, context: RequestContext) -> App | None:
    """The subscription's app as rules are to judge it: by its name of today, and not by the one that is stored."""
    return await current_app(subscription.app, context) if subscription.app is not None else None


async def find_subscription(identity: int, context: RequestContext) -> Subscription:
    """The subscription of that id: the channel's, or, at the Home, one of the person's. Raises UserError."""
    found = await context.storage.subscriptions.find(identity)
    if found is not None:
        here = found.channel == context.channel
        if here or (
            not context.channel and found.channel in (await user_channels.find_user_channels(context)).all
        ):
            return found
    raise NoSuchSubscription(
        "This channel has no such subscription any more."
        f" `{context.services.clients.first.command} subscriptions` lists what it has."
    )


def _no_such(provider: Provider) -> NoSuchSubscription:
    return NoSuchSubscription(
        f"This channel has no such subscription. `{provider.command} subscriptions` lists what it has."
    )


async def unsubscribe(command: Unsubscribe, context: RequestContext, provider: Provider) -> Reply:
    """End one of the channel's subscriptions, by its number whichever provider's it is; or all of an app."""
    subscriptions = await context.storage.subscriptions.of_channel(context.channel)
    there = [one for one in subscriptions if one.provider is provider]
    if command.number is not None:
        ended = [one for one in subscriptions if one.number == command.number]
    elif command.app is None and len(there) == 1:
        ended = there
    else:
        app = await find_app(context, command.app, provider)
        ended = [one for one in there if one.app is not None and one.app.slug == app.slug]
    if not ended:
        raise _no_such(provider)
    if len(ended) > 1:
        about = {"subscription": " ".join(str(one.number) for one in ended)}
        judged = await _judged(ended[0], context)
        await check_subscribe_permission(context, "unsubscribe", provider, judged, about=about)
        return Reply(
            message_subscriptions.unsubscribe_question(
                [subscription_row(one, context.services.registry) for one in ended]
            ),
            Visibility.ONE_PERSON,
        )
    return await _end(ended, context)


async def unsubscribe_by_ids(ids: Sequence[int], context: RequestContext) -> Reply | None:
    """End the subscriptions of these ids, of one channel; it hears of it."""
    ended = [await find_subscription(identity, context) for identity in ids]
    if len({(one.channel, one.app) for one in ended}) > 1:
        raise InvalidButtonValue
    said = await _end(ended, context)
    if context.channel:
        return said
    await _post(replace(context, channel=ended[0].channel), said.message)
    return None


async def _end(ended: list[Subscription], context: RequestContext) -> Reply:
    """End these subscriptions, and say so to the channel. Raises PermissionDenied."""
    there = replace(context, channel=ended[0].channel)
    numbers = " ".join(str(one.number) for one in ended)
    app = await _judged(ended[0], context)
    async with permitted_and_audited(
        there, "unsubscribe", ended[0].provider, app, about={"subscription": numbers}
    ):
        for one in ended:
            await context.storage.subscriptions.remove(one)
    return Reply(
        message_subscriptions.subscription_ended(ended[0].app, len(ended), by=context.person),
        Visibility.CHANNEL,
    )


async def list_subscriptions(
    _command: ListSubscriptions, context: RequestContext, provider: Provider
) -> Reply:
    """What the channel is told of, whichever provider was asked for it."""
    found = await context.storage.subscriptions.of_channel(context.channel)
    rows = [subscription_row(one, context.services.registry) for one in found]
    blind = unavailable_providers(dict.fromkeys(one.provider for one in found), context.services.pollers)
    ties = await context.storage.deploy_links.of_channel(context.channel)
    links = [block for spec in context.services.registry for block in spec.list_deploy_links(ties)]
    return Reply(message_subscriptions.subscription_list(rows, provider, outages=blind, deploy_links=links))


def _presentation(subscription: Subscription, context: RequestContext) -> ProviderPresentation:
    return context.services.registry.presentation_of(subscription.provider)


def unavailable_providers(providers: Iterable[Provider], pollers: Pollers) -> list[ProviderUnavailable]:
    """Return those of the providers that can't be polled now, and why."""
    found = ((one, pollers.outage(one)) for one in providers)
    return [ProviderUnavailable(one, blind.since, blind.reason) for one, blind in found if blind is not None]


def subscription_row(one: Subscription, registry: ProviderRegistry) -> SubscriptionRow:
    """The subscription as it is listed."""
    return SubscriptionRow(
        number=one.number,
        id=one.id,
        presentation=registry.presentation_of(one.provider),
        app=one.app,
        terms=one.terms,
        created_by=one.created_by,
        stopped=one.stopped,
    )


async def _post(context: RequestContext, message: Message) -> None:
    try:
        await context.slack.chat_postMessage(
            channel=context.channel, text=message.text, blocks=message.blocks
        )
    except SlackCallFailed as error:
        if error.reason in ("channel_not_found", "not_in_channel"):
            raise ChannelRefused(
                "I can't post in this channel yet. Type `/invite @buildbell` here, then subscribe again."
            ) from error
        if error.reason in ("is_archived", "restricted_action"):
            raise ChannelRefused("Nobody may post in this channel, so it can't be told of builds.") from error
        raise
