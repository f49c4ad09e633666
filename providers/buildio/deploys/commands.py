"""Deployment of an app, by command or form."""

from __future__ import annotations

from domain.build import App
from domain.message import Block
from messages import notices
from providers.buildio import action_ids
from providers.buildio.deploys import form as deploy_form
from providers.buildio.deploys.actions import DeployAction
from providers.buildio.deploys.deploy_syntax import Deploy
from providers.buildio.deploys.form import DeployForm
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.button_values import OptionalAppButton
from providers.buildio.shared.form_defaults import find_channel_app, form_metadata
from services.actions import run
from services.command_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.finder import find_app
from services.request.modals import open_in_time


async def deploy(command: Deploy, context: RequestContext) -> Reply | None:
    """Start the build of a command; without arguments, open the form. Raises the errors of `find_app` and `start`."""
    if not command.names_something:
        return await open_form(None, context)
    return await start(await find_app(context, command.app, BUILDIO), command, context)


async def start(app: App, command: Deploy, context: RequestContext) -> Reply | None:
    """Start a build of this app, which deploys it. Raises PermissionDenied, ProviderError."""
    action = DeployAction(
        app=app, branch=command.branch, commitish=command.commit, description=command.message
    )
    return (await run.run_action(action, context)).answer


async def open_form(
    app: App | None, context: RequestContext, *, previous: Deploy | None = None
) -> Reply | None:
    """Open the form, or reply with a button if no form can be opened; `previous` is the earlier deployment to repeat.

    Raises SlackCallFailed.
    """
    if not context.trigger_id:
        button = OptionalAppButton().encode()
        return Reply(
            notices.open_form_prompt("Which app, which branch?", "Deploy…", action_ids.DEPLOY, button)
        )
    await open_in_time(_form(app, context, previous), context, "Deploy")
    return None


async def _form(app: App | None, context: RequestContext, previous: Deploy | None) -> Block:
    shown = app or await find_channel_app(context)
    # Build.io takes a branch or a commit, not both. Prefer the branch: a fix is on its current head.
    branch = previous.branch if previous is not None else None
    commit = previous.commit if previous is not None and branch is None else None
    form = DeployForm(branch=branch, commit=commit)
    return deploy_form.deploy_modal(form, shown, origin=form_metadata(context), previous=previous)


COMMANDS = (
    CommandSpec(
        Deploy,
        "deploy",
        "Build an app and let it go live; without a word, by filling in a form.",
        ("deploy shop branch:main", "deploy shop", 'deploy commit:1f3a9bc message:"the fix"', "deploy"),
        handler=deploy,
        notes=("Without a branch or commit Build.io takes what it takes by itself.",),
        usage="deploy [APP] [branch:… | commit:…] [message:…]",
        aliases=("build", "release", "start", "trigger"),
    ),
)
