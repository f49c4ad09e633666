"""Deployment of an app, by command or form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from domain.build import App
from domain.message import Block
from messages import notices
from messages.kit.blocks import context as context_block
from messages.kit.mrkdwn import code, join_facts
from messages.kit.views import ViewMetadata, app_option, field, search_select, text_element
from providers.buildio import action_ids
from providers.buildio.deploys.actions import DeployAction
from providers.buildio.deploys.form import APP, BRANCH, COMMIT, MESSAGE, Deploy, DeployForm, read_deploy
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.button_values import OptionalAppButton
from providers.buildio.shared.lookup import form_metadata
from services.actions import run
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug, find_app, find_channel_app
from services.request.forms import Form, FormSubmission, open_or_offer


@dataclass
class DeployAppForm(Form[ViewMetadata, DeployForm, Reply | None]):
    """Deploys an app; `previous` is the earlier deployment to repeat."""

    callback_id = action_ids.DEPLOY_MODAL
    title = "Deploy"
    error_field = APP
    read_origin = ViewMetadata.read
    read_input = staticmethod(read_deploy)

    app: App | None = None
    previous: Deploy | None = None

    @property
    def progress(self) -> str:
        """The sentence that names the app."""
        return f"Deploying {self.app.title if self.app is not None else '?'}…"

    @classmethod
    def read(cls, submission: FormSubmission) -> Self:
        """Read the deployment, with the title of the picked app."""
        form, title = super().read(submission), submission.values.picked_words(APP)
        form.app = App(provider=BUILDIO, slug=form.filled.app or "", title=title or "?")
        return form

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with its input."""
        form, previous = self.filled, self.previous or Deploy()
        before = join_facts(
            previous.branch and f"branch {code(previous.branch)}",
            previous.commit and f"commit {code(previous.commit)}",
        )
        return self.draw(
            *([context_block(f"Previous deployment: {before}")] if before else []),
            field(
                APP,
                "App",
                search_select(action_ids.PICK_APP, "Type part of its name", app_option(self.app)),
                optional=False,
            ),
            field(BRANCH, "Branch", text_element(form.branch, most=200, placeholder="main")),
            field(
                COMMIT,
                "Commit",
                text_element(form.commit, most=100, placeholder="1f3a9bc"),
                hint="Instead of a branch. Leave both empty to use Build.io's default.",
            ),
            field(MESSAGE, "Description", text_element(form.message, most=300, placeholder="What it's for")),
            submit="Deploy",
            problem=problem,
        )

    async def submit(self) -> Reply | None:
        """Deploy the app. Raises PermissionDenied, ProviderError."""
        app = await app_by_slug(self.context, self.filled.app or "", BUILDIO)
        return await start(app, self.filled, self.context)


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

    async def load() -> DeployAppForm:
        shown = app or await find_channel_app(context, BUILDIO)
        # Build.io takes a branch or a commit, not both. Prefer the branch: a fix is on its current head.
        branch = previous.branch if previous is not None else None
        commit = previous.commit if previous is not None and branch is None else None
        filled = DeployForm(branch=branch, commit=commit)
        return DeployAppForm(context, form_metadata(context), filled, shown, previous)

    value = OptionalAppButton().encode()
    button = notices.open_form_prompt("Fill in a form to deploy an app.", "Deploy…", action_ids.DEPLOY, value)
    return await open_or_offer(load, context, DeployAppForm.title, Reply(button))


COMMANDS = (
    CommandSpec(
        Deploy,
        "deploy",
        "Build and deploy an app. Without arguments, a form opens.",
        ("deploy shop branch:main", "deploy shop", 'deploy commit:1f3a9bc message:"the fix"', "deploy"),
        handler=deploy,
        notes=("Without a branch or commit, Build.io uses its default.",),
        usage="deploy [APP] [branch:… | commit:…] [message:…]",
        aliases=("build", "release", "start", "trigger"),
    ),
)
