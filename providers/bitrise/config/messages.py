"""bitrise.yml, as people see it."""

from __future__ import annotations

from domain.build import App, Build
from domain.message import Message
from messages import build_text
from messages.kit.blocks import context, paragraphs, section
from messages.kit.mrkdwn import escape
from providers.bitrise.config.bitrise_yml import YmlValidation

MOST_PROBLEMS = 10


def yml_comment(app: App, build: Build | None, verdict: YmlValidation | None) -> str:
    """What stands above the file."""
    return f"The bitrise.yml of {_whose(app, build)}. {_checked(verdict)}"


def yml_message(app: App, build: Build | None, verdict: YmlValidation | None) -> Message:
    """The file is there; what Bitrise finds wrong with it."""
    head = f"📨 The bitrise.yml of {_whose(app, build)} is in our direct messages. {_checked(verdict)}"
    problems = [] if verdict is None else [*verdict.errors, *verdict.warnings]
    lines = [f"• {escape(one, 300)}" for one in problems[:MOST_PROBLEMS]]
    note = context("Secrets that I recognise are taken out of the file. It can be changed in Bitrise only.")
    return Message(
        escape(f"{app.title}: {_checked(verdict)}", 500), [section(head), *paragraphs(lines), note]
    )


def _whose(app: App, build: Build | None) -> str:
    return (
        f"*{escape(app.title, 150)}* as it is now"
        if build is None
        else f"{build_text.build_link(build, app)}"
    )


def _checked(verdict: YmlValidation | None) -> str:
    if verdict is None:
        return "Bitrise did not check it."
    if verdict.errors:
        return f"❌ Bitrise finds {_count(len(verdict.errors), 'mistake')} in it."
    if verdict.warnings:
        return f"⚠️ Bitrise finds no mistake in it, but {_count(len(verdict.warnings), 'thing')} to mind."
    return "✅ Bitrise finds no mistake in it."


def _count(number: int, what: str) -> str:
    return f"one {what}" if number == 1 else f"{number} {what}s"
