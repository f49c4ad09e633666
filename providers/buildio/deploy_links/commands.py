"""Apps of Build.io that a channel ties to apps of Bitrise, and what comes of it: their builds go live by a press."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from domain.build import App
from domain.commands.shared_commands import Command
from domain.errors import Forbidden, NotFound
from domain.notifications.deploy_link import DeployLink
from domain.provider import Provider
from messages.deploy_buttons import DeployButton
from messages.kit.button_values import InvalidButtonValue
from providers.buildio.actions import DeployAction
from providers.buildio.commands import CreateDeployLink, DeleteDeployLink, ListDeployLinks
from providers.buildio.deploy_links import messages
from services.actions import run
from services.actions.permissions import check_subscribe_permission, permitted_and_audited
from services.features.subscriptions.commands import check_app_access, current_app
from services.lookup.app_names import UnknownApp
from services.lookup.app_names import find_app as app_named
from services.provider_spec import CommandHandler
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError, build_by_slugs, find_app

# All of them fit into one list.
MOST_LINKS = 30


async def link(command: CreateDeployLink, context: RequestContext) -> Reply:
    """Tie an app of Build.io to one of Bitrise in the caller's channel; the person must see both.

    Raises PermissionDenied, UserError, UnknownApp, AmbiguousApp, ProviderError.
    """
    app = await current_app(await find_app(context, command.app, Provider.BUILDIO), context)
    bitrise = await context.visible_apps(Provider.BITRISE).find(command.bitrise)
    about = {"label": f"{app.title} to {bitrise.title}", "bitrise": bitrise.slug}
    about |= {"branch": ",".join(command.branches)} if command.branches else {}
    async with permitted_and_audited(context, "tie", Provider.BUILDIO, app, about=about):
        for one in (app, bitrise):
            await check_app_access(one, context)
        ties = context.storage.deploy_links
        if len(await ties.of_channel(context.channel)) >= MOST_LINKS:
            raise UserError(
                f"{MOST_LINKS} apps are tied in this channel already. Untie one with `/buildio unlink APP` first."
            )
        tie = await ties.add(
            context.channel, app, bitrise, command.branches, by=context.person, at=context.now()
        )
    return Reply(messages.deploy_link_added(tie, by=context.person), Visibility.CHANNEL)


async def unlink(command: DeleteDeployLink, context: RequestContext) -> Reply:
    """Ask whether an app is to be untied from those of Bitrise, or from one of them; it need not be there any more.

    Raises PermissionDenied, UserError, AmbiguousApp.
    """
    found = await _meant(command, context)
    await check_subscribe_permission(
        context, "untie", Provider.BUILDIO, await current_app(found[0].app, context), about=_about(found)
    )
    return Reply(messages.remove_links_question(found), Visibility.ONE_PERSON)


async def remove_links_by_number(numbers: Sequence[int], context: RequestContext) -> Reply:
    """Untie what a button names. Raises PermissionDenied, UserError."""
    found = [
        tie
        for one in numbers
        if (tie := await context.storage.deploy_links.find(context.channel, one)) is not None
    ]
    if not found:
        raise UserError("This is not tied any more.")
    return await _untie(found, context)


async def list_links(_command: ListDeployLinks, context: RequestContext) -> Reply:
    """What is tied in the caller's channel."""
    return Reply(messages.deploy_link_list(await context.storage.deploy_links.of_channel(context.channel)))


async def deploy(offer: DeployButton, context: RequestContext) -> Reply | None:
    """Let what a build at Bitrise was made of go live, as the person's own Build.io account.

    Tie and build are looked up again: what a button says is what was, and anybody may have written it.
    Raises InvalidButtonValue, PermissionDenied, UserError, ProviderError.
    """
    tie = await context.storage.deploy_links.find(context.channel, offer.tie)
    if tie is None:
        raise UserError("That app is not tied here any more. `/buildio link` shows what is.")
    if tie.bitrise.slug != offer.app:
        raise InvalidButtonValue
    app, build = await build_by_slugs(context, offer.app, offer.build, Provider.BITRISE)
    if (why := tie.mismatch(build)) is not None:
        raise UserError(f"I can't deploy {app.title} {build.label} to {tie.app.title} any more, since {why}.")
    return (
        await run.run_action(DeployAction.of_build(build, app, await _target(tie, context)), context)
    ).answer


async def _target(tie: DeployLink, context: RequestContext) -> App:
    """The tied app as it is called now, which is what rules are about. Raises UserError, ProviderError."""
    if not await context.may_act(Provider.BUILDIO):
        return tie.app  # whoever has no account is refused by the policy, which writes that down
    try:
        return await context.own_apps(Provider.BUILDIO).fetch(tie.app.slug)
    except (NotFound, Forbidden) as error:
        raise UserError(
            f"Your account at Build.io does not see {tie.app.title}, or it is not there any more."
        ) from error


def _about(found: Sequence[DeployLink]) -> dict[str, str]:
    return {"label": "; ".join(f"{one.app.title} from {one.bitrise.title}" for one in found[:5])}


async def _untie(found: list[DeployLink], context: RequestContext) -> Reply:
    app = await current_app(found[0].app, context)
    async with permitted_and_audited(context, "untie", Provider.BUILDIO, app, about=_about(found)):
        await context.storage.deploy_links.remove(context.channel, [one.number for one in found])
    return Reply(messages.deploy_links_removed(found, by=context.person), Visibility.CHANNEL)


async def _meant(command: DeleteDeployLink, context: RequestContext) -> list[DeployLink]:
    """The channel's ties that are meant, all of one app of Build.io. Raises UserError, AmbiguousApp."""
    ties = await context.storage.deploy_links.of_channel(context.channel)
    app = await _app_meant(command.app, [one.app for one in ties], context)
    ties = [one for one in ties if one.app.slug == app.slug]
    if command.bitrise is not None:
        bitrise = _tied(command.bitrise, [one.bitrise for one in ties])
        ties = [one for one in ties if one.bitrise.slug == bitrise.slug]
    return ties


async def _app_meant(words: str | None, tied: list[App], context: RequestContext) -> App:
    if words is not None:
        return _tied(words, tied)
    by_slug = {one.slug: one for one in tied}
    default = await context.storage.channel_settings.default_app(context.channel, Provider.BUILDIO)
    if default in by_slug:
        return by_slug[default]
    if len(by_slug) == 1:
        return next(iter(by_slug.values()))
    raise UserError("Which app? Name it: `/buildio unlink APP`. `/buildio link` shows what is tied here.")


def _tied(words: str, tied: Iterable[App]) -> App:
    try:
        return app_named(words, list({one.slug: one for one in tied}.values()), provider=Provider.BUILDIO)
    except UnknownApp as unknown:
        raise UserError(f"{words} is not tied here. `/buildio link` shows what is.") from unknown


COMMAND_HANDLERS: Mapping[type[Command], CommandHandler] = {
    CreateDeployLink: link,
    DeleteDeployLink: unlink,
    ListDeployLinks: list_links,
}
