"""An app's processes, and what is done with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.build import App
from domain.message import Block, Message
from messages.kit import action_ids
from messages.kit.blocks import confirm, section
from messages.kit.mrkdwn import code, escape, format_duration, mention, plain
from providers.buildio.api.models import Dyno
from providers.buildio.processes.restart_form import restart_all_button
from providers.buildio.shared.blocks import app_name, button_row, fit_rows, join_facts, optional_button
from providers.buildio.shared.button_values import DynoButton, app_button_value

MOST_NAMED = 5


def dyno_list(app: App, dynos: Sequence[Dyno], *, now: datetime) -> Message:
    """Each process with its state, since when, how often it restarted, and a button to restart it."""
    if not dynos:
        words = f"{app_name(app)} has no processes now."
        return Message(words, [section(words), *_buttons(app)])
    down = [one for one in dynos if one.crashed]
    count = f"{len(dynos)} process{'es' if len(dynos) != 1 else ''}"
    head = f"*{app_name(app)}*: {count}" + (f", {len(down)} crashed" if down else "")
    # Those that crashed first: they are what somebody looks for.
    ordered = sorted(dynos, key=lambda one: not one.crashed)
    rows = fit_rows([[section(_line(one, now), _restart(app, one))] for one in ordered])
    spoken = ", ".join(f"{one.name} {one.state}" for one in dynos)
    return Message(escape(f"{app.title}: {spoken}", 2000), [section(head), *rows, *_buttons(app)])


def dyno_summary(dynos: Sequence[Dyno]) -> str:
    """How many of them are up and which have crashed, in a line."""
    if not dynos:
        return "None is running now."
    crashed = [code(one.name, 60) for one in dynos if one.crashed]
    some = f"{', '.join(crashed[:MOST_NAMED])}{' and others' if len(crashed) > MOST_NAMED else ''}"
    up = f"{sum(one.up is True for one in dynos)} of {len(dynos)} up"
    return join_facts(up, f"💥 crashed: {some}" if crashed else None)


def dynos_restarted(app: App, dyno: str | None, *, by: str) -> Message:
    """To the channel: somebody restarted a process, or all of them."""
    what = f"{code(dyno)} of {app_name(app)}" if dyno else f"all processes of {app_name(app)}"
    text = f"{mention(by)} restarted {what}"
    look = optional_button("Processes", action_ids.BUILDIO_PS, app_button_value(app))
    return Message(text, [section(f"🔁 {text}"), *button_row(look)])


def _line(one: Dyno, now: datetime) -> str:
    mark = "❌" if one.crashed else "✅" if one.up else "⏸️" if one.up is False else "❔"
    since = f"for {format_duration(max(now - one.since, timedelta(0)))}" if one.since else None
    again = f"{one.restarts} restart{'s' if one.restarts != 1 else ''}" if one.restarts is not None else None
    state = f"{mark} {code(one.name)} *{escape(one.state, 60)}*"
    line = join_facts(
        " ".join(part for part in (state, since) if part), again, one.size and escape(one.size, 60)
    )
    return f"{line}\n{code(one.command, 200)}" if one.command else line


def _restart(app: App, one: Dyno) -> Block | None:
    title = plain(app.title, 100)
    value = DynoButton.fitting(app=app.slug, dyno=one.name, title=title)
    question = confirm(
        "Restart it?", f"{plain(one.name, 100)} of {title} stops and starts again.", "Restart it"
    )
    label = f"Restart {one.name}"
    return optional_button("Restart", action_ids.BUILDIO_RESTART_ONE, value, confirm=question, label=label)


def _buttons(app: App) -> list[Block]:
    value = app_button_value(app)
    return button_row(
        optional_button("Refresh", action_ids.BUILDIO_PS_REFRESH, value),
        restart_all_button(app),
        optional_button("Run a command…", action_ids.BUILDIO_RUN, value),
    )
