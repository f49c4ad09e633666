"""The form for a deployment, and the message in the channel."""

from __future__ import annotations

from collections.abc import Mapping

from domain.build import App
from domain.git_refs import InvalidBranch, branch_name
from domain.message import Block
from domain.message_state import RunNote
from messages.kit.blocks import context
from messages.kit.mrkdwn import code, escape, link
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import FormValues, app_option, field, modal, search_select, text_element, warning
from providers.buildio import action_ids
from providers.buildio.api.models import StartedBuild
from providers.buildio.deploys.deploy_syntax import Deploy
from providers.buildio.shared.blocks import button_row, join_facts, optional_button
from providers.buildio.shared.button_values import app_button_value
from services.request.forms import CheckedInput

APP, BRANCH, COMMIT, MESSAGE = "app", "branch", "commit", "message"
TITLE = "Deploy"


class DeployForm(Deploy, CheckedInput):
    """The input of the form."""

    @property
    def problems(self) -> Mapping[str, str]:
        """Return errors by field."""
        errors = {} if self.app else {APP: "Pick an app."}
        if self.branch and self.commit:
            errors[COMMIT] = "Give a branch or a commit, not both."
        try:
            branch_name(self.branch or "main")
        except InvalidBranch as problem:
            errors[BRANCH] = str(problem)
        return errors


def deployment_requested(app: App, command: Deploy, started: StartedBuild, *, by: str) -> RunNote:
    """Run note: a person deploys an app, what and why."""
    version = f" v{started.version}" if started.version is not None else ""
    source = join_facts(
        command.branch and f"branch {code(command.branch)}",
        command.commit and f"commit {code(command.commit[:12])}",
    )
    why = f"\n{escape(command.message, 500)}" if command.message else ""
    app_link = f"*{link(started.url, app.title, 150)}*"
    said = f"deploys {app_link}{version}{f' · {source}' if source else ''}{why}"
    return RunNote(by=by, symbol="🚀", said=said)


def deployment_row(app: App) -> list[Block]:
    """Return the buttons below a deployment that was just requested."""
    return button_row(optional_button("How it stands", action_ids.APP, app_button_value(app)))


def deploy_modal(
    form: DeployForm,
    app: App | None,
    *,
    origin: ViewMetadata,
    problem: str | None = None,
    previous: Deploy | None = None,
) -> Block:
    """Build the form for a deployment with the input so far; `previous` is the earlier deployment to repeat."""
    before = join_facts(
        (previous is not None and previous.branch and f"branch {code(previous.branch)}") or None,
        (previous is not None and previous.commit and f"commit {code(previous.commit)}") or None,
    )
    return modal(
        TITLE,
        [
            *warning(problem),
            *([context(f"Deployed before: {before}")] if before else []),
            field(
                APP,
                "App",
                search_select(action_ids.PICK_APP, "Type a part of its name", app_option(app)),
                optional=False,
            ),
            field(BRANCH, "Branch", text_element(form.branch, most=200, placeholder="main")),
            field(
                COMMIT,
                "Commit",
                text_element(form.commit, most=100, placeholder="1f3a9bc"),
                hint="Instead of a branch. With neither, Build.io takes what it takes by itself.",
            ),
            field(
                MESSAGE, "Description", text_element(form.message, most=300, placeholder="What this is for")
            ),
        ],
        callback_id=action_ids.DEPLOY_MODAL,
        private_metadata=origin.encode(),
        submit="Deploy",
        close="Cancel",
    )


def read_deploy(values: FormValues) -> DeployForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    return DeployForm(
        app=values.picked(APP),
        branch=values.text(BRANCH).strip() or None,
        commit=values.text(COMMIT).strip() or None,
        message=values.text(MESSAGE).strip() or None,
    )
