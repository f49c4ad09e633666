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
    return f"The bitrise.yml of {_describe_source(app, build)}. {_summarize_validation(validation)}"


def yml_message(app: App, build: Build | None, validation: YmlValidation | None) -> Message:
    """Render the message that the file was sent, with the errors and warnings of its validation."""
    summary = _summarize_validation(validation)
    head = f"📨 The bitrise.yml of {_describe_source(app, build)} is in our direct messages. {summary}"
    problems = [] if validation is None else [*validation.errors, *validation.warnings]
    lines = [f"• {escape(problem, 300)}" for problem in problems[:MAX_PROBLEMS]]
    note = context("Secrets that I recognise are taken out of the file. It can be changed in Bitrise only.")
    return Message(
        escape(f"{app.title}: {summary}", 500),
        [section(head), *paragraphs(lines), note],
    )


def _describe_source(app: App, build: Build | None) -> str:
    return (
        f"*{escape(app.title, 150)}* as it is now"
        if build is None
        else f"{build_text.build_link(build, app)}"
    )


def _summarize_validation(validation: YmlValidation | None) -> str:
    if validation is None:
        return "Bitrise did not check it."
    if validation.errors:
        return f"❌ Bitrise finds {_count(len(validation.errors), 'mistake')} in it."
    if validation.warnings:
        return f"⚠️ Bitrise finds no mistake in it, but {_count(len(validation.warnings), 'thing')} to mind."
    return "✅ Bitrise finds no mistake in it."


def _count(number: int, noun: str) -> str:
    return f"one {noun}" if number == 1 else f"{number} {noun}s"
