"""The command that shows a bitrise.yml: the app's current one, or the one that a build used."""

from __future__ import annotations

from domain.build import App, Build
from domain.commands.command import AppArgument, Command, OptionalBuild
from providers.bitrise.api.access import own_client
from providers.bitrise.config import messages as config_messages
from providers.bitrise.provider import BITRISE
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import find_app, find_build
from services.slack.file_upload import share_file
from services.worker_processes.log_tasks import redact_text


class ShowYml(Command):
    """Show the bitrise.yml of an app, or of a build."""

    app: AppArgument = None
    build: OptionalBuild = None


async def show(command: ShowYml, context: RequestContext) -> Reply:
    """Send the bitrise.yml as a highlighted file in a direct message, with Bitrise's validation.

    Raises what `find_build` raises, and UserError if Slack does not take the file.
    """
    app, build = await _find_app_or_build(command, context)
    bitrise = own_client(context)
    text = await (bitrise.build_yml(app.slug, build.slug) if build else bitrise.app_yml(app.slug))
    validation = await bitrise.validate_yml(app.slug, text)
    await share_file(
        context,
        (await redact_text(context.services.runner, text)).encode(),
        name="bitrise.yml",
        title=f"bitrise.yml of {app.title}{f' {build.label}' if build else ''}",
        comment=config_messages.yml_comment(app, build, validation),
        snippet="yaml",
    )
    return Reply(
        config_messages.yml_message(app, build, validation), Visibility.ONE_PERSON, title="bitrise.yml"
    )


async def _find_app_or_build(command: ShowYml, context: RequestContext) -> tuple[App, Build | None]:
    if command.build is None:
        return await find_app(context, command.app, BITRISE), None
    # A slug alone may be an app's or a build's.
    if (
        command.app is None
        and command.build.slug
        and (app := await context.visible_apps(BITRISE).find_by_slug(command.build.slug))
    ):
        return app, None
    return await find_build(context, command.app, command.build, BITRISE)


COMMANDS = (
    CommandSpec(
        ShowYml,
        "yml",
        "Validate the bitrise.yml of an app or a build, and send it to you as a file in a direct message.",
        ("yml android", "yml #12"),
        handler=show,
        aliases=("yaml", "config"),
    ),
)
