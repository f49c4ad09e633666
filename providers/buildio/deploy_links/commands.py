"""Commands and buttons of deploy links, which offer builds of a Bitrise app for a Build.io app in one channel."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated

from domain.build import App
from domain.commands.arguments import parse_globs
from domain.commands.command import AppArgument, ArgumentReader, Command, Option, OptionArgument
from domain.commands.errors import UserError, redact_typed
from domain.notifications.deploy_link import DeployLink
from domain.provider_errors import Forbidden, NotFound
from messages.deploy_buttons import DeployButton, read_deploy_button
from messages.kit import action_ids as shared_action_ids
from messages.kit.button_values import InvalidButtonValue
from providers.buildio import action_ids
from providers.buildio.deploy_links import messages
from providers.buildio.deploys.actions import DeployAction
from providers.buildio.provider import BUILDIO
from services.actions import run
from services.actions.permissions import check_subscribe_permission, permitted_and_audited
from services.features.subscriptions.commands import check_app_access, current_app
from services.lookup.app_matching import UnknownApp, match_app
from services.provider_spec import CommandSpec
from services.request.button_press import ButtonHandler, ButtonPress, read_numbers
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import build_by_slugs, find_app

# All of them fit into one list.
MAX_LINKS = 30


class ListDeployLinks(Command):
    """List the deploy links of this channel."""


_TO = "to"


class CreateDeployLink(Command):
    """Offer to deploy builds of a Bitrise app to an app; `branches` are globs that limit the builds."""

    app: AppArgument = None
    bitrise: Annotated[str, Option(question="Which Bitrise app? Add `bitrise:APP`.")]
    branches: Annotated[tuple[str, ...], Option(parse_globs, ",".join, key="branch")] = ()

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> CreateDeployLink:
        """Parse `APP to bitrise:APP`, where `to` may be left out, and the branches."""
        arguments.take_flag(_TO)
        return super().parse(arguments)

    def format(self, reserved: Collection[str] = ()) -> str:
        """Format the arguments; an app of the name `to` is quoted."""
        return super().format({*reserved, _TO})


class DeleteDeployLink(Command):
    """Remove the deploy links of an app; with `bitrise`, only the one to this Bitrise app."""

    app: AppArgument = None
    bitrise: OptionArgument = None


async def link(command: CreateDeployLink | ListDeployLinks, context: RequestContext) -> Reply:
    """Add a deploy link from a Bitrise app to a Build.io app that the person sees too, or list the channel's links.

    Raises PermissionDenied, UserError, UnknownApp, AmbiguousApp, ProviderError.
    """
    links = context.storage.deploy_links
    if isinstance(command, ListDeployLinks):
        return Reply(messages.deploy_link_list(await links.of_channel(context.channel)))
    app = await current_app(await find_app(context, command.app, BUILDIO), context)
    bitrise = await context.visible_apps(links.source_provider).find(command.bitrise)
    audit_fields = {"label": f"{app.title} to {bitrise.title}", "bitrise": bitrise.slug}
    audit_fields |= {"branch": ",".join(command.branches)} if command.branches else {}
    async with permitted_and_audited(context, "tie", BUILDIO, app, about=audit_fields):
        for linked_app in (app, bitrise):
            await check_app_access(linked_app, context)
        if len(await links.of_channel(context.channel)) >= MAX_LINKS:
            raise UserError(
                f"This channel already has {MAX_LINKS} deploy links. Remove one with `/buildio unlink APP` first."
            )
        added = await links.add(
            context.channel, app, bitrise, command.branches, by=context.person, at=context.now()
        )
    return Reply(messages.deploy_link_added(added, by=context.person), Visibility.CHANNEL)


async def unlink(command: DeleteDeployLink, context: RequestContext) -> Reply:
    """Ask for confirmation before an app's deploy links are removed, or one of them; the app may no longer exist.

    Raises PermissionDenied, UserError, AmbiguousApp.
    """
    links = await _find_links(command, context)
    await check_subscribe_permission(
        context,
        "untie",
        BUILDIO,
        await current_app(links[0].app, context),
        about=_audit_fields(links),
    )
    return Reply(messages.remove_links_question(links), Visibility.ONE_PERSON)


async def remove_links_by_number(numbers: Sequence[int], context: RequestContext) -> Reply:
    """Remove the deploy links that a button names. Raises PermissionDenied, UserError."""
    links = [
        link
        for number in numbers
        if (link := await context.storage.deploy_links.find(context.channel, number)) is not None
    ]
    if not links:
        raise UserError("This deploy link no longer exists.")
    return await _remove_links(links, context)


async def deploy(offer: DeployButton, context: RequestContext) -> Reply | None:
    """Deploy the commit of a Bitrise build with the person's own Build.io account.

    Deploy link and build are looked up again: a button's value may be outdated or forged. Raises InvalidButtonValue,
    PermissionDenied, UserError, ProviderError.
    """
    link = await context.storage.deploy_links.find(context.channel, offer.tie)
    if link is None:
        raise UserError(
            "This deploy link no longer exists. `/buildio link` lists this channel's deploy links."
        )
    if link.bitrise.slug != offer.app:
        raise InvalidButtonValue
    app, build = await build_by_slugs(context, offer.app, offer.build, link.bitrise.provider)
    if (mismatch := link.mismatch(build)) is not None:
        raise UserError(
            f"*{app.title} {build.label}* can't be deployed to *{link.app.title}*, since {mismatch}."
        )
    return (
        await run.run_action(
            DeployAction.of_build(build, app, await _find_target_app(link, context)), context
        )
    ).answer


async def _find_target_app(link: DeployLink, context: RequestContext) -> App:
    """Return the linked app with its current name, which access rules refer to. Raises UserError, ProviderError."""
    if not await context.may_act(BUILDIO):
        return link.app  # without an account, the action is refused by the access policy, which audits it
    try:
        return await context.own_apps(BUILDIO).fetch(link.app.slug)
    except (NotFound, Forbidden) as error:
        raise UserError(
            f"Your Build.io account can't see *{link.app.title}*, or it no longer exists."
        ) from error


def _audit_fields(links: Sequence[DeployLink]) -> dict[str, str]:
    return {"label": "; ".join(f"{link.app.title} from {link.bitrise.title}" for link in links[:5])}


async def _remove_links(links: list[DeployLink], context: RequestContext) -> Reply:
    app = await current_app(links[0].app, context)
    async with permitted_and_audited(context, "untie", BUILDIO, app, about=_audit_fields(links)):
        await context.storage.deploy_links.remove(context.channel, [link.number for link in links])
    return Reply(messages.deploy_links_removed(links, by=context.person), Visibility.CHANNEL)


async def _find_links(command: DeleteDeployLink, context: RequestContext) -> list[DeployLink]:
    """Return the channel's deploy links that the command names, all of one Build.io app.

    Raises UserError, AmbiguousApp.
    """
    links = await context.storage.deploy_links.of_channel(context.channel)
    app = await _find_linked_app(command.app, [link.app for link in links], context)
    links = [link for link in links if link.app.slug == app.slug]
    if command.bitrise is not None:
        bitrise = _match_linked_app(command.bitrise, [link.bitrise for link in links])
        links = [link for link in links if link.bitrise.slug == bitrise.slug]
    return links


async def _find_linked_app(name: str | None, linked_apps: list[App], context: RequestContext) -> App:
    if name is not None:
        return _match_linked_app(name, linked_apps)
    by_slug = {app.slug: app for app in linked_apps}
    default = await context.storage.channel_settings.default_app(context.channel, BUILDIO)
    if default in by_slug:
        return by_slug[default]
    if len(by_slug) == 1:
        return next(iter(by_slug.values()))
    raise UserError(
        "Which app? Type `/buildio unlink APP`. `/buildio link` lists this channel's deploy links."
    )


def _match_linked_app(name: str, linked_apps: Iterable[App]) -> App:
    try:
        return match_app(name, list({app.slug: app for app in linked_apps}.values()), provider=BUILDIO)
    except UnknownApp as unknown:
        raise UserError(
            f"No deploy link for `{redact_typed(name, 80)}` here. `/buildio link` lists those of this channel."
        ) from unknown


COMMANDS = (
    CommandSpec(
        CreateDeployLink,
        "link",
        "Link a Bitrise app so that its builds can be deployed. Without arguments, list this channel's deploy links.",
        ("link shop-staging to bitrise:android branch:main,release/*", "link to bitrise:android", "link"),
        handler=link,
        notes=("Branches are globs. Builds of pull requests can't be deployed.",),
        bare=ListDeployLinks,
        usage="link [[APP] to bitrise:APP [branch:…]]",
        aliases=("tie",),
    ),
    CommandSpec(
        DeleteDeployLink,
        "unlink",
        "Remove an app's deploy links, or one of them.",
        ("unlink shop-staging", "unlink shop-staging bitrise:android"),
        handler=unlink,
        usage="unlink [APP] [bitrise:APP]",
        aliases=("untie",),
    ),
)


async def _deploy(press: ButtonPress) -> Reply | None:
    return await deploy(read_deploy_button(press.value, press.block), press.context)


async def _remove(press: ButtonPress) -> Reply:
    return await remove_links_by_number(read_numbers(press), press.context)


BUTTONS: Mapping[str, ButtonHandler] = {
    shared_action_ids.DEPLOY_BUILD: _deploy,
    action_ids.DEPLOY_LINK_REMOVE: _remove,
}
