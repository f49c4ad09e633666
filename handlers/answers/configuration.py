"""bitrise.yml: the one of an app as it is now, or the one that a build ran with."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bot import messages
from bot.build import App, Build
from bot.commands import ShowYml
from bot.log_work import redact_text
from bot.slack_errors import SlackCallFailed
from handlers import files
from handlers.caller import Answer, Audience, Caller
from handlers.finding import NotNamed, find_app, find_build

TITLE = "bitrise.yml"


async def show(ask: ShowYml, caller: Caller) -> Answer:
    """The bitrise.yml as a file for the person alone, highlighted, and what Bitrise finds wrong with it.

    Raises what `find_build` does, and NotNamed where Slack does not take the file.
    """
    app, build = await _whose(ask, caller)
    bitrise = caller.own_bitrise
    text = await (bitrise.build_yml(app.slug, build.slug) if build else bitrise.app_yml(app.slug))
    verdict = await bitrise.validate_yml(app.slug, text)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bitrise.yml"
        path.write_text(await redact_text(caller.desk.runner, text), encoding="utf-8")
        try:
            await files.share_file(
                caller,
                path,
                name="bitrise.yml",
                title=f"bitrise.yml of {app.title}{f' {build.label}' if build else ''}",
                comment=messages.yml_comment(app, build, verdict),
                channel=await caller.direct_message_alone(),
                snippet="yaml",
            )
        except SlackCallFailed as error:
            raise NotNamed(files.why_not(error)) from error
    return Answer(messages.yml_shown(app, build, verdict), Audience.ONE_PERSON, title=TITLE)


async def _whose(ask: ShowYml, caller: Caller) -> tuple[App, Build | None]:
    if ask.build is None:
        return await find_app(caller, ask.app), None
    # A slug alone may be an app's as well as a build's.
    if ask.app is None and ask.build.slug and (app := await caller.apps.by_slug(ask.build.slug)):
        return app, None
    return await find_build(caller, ask.app, ask.build)
