"""What concerns the person who asks: their builds, their settings, what they wait for."""

from __future__ import annotations

from domain.build import App, Build
from domain.build_author import NameDirectory, is_author
from domain.build_filter import BuildFilter, GlobPatterns
from domain.commands.shared_commands import ListMyBuilds, ShowProfile
from domain.notifications.rule import NotificationRule
from domain.provider import Provider
from domain.subscription import Subscription
from messages import profile
from messages.profile import MOST_BUILDS
from services.features.subscriptions.commands import add, find_scope
from services.request.app_visibility import VisibleApps
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError, build_client
from services.slack.errors import SlackCallFailed
from storage.user_profiles import NameTaken, UserProfile

PAGES_SEARCHED = 4


async def list_my_builds(_command: ListMyBuilds, context: RequestContext, provider: Provider) -> Reply:
    """List the person's own builds among the provider's latest of all apps, running ones first."""
    person = await _person(context)
    names = NameDirectory(
        context.team, {context.person: frozenset(one for one in (person.name, person.email) if one)}
    )
    apps = context.visible_apps(provider)
    visible = await apps.slugs()
    found: list[Build] = []
    looked_at = pages = 0
    async for page in build_client(context, provider).all_builds().pages():
        looked_at += len(page.items)
        found += (
            build
            for build in page.items
            if (visible is None or build.app_slug in visible) and is_author(context.person, build, names)
        )
        pages += 1
        if pages == PAGES_SEARCHED:
            break
    found.sort(key=lambda build: build.ended)
    shown = [(build, await _app_of(build, apps)) for build in found[:MOST_BUILDS]]
    ends = await is_notified_of_ends(context)
    return Reply(
        profile.own_builds(
            shown,
            presentation=context.services.registry.presentation_of(Provider.BITRISE),
            name=person.name,
            looked_at=looked_at,
            now=context.now(),
            ends=ends,
        ),
        Visibility.ONE_PERSON,
    )


async def show_profile(command: ShowProfile, context: RequestContext, provider: Provider) -> Reply:
    """Show what the bot knows of the person and does for them, changed as they say.

    How builds end is told of those at `provider`.
    """
    person = await _person(context)
    if command.name is not None or command.mention is not None:
        person = person.model_copy(
            update={
                "name": command.name.casefold() or None if command.name is not None else person.name,
                "mention": person.mention if command.mention is None else command.mention,
                "email": person.email or await context.email(),
            }
        )
        try:
            await context.storage.user_profiles.save(person)
        except NameTaken as taken:
            raise UserError(
                f"{taken.name} is claimed by somebody else here already. If that is wrong, let them give it up"
                " by claiming their own."
            ) from taken
    if command.ends is not None:
        await _tell_ends(context, provider, wanted=command.ends)
    ends = await is_notified_of_ends(context)
    said = profile.profile_card(
        provider=Provider.BITRISE, name=person.name, email=person.email, mention=person.mention, ends=ends
    )
    return Reply(said, Visibility.ONE_PERSON)


async def notify_of_end(app: App, build: Build, context: RequestContext) -> Reply:
    """Send the person a direct message when the build ends."""
    ended = f"{app.title} {build.label} has ended already."
    if build.ended:
        raise UserError(ended)
    direct = await context.direct_message()
    terms = NotificationRule(filter=BuildFilter(builds=frozenset({build.slug})), once=True)
    subscription = await add(app, terms, context, channel=direct, personal=True)
    seen = await context.services.storage.watched_builds.build(build.provider, build.slug)
    if seen is not None and seen.build.ended and await _is_there(subscription, context):
        # It ended between the press and the first look, which tells nothing of what it finds.
        await context.storage.subscriptions.remove(subscription)
        raise UserError(ended)
    context.services.pollers.poll_now(app.provider)
    return Reply(profile.end_notification_set(build, app), Visibility.ONE_PERSON)


async def _person(context: RequestContext) -> UserProfile:
    return await context.storage.user_profiles.find(context.person)


async def _tell_ends(context: RequestContext, provider: Provider, *, wanted: bool) -> None:
    subscriptions = context.storage.subscriptions
    if not wanted:
        for one in await _ends(context):
            await subscriptions.remove(one)
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
    """Whether the person is told how their builds end."""
    return bool(await _ends(context))


async def _ends(context: RequestContext) -> list[Subscription]:
    try:
        direct = await context.direct_message()
    except SlackCallFailed:
        return []
    subscriptions = await context.storage.subscriptions.of_channel(direct)
    return [one for one in subscriptions if one.app is None]


async def _is_there(subscription: Subscription, context: RequestContext) -> bool:
    return await context.storage.subscriptions.find(subscription.id) is not None


async def _app_of(build: Build, apps: VisibleApps) -> App:
    return await apps.find_by_slug(build.app_slug) or App(slug=build.app_slug, title=build.app_slug)
