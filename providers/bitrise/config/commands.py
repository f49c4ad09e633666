"""bitrise.yml: the one of an app as it is now, or the one that a build ran with."""

from __future__ import annotations

import tempfile
from pathlib import Path

from domain.build import App, Build
from domain.provider import Provider
from providers.bitrise.api.access import own_client, visible_apps
from providers.bitrise.commands import ShowYml
from providers.bitrise.config import messages as config_messages
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError, find_app, find_build
from services.slack import file_upload
from services.slack.errors import SlackCallFailed
from services.worker_processes.log_tasks import redact_text

TITLE = "bitrise.yml"


async def show(command: ShowYml, context: RequestContext) -> Reply:
    """The bitrise.yml as a file for the person alone, highlighted, and what Bitrise finds wrong with it.

    Raises what `find_build` does, and UserError where Slack does not take the file.
    """
    app, build = await _whose(command, context)
    bitrise = own_client(context)
    text = await (bitrise.build_yml(app.slug, build.slug) if build else bitrise.app_yml(app.slug))
    verdict = await bitrise.validate_yml(app.slug, text)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bitrise.yml"
        path.write_text(await redact_text(context.services.runner, text), encoding="utf-8")
        try:
            await file_upload.share_file(
                context,
                path,
                name="bitrise.yml",
                title=f"bitrise.yml of {app.title}{f' {build.label}' if build else ''}",
                comment=config_messages.yml_comment(app, build, verdict),
                channel=await context.direct_message_alone(),
                snippet="yaml",
            )
        except SlackCallFailed as error:
            raise UserError(file_upload.explain_upload_failure(error)) from error
    return Reply(config_messages.yml_message(app, build, verdict), Visibility.ONE_PERSON, title=TITLE)


async def _whose(command: ShowYml, context: RequestContext) -> tuple[App, Build | None]:
    if command.build is None:
        return await find_app(context, command.app, Provider.BITRISE), None
    # A slug alone may be an app's as well as a build's.
    if (
        command.app is None
        and command.build.slug
        and (app := await visible_apps(context).find_by_slug(command.build.slug))
    ):
        return app, None
    return await find_build(context, command.app, command.build, Provider.BITRISE)
