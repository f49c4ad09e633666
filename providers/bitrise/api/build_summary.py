"""Bitrise's own summaries of a build's steps and of its failure. Their format is not published.

So everything may be missing, and what can't be parsed counts as missing (Bitrise's MCP server, `get_build_steps`; API
v0.1, `build-ai-summary`). Pure; no I/O.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ValidationError

from domain.log.log_parser import Step, StepResult
from providers.http.field_parsing import Maybe, MaybeSlug, Text, Time

_RESULTS = {
    "success": StepResult.SUCCEEDED,
    "failed": StepResult.FAILED,
    "skipped": StepResult.SKIPPED,
    "skipped_with_run_if": StepResult.SKIPPED,
    "aborted": StepResult.ABORTED,
    "in_progress": StepResult.RUNNING,
    "running": StepResult.RUNNING,
}
# Fields that may contain the summary's text.
_SUMMARY_FIELDS = ("summary", "ai_summary", "message", "content", "text", "markdown")


class ErrorItem(BaseModel):
    """An error of a step."""

    message: Text = None


class StepItem(BaseModel):
    """A step in the summary of a log."""

    uuid: MaybeSlug = None
    step_id: Text = None
    title: Text = None
    version: Text = None
    status: Text = None
    started_at: Time = None
    finished_at: Time = None
    errors: Maybe[list[ErrorItem]] = None

    def as_step(self, number: int) -> Step:
        """Convert it to a Step."""
        took = self.finished_at - self.started_at if self.started_at and self.finished_at else None
        name = self.title or self.step_id or "a step"
        return Step(
            number=number,
            title=f"{name}@{self.version}" if self.version and "@" not in name else name,
            result=_RESULTS.get(self.status or "", StepResult.OTHER),
            took=max(took, timedelta(0)) if took is not None else None,
            uuid=self.uuid,
            error=next((error.message for error in self.errors or [] if error.message), None),
        )


class WorkflowItem(BaseModel):
    """A workflow with its steps."""

    steps: Maybe[list[StepItem]] = None


class ExecutionItem(BaseModel):
    """The execution in the summary of a log."""

    workflows: Maybe[list[WorkflowItem]] = None


class SummaryItem(BaseModel):
    """The summary of a log."""

    execution: Maybe[ExecutionItem] = None


def parse_steps(body: bytes) -> tuple[Step, ...]:
    """Parse the steps of a log's summary, in order; empty if there are none or they can't be parsed."""
    try:
        execution = SummaryItem.model_validate_json(body).execution
    except ValidationError:
        return ()
    items = [
        step
        for workflow in (execution.workflows if execution else None) or []
        for step in workflow.steps or []
    ]
    return tuple(item.as_step(number) for number, item in enumerate(items, 1))


def parse_ai_summary(body: bytes) -> str | None:
    """Extract the text of an AI summary from whichever field has it; None if there is none."""
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    while isinstance(content, dict):
        content = next(
            (
                content[name]
                for name in ("data", *_SUMMARY_FIELDS)
                if isinstance(content.get(name), str | dict)
            ),
            None,
        )
    return content.strip() or None if isinstance(content, str) else None
