"""Deployments: what can be typed after `deploy`, the form, and the message in the channel."""

from __future__ import annotations

from collections.abc import Mapping

from domain.build import App
from domain.commands.command import AppArgument, ArgumentReader, Command, OptionArgument
from domain.git_refs import InvalidBranch, branch_name
from domain.message import Block, RunNote
from messages.kit.blocks import button_row
from messages.kit.mrkdwn import code, escape, link
from messages.kit.views import FormValues
from providers.buildio import action_ids
from providers.buildio.api.models import StartedBuild
from providers.buildio.shared.blocks import optional_button
from providers.buildio.shared.button_values import app_button_value
from services.request.forms import CheckedInput


class Deploy(Command):
    """Build an app and release it; without any argument, the form is opened."""

    app: AppArgument = None
    branch: OptionArgument = None
    commit: OptionArgument = None
    message: OptionArgument = None

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> Deploy:
        """Parse the fields. Access rules check the branch; beside a commit, it would not be what is built."""
        command = super().parse(arguments)
        if command.branch is not None and command.commit is not None:
            arguments.fail("Give a branch or a commit, not both.")
        return command

    @property
    def names_something(self) -> bool:
        """Return whether there is any argument (reference, "Builds": branch, commitish, description are optional)."""
        return any((self.app, self.branch, self.commit, self.message))


APP, BRANCH, COMMIT, MESSAGE = "app", "branch", "commit", "message"


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
    branch = f" from {code(command.branch)}" if command.branch else ""
    commit = f" at {code(command.commit[:12])}" if command.commit else ""
    why = f"\n{escape(command.message, 500)}" if command.message else ""
    app_link = f"*{link(started.url, app.title, 150)}*"
    said = f"started deploying {app_link}{version}{branch}{commit}{why}"
    return RunNote(by=by, symbol="🚀", said=said)


def deployment_row(app: App) -> list[Block]:
    """Return the buttons below a deployment that was just requested."""
    return button_row(optional_button("View app", action_ids.APP, app_button_value(app)))


def read_deploy(values: FormValues) -> DeployForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    return DeployForm(
        app=values.picked(APP),
        branch=values.text(BRANCH).strip() or None,
        commit=values.text(COMMIT).strip() or None,
        message=values.text(MESSAGE).strip() or None,
    )
