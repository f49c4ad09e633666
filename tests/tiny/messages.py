"""Messages of Tiny CI."""

from __future__ import annotations

from collections.abc import Sequence

from domain.build import App, Build
from domain.message import Block, Message
from messages.kit.blocks import button, row, section
from messages.kit.mrkdwn import escape, mention
from tests.tiny.simulator import Job

RETRY, START = "tiny_retry", "tiny_start"
_RESULTS = {None: "is running", True: "passed", False: "failed"}


def retry_button(build: Build, app: App) -> Block:
    """Return the button that retries a job."""
    return button("Retry", RETRY, f"{app.slug} {build.number}")


def job_list(app: App, jobs: Sequence[Job]) -> Message:
    """List the jobs of a project, newest first."""
    lines = [f"• {escape(app.title)} #{job.number} {_RESULTS[job.passed]}" for job in reversed(jobs)]
    text = "\n".join(lines) or f"{escape(app.title)} has no jobs."
    return Message(text, [section(text), row(button("Start a job…", START, app.slug))])


def job_started(app: App, job: Job, *, by: str) -> Message:
    """Return the message to the channel that a user started a job."""
    text = f"{mention(by)} started {escape(app.title)} #{job.number}"
    return Message(text, [section(text)])
