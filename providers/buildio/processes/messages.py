"""Messages about an app's processes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.build import App
from domain.message import Block, Message
from messages.kit.blocks import button_row, confirm, section, text_message
from messages.kit.mrkdwn import code, escape, format_duration, join_facts, mention, plain
from providers.buildio import action_ids
from providers.buildio.api.models import Dyno
from providers.buildio.processes.restart_form import restart_all_button
from providers.buildio.shared.blocks import app_name, fit_rows, optional_button
from providers.buildio.shared.button_values import DynoButton, app_button_value

MAX_NAMED = 5


def dyno_list(app: App, dynos: Sequence[Dyno], *, now: datetime) -> Message:
    """The processes with state, uptime, number of restarts, and a button to restart each."""
    if not dynos:
        return text_message(f"*{app_name(app)}* has no processes.", *_buttons(app))
    down = [dyno for dyno in dynos if dyno.crashed]
    count = f"{len(dynos)} process{'es' if len(dynos) != 1 else ''}"
    head = f"*{app_name(app)}*: {count}" + (f", {len(down)} crashed" if down else "")
    # Crashed ones first: people look for them.
    ordered = sorted(dynos, key=lambda dyno: not dyno.crashed)
    rows = fit_rows([[section(_line(dyno, now), _restart(app, dyno))] for dyno in ordered])
    summary = ", ".join(f"{dyno.name} {dyno.state}" for dyno in dynos)
    return Message(escape(f"{app.title}: {summary}", 2000), [section(head), *rows, *_buttons(app)])


def dyno_summary(dynos: Sequence[Dyno]) -> str:
    """Summarize in one line how many dynos are up and which have crashed."""
    if not dynos:
        return "None running"
    crashed = [code(dyno.name, 60) for dyno in dynos if dyno.crashed]
    names = f"{', '.join(crashed[:MAX_NAMED])}{' and others' if len(crashed) > MAX_NAMED else ''}"
    up = f"{sum(dyno.up is True for dyno in dynos)} of {len(dynos)} up"
    return join_facts(up, f"💥 crashed: {names}" if crashed else None)


def dynos_restarted(app: App, dyno: str | None, *, by: str) -> Message:
    """Channel message: one process or all of them were restarted."""
    target = f"{code(dyno)} of *{app_name(app)}*" if dyno else f"all processes of *{app_name(app)}*"
    text = f"{mention(by)} restarted {target}"
    show_processes = optional_button("View processes", action_ids.PS, app_button_value(app))
    return text_message(text, *button_row(show_processes), symbol="🔁")


def _line(dyno: Dyno, now: datetime) -> str:
    mark = "❌" if dyno.crashed else "✅" if dyno.up else "⏸️" if dyno.up is False else "❔"
    uptime = f"for {format_duration(max(now - dyno.since, timedelta(0)))}" if dyno.since else None
    restarts = (
        f"{dyno.restarts} restart{'s' if dyno.restarts != 1 else ''}" if dyno.restarts is not None else None
    )
    state = f"{mark} {code(dyno.name)} *{escape(dyno.state, 60)}*"
    line = join_facts(
        " ".join(part for part in (state, uptime) if part), restarts, dyno.size and escape(dyno.size, 60)
    )
    return f"{line}\n{code(dyno.command, 200)}" if dyno.command else line


def _restart(app: App, dyno: Dyno) -> Block | None:
    title = plain(app.title, 100)
    value = DynoButton.fitting(app=app.slug, dyno=dyno.name, title=title)
    question = confirm(
        "Restart this process?",
        f"{plain(dyno.name, 100)} of {title} stops and starts again. Work in progress stops.",
        "Restart",
    )
    label = f"Restart {dyno.name}"
    return optional_button("Restart", action_ids.RESTART_ONE, value, confirm=question, label=label)


def _buttons(app: App) -> list[Block]:
    value = app_button_value(app)
    return button_row(
        optional_button("Refresh", action_ids.PS_REFRESH, value),
        restart_all_button(app),
        optional_button("Run a command…", action_ids.RUN, value),
    )
