"""One app of Build.io's: how it stands, and what can be done with it. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bot.build import App, Kind, State
from bot.buildio import BuildioApp, Deployment, Dyno
from bot.messages import actions
from bot.messages.blocks import button, context, link_button, row, section
from bot.messages.buttons import AppButton, BuildioButton
from bot.messages.kinds import UNKNOWN_OPEN, words_of
from bot.messages.message import Block, Message
from bot.messages.text import code, escape, link, plain, when

MOST_TYPES = 10
Style = Literal["primary", "danger"]


def app_card(app: App, shown: BuildioApp, dynos: Sequence[Dyno] | None) -> Message:
    """How the app stands; its dynos are None where they can't be seen."""
    places = [escape(one, 100) for one in (shown.region, shown.team, shown.namespace) if one]
    head = " · ".join([f"*{link(shown.web_url, app.title, 150)}*", *places])
    lines = [head, _deployment(shown.deployment), _dynos(dynos)]
    return Message(
        f"{escape(app.title)}: {_spoken(shown.deployment)}",
        [section("\n".join(lines)), *_small_print(shown), _buttons(app, shown)],
    )


def _deployment(one: Deployment | None) -> str:
    if one is None:
        return "Nothing has been deployed yet."
    symbol, words = _state(one)
    parts = [f"{symbol} {_name(one)} *{words}*"]
    of = f"of {code(one.branch)}" if one.branch else ""
    of += f" at {code(one.commit[:8])}" if one.commit else ""
    by = f"by {escape(one.by, 100)}" if one.by else ""
    at = one.finished_at or one.created_at
    parts += [part for part in (of.strip(), by, when(at) if at else "") if part]
    line = " · ".join(parts)
    if one.description:
        line += f"\n{escape(one.description, 300)}"
    if one.error and one.state is State.FAILED:
        line += f"\n> {escape(one.error, 600)}"
    return line


def _spoken(one: Deployment | None) -> str:
    return f"{_name(one)} {_state(one)[1]}." if one is not None else "nothing has been deployed yet."


def _name(one: Deployment) -> str:
    return f"deployment v{one.version}" if one.version is not None else "its deployment"


def _state(one: Deployment) -> tuple[str, str]:
    """The symbol and words of its state; a status that nobody knows is said as Build.io says it."""
    known = words_of(Kind.DEPLOYMENT).results.get(one.state)
    return known if known is not None else (UNKNOWN_OPEN[0], f"is {escape(one.status, 60)}")


def _dynos(dynos: Sequence[Dyno] | None) -> str:
    if dynos is None:
        return "Which of its processes run, I can't see."
    if not dynos:
        return "No process of it is running."
    types = list(dict.fromkeys(one.type for one in dynos))
    lines = [_of_type(one, [dyno for dyno in dynos if dyno.type == one]) for one in types[:MOST_TYPES]]
    left = len(types) - MOST_TYPES
    return "\n".join([*lines, *([f"and {left} more"] if left > 0 else [])])


def _of_type(name: str, dynos: Sequence[Dyno]) -> str:
    up = sum(one.up is True for one in dynos)
    counts = [f"{up} of {len(dynos)} up"]
    crashed = [one for one in dynos if one.crashed]
    if crashed:
        shown = ", ".join(code(one.name) for one in crashed[:5])
        counts.append(f"💥 {shown}{' and others' if len(crashed) > 5 else ''} crashed")
    return f"{code(name)} {', '.join(counts)}"


def _small_print(shown: BuildioApp) -> list[Block]:
    formation = ", ".join(
        f"{one.type}{f' × {one.quantity}' if one.quantity is not None else ''}{f' ({one.size})' if one.size else ''}"
        for one in shown.formation[:MOST_TYPES]
    )
    parts = (
        f"Formation: {escape(formation, 300)}" if formation else "",
        f"Buildpacks: {escape(', '.join(shown.buildpacks), 300)}" if shown.buildpacks else "",
        f"Stack: {escape(shown.stack, 60)}" if shown.stack else "",
    )
    said = " · ".join(part for part in parts if part)
    return [context(said)] if said else []


def _buttons(app: App, shown: BuildioApp) -> Block:
    value = BuildioButton(app=app.slug, title=plain(app.title, 100)).encode()

    def about(words: str, action_id: str, style: Style | None = None) -> Block:
        return button(words, action_id, value, style=style, label=f"{words} {app.title}")

    return row(
        about("Deploy…", actions.BUILDIO_DEPLOY, "primary"),
        about("Processes", actions.BUILDIO_PS),
        about("Restart…", actions.BUILDIO_RESTART),
        about("Refresh", actions.BUILDIO_REFRESH),
        button("Subscribe…", actions.SUBSCRIBE, AppButton.of(app).encode()),
        link_button("Open the app", shown.web_url, actions.OPEN_LINK),
    )
