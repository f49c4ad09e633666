"""The command that shows a bitrise.yml: the app's current one, or the one that a build used."""

from __future__ import annotations

import tempfile
from pathlib import Path

from domain.build import App, Build
from domain.commands.command import AppArgument, Command, OptionalBuild
from providers.bitrise.api.access import own_client, visible_apps
from providers.bitrise.config import messages as config_messages
from providers.bitrise.provider import BITRISE
from services.command_spec import CommandSpec
from services.request.context import Reply, RequestContext, Visibility
from services.request.errors import UserError
from services.request.finder import find_app, find_build
from services.slack import file_upload
from services.slack.errors import SlackCallFailed
from services.worker_processes.log_tasks import redact_text

TITLE = "bitrise.yml"


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
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bitrise.yml"
        path.write_text(await redact_text(context.services.runner, text), encoding="utf-8")
        try:
            await file_upload.share_file(
                context,
                path,
                name="bitrise.yml",
                title=f"bitrise.yml of {app.title}{f' {build.label}' if build else ''}",
                comment=config_messages.yml_comment(app, build, validation),
                channel=await context.direct_message_alone(),
                snippet="yaml",
            )
        except SlackCallFailed as error:
            raise UserError(file_upload.explain_upload_failure(error)) from error
    return Reply(config_messages.yml_message(app, build, validation), Visibility.ONE_PERSON, title=TITLE)


async def _find_app_or_build(command: ShowYml, context: RequestContext) -> tuple[App, Build | None]:
    if command.build is None:
        return await find_app(context, command.app, BITRISE), None
    # A slug alone may be an app's or a build's.
    if (
        command.app is None
        and command.build.slug
        and (app := await visible_apps(context).find_by_slug(command.build.slug))
    ):
        return app, None
    return await find_build(context, command.app, command.build, BITRISE)


COMMANDS = (
    CommandSpec(
        ShowYml,
        "yml",
        "The bitrise.yml of an app, or of a build, checked and as a file for you alone.",
        ("yml android", "yml #12"),
        handler=show,
        aliases=("yaml", "config"),
    ),
)
