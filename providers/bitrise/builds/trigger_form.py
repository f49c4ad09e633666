"""The modal that starts a build."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from domain.build import App
from domain.commands.trigger_build import TriggerBuild
from domain.message import Block
from messages.kit import action_ids as shared_action_ids
from messages.kit.blocks import button, context, plain_text, row, section
from messages.kit.mrkdwn import escape
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import (
    FormValues,
    app_option,
    field,
    is_pickable,
    matching_names,
    modal,
    option,
    search_select,
    text_element,
    warning,
)
from providers.bitrise import action_ids

START_TITLE = "Start a build"
APP = "app"
BRANCH = "branch"
BUILDABLE = "buildable"
TAG = "tag"
COMMIT = "commit"
MESSAGE = "message"
VARIABLE = "variable_"
_ROW = re.compile(VARIABLE + r"(\d{1,4})")
MAX_VARIABLES = 20
LONGEST_VARIABLE = 3000
_WORKFLOW, _PIPELINE = "w:", "p:"
MAX_NAMES_PER_KIND = 50


class StartOrigin(ViewMetadata):
    """View metadata with the numbers of the rows for variables, in order."""

    rows: tuple[int, ...] = ()

    def with_rows_in(self, values: Mapping[str, Any]) -> StartOrigin:
        """Return the metadata with the rows found in the form's values if it has none.

        Forms opened before forms were signed have no rows in their metadata; what was typed there must not be lost.
        """
        if self.rows:
            return self
        numbers = sorted(int(match[1]) for name in values if (match := _ROW.fullmatch(name)))
        return self.model_copy(update={"rows": tuple(numbers[:MAX_VARIABLES])})

    def with_row(self) -> StartOrigin:
        """Return the metadata with one more row."""
        return self.model_copy(update={"rows": (*self.rows, max(self.rows, default=0) + 1)})

    def without_row(self, number: int) -> StartOrigin:
        """Return the metadata without this row."""
        return self.model_copy(update={"rows": tuple(row for row in self.rows if row != number)})


class StartForm(TriggerBuild):
    """The form's content: the fields of the command, and the variables as they were typed, by row."""

    variables: Mapping[int, str] = {}

    @classmethod
    def of(cls, command: TriggerBuild) -> StartForm:
        """Make the form's content from a command; each variable is a row."""
        variables = {row: f"{key}={value}" for row, (key, value) in enumerate(command.environments, 1)}
        return cls(**command.model_dump(exclude={"environments"}), variables=variables)


def start_modal(
    form: StartForm,
    app: App | None,
    *,
    origin: StartOrigin,
    problem: str | None = None,
    remembered: bool = False,
) -> Block:
    """Render the modal with the form's content; `remembered`: the content is what the user started last time."""
    initial_app = app_option(app)
    note = [context("This is what you started last time. Change what you like.")] if remembered else []
    blocks = [
        *warning(problem),
        *note,
        field(
            APP,
            "App",
            search_select(shared_action_ids.PICK_APP, "Type a part of its name", initial_app),
            optional=False,
            dispatch=True,
        ),
        field(
            BRANCH,
            "Branch",
            search_select(
                shared_action_ids.PICK_BRANCH, "Type a part of its name", _branch_option(form.branch)
            ),
        ),
        field(
            BUILDABLE,
            "Workflow or pipeline",
            search_select(
                action_ids.PICK_BUILDABLE, "None picked: what the app's triggers say", _picked_target(form)
            ),
        ),
        field(TAG, "Tag", text_element(form.tag, most=200, placeholder="v2.1.0")),
        field(COMMIT, "Commit", text_element(form.commit, most=64, placeholder="None given: the newest one")),
        field(MESSAGE, "Message", text_element(form.message, most=300, placeholder="What this build is for")),
        *(block for number in origin.rows for block in _variable_row(number, form.variables.get(number))),
        row(button("Add a variable", action_ids.START_ADD_VARIABLE, "add"))
        if len(origin.rows) < MAX_VARIABLES
        else context(f"There is room for {MAX_VARIABLES} variables."),
    ]
    return modal(
        START_TITLE,
        blocks,
        callback_id=action_ids.START_MODAL,
        private_metadata=origin.encode(),
        submit="Start",
        close="Cancel",
    )


def read_start(values: Mapping[str, Any], origin: StartOrigin) -> StartForm:
    """Read the form. `values` is the view's state as Slack sends it."""
    form_values = FormValues(values)
    buildable = form_values.picked(BUILDABLE) or ""
    return StartForm(
        app=form_values.picked(APP),
        branch=form_values.picked(BRANCH),
        workflow=buildable.removeprefix(_WORKFLOW) if buildable.startswith(_WORKFLOW) else None,
        pipeline=buildable.removeprefix(_PIPELINE) if buildable.startswith(_PIPELINE) else None,
        tag=form_values.text(TAG).strip() or None,
        commit=form_values.text(COMMIT).strip() or None,
        message=form_values.text(MESSAGE).strip() or None,
        variables={number: form_values.text(f"{VARIABLE}{number}") for number in origin.rows},
    )


def buildable_options(typed: str, workflows: Sequence[str], pipelines: Sequence[str]) -> list[Block]:
    """Return option groups that match the typed text; the text itself is offered as a workflow too if it is unknown."""
    name_typed = typed.strip()
    groups = [
        (
            "Pipelines",
            [
                _target_option(_PIPELINE, name)
                for name in matching_names(typed, pipelines, most=MAX_NAMES_PER_KIND)
            ],
        ),
        (
            "Workflows",
            [
                _target_option(_WORKFLOW, name)
                for name in matching_names(typed, workflows, most=MAX_NAMES_PER_KIND)
            ],
        ),
    ]
    if name_typed and name_typed not in (*workflows, *pipelines):
        groups.append(("As typed", [_target_option(_WORKFLOW, name_typed)]))
    valid_groups = [(label, [item for item in options if item is not None]) for label, options in groups]
    return [
        {"label": plain_text(label, 75), "options": options} for label, options in valid_groups if options
    ]


def trigger_in_progress(app: App) -> Block:
    """Render the modal while Bitrise takes long."""
    return _status_modal(section(f"⏳ Starting a build of *{escape(app.title, 200)}*…"))


def start_done(app: App) -> Block:
    """Render the modal after a slow start succeeded."""
    return _status_modal(section(f"▶️ A build of *{escape(app.title, 200)}* was started."))


def trigger_failed(problem: str) -> Block:
    """Render the modal after a start failed in a way that trying again does not fix."""
    return _status_modal(section(f"⚠️ {escape(problem, 2000)}"))


def _status_modal(block: Block) -> Block:
    return modal(
        START_TITLE,
        [block],
    )


def _variable_row(number: int, typed: str | None) -> list[Block]:
    element = text_element(typed, most=LONGEST_VARIABLE, placeholder="NAME=value")
    remove = button(
        "Remove", action_ids.START_REMOVE_VARIABLE, str(number), label=f"Remove variable {number}"
    )
    return [field(f"{VARIABLE}{number}", f"Variable {number}", element), row(remove)]


def _branch_option(name: str | None) -> Block | None:
    return option(name, name) if name is not None and is_pickable(name) else None


def _picked_target(form: StartForm) -> Block | None:
    if form.pipeline:
        return _target_option(_PIPELINE, form.pipeline)
    return _target_option(_WORKFLOW, form.workflow) if form.workflow else None


def _target_option(kind: str, name: str) -> Block | None:
    return option(name, kind + name) if name.strip() and is_pickable(kind + name) else None
