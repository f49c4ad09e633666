"""Messages about a bitrise.yml."""

from __future__ import annotations

from domain.build import App, Build
from domain.message import Message
from messages import build_text
from messages.kit.blocks import context, paragraphs, section
from messages.kit.mrkdwn import escape
from providers.bitrise.api.config import YmlValidation

MAX_PROBLEMS = 10


def yml_comment(app: App, build: Build | None, validation: YmlValidation | None) -> str:
    """Render the text above the file."""
    return f"bitrise.yml of {_describe_source(app, build)}. {_summarize_validation(validation)}"


def yml_message(app: App, build: Build | None, validation: YmlValidation | None) -> Message:
    """Render the message that the file was sent, with the errors and warnings of its validation."""
    summary = _summarize_validation(validation)
    head = f"📨 bitrise.yml of {_describe_source(app, build)} sent to your DMs. {summary}"
    problems = [] if validation is None else [*validation.errors, *validation.warnings]
    lines = [f"• {escape(problem, 300)}" for problem in problems[:MAX_PROBLEMS]]
    note = context("Known secrets are redacted in the file. Edit it in Bitrise.")
    return Message(
        escape(f"{app.title}: {summary}", 500),
        [section(head), *paragraphs(lines), note],
    )


def _describe_source(app: App, build: Build | None) -> str:
    return (
        f"*{escape(app.title, 150)}* (current)" if build is None else f"{build_text.build_link(build, app)}"
    )


def _summarize_validation(validation: YmlValidation | None) -> str:
    if validation is None:
        return "Not validated by Bitrise."
    if validation.errors:
        return f"❌ Not valid: {_count(len(validation.errors), 'error')}"
    if validation.warnings:
        return f"⚠️ Valid, with {_count(len(validation.warnings), 'warning')}"
    return "✅ Valid"


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
