"""The modal in which a build is started."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from domain.build import App
from domain.commands.trigger_build import TriggerBuild
from domain.message import Block
from messages.kit import action_ids
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

START_TITLE = "Start a build"
APP = "app"
BRANCH = "branch"
BUILDABLE = "buildable"
TAG = "tag"
COMMIT = "commit"
MESSAGE = "message"
VARIABLE = "variable_"
_ROW = re.compile(VARIABLE + r"(\d{1,4})")
MOST_VARIABLES = 20
LONGEST_VARIABLE = 3000
_WORKFLOW, _PIPELINE = "w:", "p:"
MOST_OF_A_KIND = 50


class StartOrigin(ViewMetadata):
    """Also the numbers of the rows with variables, in their order."""

    rows: tuple[int, ...] = ()

    def with_rows_in(self, values: Mapping[str, Any]) -> StartOrigin:
        """Take the rows from what is filled in, where the form brings no state of its own.

        That is so of a form that was opened before forms were signed; what was typed into it must not get lost.
        """
        if self.rows:
            return self
        numbers = sorted(int(found[1]) for name in values if (found := _ROW.fullmatch(name)))
        return self.model_copy(update={"rows": tuple(numbers[:MOST_VARIABLES])})

    def with_row(self) -> StartOrigin:
        """One more row."""
        return self.model_copy(update={"rows": (*self.rows, max(self.rows, default=0) + 1)})

    def without_row(self, number: int) -> StartOrigin:
        """One row less."""
        return self.model_copy(update={"rows": tuple(row for row in self.rows if row != number)})


class StartForm(TriggerBuild):
    """What is filled in: the order as far as it is one, and the variables as they were typed, by row."""

    variables: Mapping[int, str] = {}

    @classmethod
    def of(cls, command: TriggerBuild) -> StartForm:
        """The form that asks for this; each variable is a row."""
        typed = {row: f"{key}={value}" for row, (key, value) in enumerate(command.environments, 1)}
        return cls(**command.model_dump(exclude={"environments"}), variables=typed)


def start_modal(
    form: StartForm,
    app: App | None,
    *,
    origin: StartOrigin,
    problem: str | None = None,
    remembered: bool = False,
) -> Block:
    """The modal with what is filled in so far; `remembered`: from last time."""
    chosen = app_option(app)
    note = [context("This is what you started last time. Change what you like.")] if remembered else []
    blocks = [
        *warning(problem),
        *note,
        field(
            APP,
            "App",
            search_select(action_ids.PICK_APP, "Type a part of its name", chosen),
            optional=False,
            dispatch=True,
        ),
        field(
            BRANCH,
            "Branch",
            search_select(action_ids.PICK_BRANCH, "Type a part of its name", _named(form.branch)),
        ),
        field(
            BUILDABLE,
            "Workflow or pipeline",
            search_select(
                action_ids.PICK_BUILDABLE, "None picked: what the app's triggers say", _buildable(form)
            ),
        ),
        field(TAG, "Tag", text_element(form.tag, most=200, placeholder="v2.1.0")),
        field(COMMIT, "Commit", text_element(form.commit, most=64, placeholder="None given: the newest one")),
        field(MESSAGE, "Message", text_element(form.message, most=300, placeholder="What this build is for")),
        *(block for number in origin.rows for block in _variable(number, form.variables.get(number))),
        row(button("Add a variable", action_ids.START_ADD_VARIABLE, "add"))
        if len(origin.rows) < MOST_VARIABLES
        else context(f"There is room for {MOST_VARIABLES} variables."),
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
    """What was filled in. `values` is the view's state as Slack sends it."""
    filled = FormValues(values)
    buildable = filled.picked(BUILDABLE) or ""
    return StartForm(
        app=filled.picked(APP),
        branch=filled.picked(BRANCH),
        workflow=buildable.removeprefix(_WORKFLOW) if buildable.startswith(_WORKFLOW) else None,
        pipeline=buildable.removeprefix(_PIPELINE) if buildable.startswith(_PIPELINE) else None,
        tag=filled.text(TAG).strip() or None,
        commit=filled.text(COMMIT).strip() or None,
        message=filled.text(MESSAGE).strip() or None,
        variables={number: filled.text(f"{VARIABLE}{number}") for number in origin.rows},
    )


def buildable_options(typed: str, workflows: Sequence[str], pipelines: Sequence[str]) -> list[Block]:
    """Groups of options for what was typed; what was typed itself too, for a workflow that I don't know of."""
    wanted = typed.strip()
    groups = [
        (
            "Pipelines",
            [_kind(_PIPELINE, name) for name in matching_names(typed, pipelines, most=MOST_OF_A_KIND)],
        ),
        (
            "Workflows",
            [_kind(_WORKFLOW, name) for name in matching_names(typed, workflows, most=MOST_OF_A_KIND)],
        ),
    ]
    if wanted and wanted not in (*workflows, *pipelines):
        groups.append(("As typed", [_kind(_WORKFLOW, wanted)]))
    offered = [(label, [one for one in options if one is not None]) for label, options in groups]
    return [{"label": plain_text(label, 75), "options": options} for label, options in offered if options]


def trigger_in_progress(app: App) -> Block:
    """Bitrise takes its time."""
    return _closing(section(f"⏳ Starting a build of *{escape(app.title, 200)}*…"))


def start_done(app: App) -> Block:
    """It took its time, and it is done."""
    return _closing(section(f"▶️ A build of *{escape(app.title, 200)}* was started."))


def trigger_failed(problem: str) -> Block:
    """It was not done, and to ask again would not help."""
    return _closing(section(f"⚠️ {escape(problem, 2000)}"))


def _closing(block: Block) -> Block:
    return modal(
        START_TITLE,
        [block],
    )


def _variable(number: int, typed: str | None) -> list[Block]:
    element = text_element(typed, most=LONGEST_VARIABLE, placeholder="NAME=value")
    remove = button(
        "Remove", action_ids.START_REMOVE_VARIABLE, str(number), label=f"Remove variable {number}"
    )
    return [field(f"{VARIABLE}{number}", f"Variable {number}", element), row(remove)]


def _named(name: str | None) -> Block | None:
    return option(name, name) if name is not None and is_pickable(name) else None


def _buildable(form: StartForm) -> Block | None:
    if form.pipeline:
        return _kind(_PIPELINE, form.pipeline)
    return _kind(_WORKFLOW, form.workflow) if form.workflow else None


def _kind(kind: str, name: str) -> Block | None:
    return option(name, kind + name) if name.strip() and is_pickable(kind + name) else None
