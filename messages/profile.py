"""Messages about one person: their builds and their settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.build import App, Build
from domain.message import Message
from domain.provider import Provider
from messages.build_card import build_row
from messages.build_text import plain_summary
from messages.kit.blocks import context, section, text_message
from messages.kit.mrkdwn import code, cut_markup, escape
from messages.provider_presentation import ProviderPresentation

MAX_BUILDS = 15
MENTIONS = "Mentions when your build fails"
DIRECT_MESSAGES = "Direct messages when your builds finish"


def own_builds(
    builds: Sequence[tuple[Build, App]],
    *,
    presentation: ProviderPresentation,
    name: str | None,
    looked_at: int,
    now: datetime,
    ends: bool = False,
) -> Message:
    """List a person's own builds, running ones first; `ends`: they are notified already when these end."""
    command = presentation.command
    hints = (
        []
        if name
        else [f"`{command} me name:NAME` sets the name that {presentation.label} shows with your builds."]
    )
    if name and not ends:
        hints.append(f"`{command} me ends:on` sends you a direct message when your builds finish.")
    below = [context(*hints)] if hints else []
    if not builds:
        return text_message(f"You have no recent builds{f' as {code(name)}' if name else ''}.", *below)
    blocks = [section(f"*Your builds* among the last {looked_at}")]
    blocks += [
        build_row(build, app, presentation=presentation, now=now) for build, app in builds[:MAX_BUILDS]
    ]
    spoken = " ".join(plain_summary(build, app) for build, app in builds[:MAX_BUILDS])
    return Message(cut_markup(f"Your builds: {spoken}", 3500), [*blocks, *below])


def profile_card(
    *, provider: Provider, name: str | None, email: str | None, mention: bool, ends: bool
) -> Message:
    """Show a person's profile: their names, and what they are notified of."""
    names = "".join(f"by {code(known)}, " for known in (name, email) if known)
    lines = [
        f"Your builds: {names}and those you start from Slack."
        if names
        else "Your builds: those you start from Slack.",
        *([] if name else [f"Your {provider.label} name isn't set."]),
        notification_setting(mention, MENTIONS),
        notification_setting(ends, DIRECT_MESSAGES),
    ]
    text = "\n".join(lines)
    return text_message(
        text, context(f"`{provider.command} me name:NAME mention:on ends:on` changes these settings.")
    )


def notification_setting(enabled: bool, what: str) -> str:
    """Say whether a person is notified of something."""
    return f"🔔 {what}: on" if enabled else f"🔕 {what}: off"


def end_notification_set(build: Build, app: App) -> Message:
    """Confirm that the person will be notified when the build ends."""
    return text_message(f"🔔 You'll get a direct message when {escape(app.title)} {build.label} finishes.")
