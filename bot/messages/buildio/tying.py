"""Apps of Build.io that are tied to apps of Bitrise, whose builds can be deployed there."""

from __future__ import annotations

from collections.abc import Sequence

from bot.build import App, Frozen
from bot.messages.blocks import context, section
from bot.messages.buildio.pieces import COMMAND, name_of
from bot.messages.message import Message
from bot.messages.text import code, mention


class Tie(Frozen):
    """An app of Build.io, the app of Bitrise that it is tied to, and of which branch the builds are meant."""

    app: App
    bitrise: App
    branch: str | None = None


def tied(one: Tie, *, by: str) -> Message:
    """To the channel: builds of Bitrise offer to be deployed from now on."""
    text = f"{mention(by)} tied {_words(one)}"
    note = context("Its successful builds offer it on their cards here. Nothing is deployed by itself.")
    return Message(text, [section(f"🔗 {text}"), note])


def untied(ties: Sequence[Tie], app: App, *, by: str) -> Message:
    """To the channel: builds offer it no longer; `ties` are those that there were."""
    if not ties:
        text = f"{name_of(app)} is tied to no app of Bitrise here."
        return Message(text, [section(text), context(f"`{COMMAND} link APP to bitrise:APP` ties one.")])
    text = f"{mention(by)} untied {'; '.join(_words(one) for one in ties[:5])}"
    more = f" and {len(ties) - 5} more" if len(ties) > 5 else ""
    return Message(f"{text}{more}", [section(f"✂️ {text}{more}")])


def _words(one: Tie) -> str:
    branch = f", branch {code(one.branch)}" if one.branch else ""
    return f"{name_of(one.app, 100)} to Bitrise's {name_of(one.bitrise, 100)}{branch}"
