"""Commands about the user: their builds, their settings, notifications of a build's end."""

from __future__ import annotations

from functools import partial

from domain.build import App, Build
from domain.build_author import NameDirectory, is_author
from domain.build_filter import BuildFilter, GlobPatterns
from domain.commands.errors import UserError
from domain.commands.shared_commands import ListMyBuilds, ShowProfile
from domain.notifications.rule import NotificationRule
from domain.provider import Provider
from domain.subscription import Subscription
from messages import profile
from messages.profile import MAX_BUILDS
from services.features.subscriptions.commands import add, find_scope
from services.provider_spec import CommandSpec
from services.request.app_visibility import VisibleApps
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import build_client
from services.slack.errors import SlackCallFailed
from storage.user_profiles import NameTaken, UserProfile

PAGES_SEARCHED = 4


async def list_my_builds(_command: ListMyBuilds, context: RequestContext, provider: Provider) -> Reply:
    """List the user's own builds among the provider's latest builds of all apps, running ones first."""
    own_profile = await _find_profile(context)
    names = NameDirectory(
        context.team,
        {context.person: frozenset(name for name in (own_profile.name, own_profile.email) if name)},
    )
    apps = context.visible_apps(provider)
    visible = await apps.slugs()
    own_builds: list[Build] = []
    searched = pages = 0
    async for page in build_client(context, provider).all_builds().pages():
        searched += len(page.items)
        own_builds += (
            build
            for build in page.items
            if (visible is None or build.app_slug in visible) and is_author(context.person, build, names)
        )
        pages += 1
        if pages == PAGES_SEARCHED:
            break
    own_builds.sort(key=lambda build: build.ended)
    shown = [(build, await _find_app(build, apps)) for build in own_builds[:MAX_BUILDS]]
    ends = await is_notified_of_ends(context)
    return Reply(
        profile.own_builds(
            shown,
            presentation=context.services.registry.presentation_of(provider),
            name=own_profile.name,
            looked_at=searched,
            now=context.now(),
            ends=ends,
        ),
        Visibility.ONE_PERSON,
    )


async def show_profile(command: ShowProfile, context: RequestContext, provider: Provider) -> Reply:
    """Change the user's profile as the command says, and show it.

    Notifications of the user's own builds are for those at `provider`.
    """
    own_profile = await _find_profile(context)
    if command.name is not None or command.mention is not None:
        own_profile = own_profile.model_copy(
            update={
                "name": command.name.casefold() or None if command.name is not None else own_profile.name,
                "mention": own_profile.mention if command.mention is None else command.mention,
                "email": own_profile.email or await context.email(),
            }
        )
        try:
            await context.storage.user_profiles.save(own_profile)
        except NameTaken as taken:
            raise UserError(
                f"Someone else here already has the name `{taken.name}`. If it's yours, ask them to change theirs."
            ) from taken
    if command.ends is not None:
        await _set_end_notifications(context, provider, wanted=command.ends)
    ends = await is_notified_of_ends(context)
    message = profile.profile_card(
        provider=provider,
        name=own_profile.name,
        email=own_profile.email,
        mention=own_profile.mention,
        ends=ends,
    )
    return Reply(message, Visibility.ONE_PERSON)


async def notify_of_end(app: App, build: Build, context: RequestContext) -> Reply:
    """Subscribe the user to a direct message when the build ends."""
    ended = f"{app.title} {build.label} already finished."
    if build.ended:
        raise UserError(ended)
    channel = await context.direct_message()
    terms = NotificationRule(filter=BuildFilter(builds=frozenset({build.slug})), once=True)
    subscription = await add(app, terms, context, channel=channel, personal=True)
    recorded = await context.services.storage.watched_builds.build(build.provider, build.slug)
    if recorded is not None and recorded.build.ended and await _still_exists(subscription, context):
        # It ended between the button press and the first poll, which sends no notifications for what it finds.
        await context.storage.subscriptions.remove(subscription)
        raise UserError(ended)
    await context.services.pollers.poll_now(app.provider)
    return Reply(profile.end_notification_set(build, app), Visibility.ONE_PERSON)


async def _find_profile(context: RequestContext) -> UserProfile:
    return await context.storage.user_profiles.find(context.person)


async def _set_end_notifications(context: RequestContext, provider: Provider, *, wanted: bool) -> None:
    subscriptions = context.storage.subscriptions
    if not wanted:
        for subscription in await _find_end_subscriptions(context):
            await subscriptions.remove(subscription)
        return
    terms = NotificationRule(filter=BuildFilter(by=GlobPatterns(include=(f"@{context.person}",))))
    await subscriptions.add_for_every_app(
        channel=await context.direct_message(),
        provider=provider,
        terms=terms,
        by=context.person,
        at=context.now(),
        scope=await find_scope(context, provider, None, personal=True),
    )


async def is_notified_of_ends(context: RequestContext) -> bool:
    """Return whether the user is notified when their own builds end."""
    return bool(await _find_end_subscriptions(context))


async def _find_end_subscriptions(context: RequestContext) -> list[Subscription]:
    try:
        channel = await context.direct_message()
    except SlackCallFailed:
        return []
    subscriptions = await context.storage.subscriptions.of_channel(channel)
    return [subscription for subscription in subscriptions if subscription.app is None]


async def _still_exists(subscription: Subscription, context: RequestContext) -> bool:
    return await context.storage.subscriptions.find(subscription.id) is not None


async def _find_app(build: Build, apps: VisibleApps) -> App:
    return await apps.find_by_slug(build.app_slug) or App(
        provider=build.provider, slug=build.app_slug, title=build.app_slug
    )


def profile_commands(provider: Provider) -> tuple[CommandSpec, ...]:
    """Return `mine` and `me`, for a provider that shows with a build who started it."""
    return (
        CommandSpec(
            ListMyBuilds,
            "mine",
            "List your own builds: running and latest.",
            handler=partial(list_my_builds, provider=provider),
        ),
        CommandSpec(
            ShowProfile,
            "me",
            f"Show or change your {provider.label} name and your personal notifications.",
            ("me name:octo", "me mention:on", "me ends:on"),
            handler=partial(show_profile, provider=provider),
            notes=(
                f"`name:` sets the name that {provider.label} shows with your builds. Only one person can have it.",
                "`mention:on` mentions you where your build's failure is posted.",
                "`ends:on` sends you a direct message when your own builds finish.",
            ),
        ),
    )
