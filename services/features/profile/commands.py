"""What concerns the person who asks: their builds, their settings, what they wait for."""

from __future__ import annotations

from domain.build import App, Build
from domain.build_author import NameDirectory, wrote
from domain.build_filter import BuildFilter, GlobPatterns
from domain.commands.shared_commands import ListMyBuilds, ShowProfile
from domain.notifications.rule import NotificationRule
from domain.provider import Provider
from messages import profile
from messages.profile import MOST_BUILDS
from services.features.subscriptions.commands import add, scope_of
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError
from services.slack.errors import SlackCallFailed
from storage.subscriptions import Subscription
from storage.user_profiles import NameTaken, UserProfile

PAGES_SEARCHED = 4


async def mine(_ask: ListMyBuilds, caller: RequestContext) -> Reply:
    """The person's own builds among the latest of all apps, what runs first."""
    person = await _person(caller)
    names = NameDirectory(
        caller.team, {caller.person: frozenset(one for one in (person.name, person.email) if one)}
    )
    visible = await caller.apps.slugs()
    found: list[Build] = []
    looked_at = pages = 0
    async for page in caller.bitrise.all_builds().pages():
        looked_at += len(page.items)
        found += (
            build
            for build in page.items
            if (visible is None or build.app_slug in visible) and wrote(caller.person, build, names)
        )
        pages += 1
        if pages == PAGES_SEARCHED:
            break
    found.sort(key=lambda build: build.ended)
    shown = [(build, await _app_of(build, caller)) for build in found[:MOST_BUILDS]]
    ends = await ends_told(caller)
    return Reply(
        profile.mine(shown, name=person.name, looked_at=looked_at, now=caller.now(), ends=ends),
        Visibility.ONE_PERSON,
    )


async def me(ask: ShowProfile, caller: RequestContext) -> Reply:
    """What the bot knows of the person and does for them; changed as they say."""
    person = await _person(caller)
    if ask.name is not None or ask.mention is not None:
        person = person.model_copy(
            update={
                "name": ask.name.casefold() or None if ask.name is not None else person.name,
                "mention": person.mention if ask.mention is None else ask.mention,
                "email": person.email or await caller.email(),
            }
        )
        try:
            await caller.storage.people.save(person)
        except NameTaken as taken:
            raise UserError(
                f"{taken.name} is claimed by somebody else here already. If that is wrong, let them give it up"
                " by claiming their own."
            ) from taken
    if ask.ends is not None:
        await _tell_ends(caller, wanted=ask.ends)
    ends = await ends_told(caller)
    said = profile.me(name=person.name, email=person.email, mention=person.mention, ends=ends)
    return Reply(said, Visibility.ONE_PERSON)


async def tell_me(app: App, build: Build, caller: RequestContext) -> Reply:
    """Send the person a direct message when the build ends."""
    ended = f"{app.title} {build.label} has ended already."
    if build.ended:
        raise UserError(ended)
    direct = await caller.direct_message()
    terms = NotificationRule(filter=BuildFilter(builds=frozenset({build.slug})), once=True)
    subscription = await add(app, terms, caller, channel=direct, personal=True)
    seen = await caller.desk.storage.watching.build(build.provider, build.slug)
    if seen is not None and seen.build.ended and await _is_there(subscription, caller):
        # It ended between the press and the first look, which tells nothing of what it finds.
        await caller.storage.subscriptions.remove(subscription)
        raise UserError(ended)
    caller.desk.lookout.look_now(app.provider)
    return Reply(profile.will_tell(build, app), Visibility.ONE_PERSON)


async def _person(caller: RequestContext) -> UserProfile:
    return await caller.storage.people.find(caller.person)


async def _tell_ends(caller: RequestContext, *, wanted: bool) -> None:
    subscriptions = caller.storage.subscriptions
    if not wanted:
        for one in await _ends(caller):
            await subscriptions.remove(one)
        return
    terms = NotificationRule(filter=BuildFilter(by=GlobPatterns(include=(f"@{caller.person}",))))
    await subscriptions.add(
        channel=await caller.direct_message(),
        app=None,
        terms=terms,
        by=caller.person,
        at=caller.now(),
        baseline=None,
        scope=await scope_of(caller, Provider.BITRISE, None, personal=True),
    )


async def ends_told(caller: RequestContext) -> bool:
    """Whether the person is told how their builds end."""
    return bool(await _ends(caller))


async def _ends(caller: RequestContext) -> list[Subscription]:
    try:
        direct = await caller.direct_message()
    except SlackCallFailed:
        return []
    subscriptions = await caller.storage.subscriptions.of_channel(direct)
    return [one for one in subscriptions if one.app is None]


async def _is_there(subscription: Subscription, caller: RequestContext) -> bool:
    return await caller.storage.subscriptions.find(subscription.id) is not None


async def _app_of(build: Build, caller: RequestContext) -> App:
    return await caller.apps.by_slug(build.app_slug) or App(slug=build.app_slug, title=build.app_slug)
