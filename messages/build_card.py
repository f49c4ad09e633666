"""The card of a build, lists of builds, and the rows of buttons below them. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from domain.build import App, Build, RunKind
from domain.build_filter import describe_filter
from domain.commands.shared_commands import ListBuilds
from domain.message import Block, Message
from domain.notifications.deploy_link import DeployLink
from messages import build_text
from messages.deploy_buttons import deploy_row
from messages.kit import action_ids
from messages.kit.blocks import button, button_row, context, link_button, more_note, paragraphs, row, section
from messages.kit.button_values import AppButton, BuildButton, ListButton
from messages.kit.mrkdwn import clock_time, code, cut_markup, escape, format_duration, join_facts, link, when
from messages.provider_presentation import ProviderPresentation


def open_button(build: Build, presentation: ProviderPresentation) -> Block | None:
    """Return the button that opens the build's page; None if it has none."""
    return link_button(presentation.fill_in(presentation.open_label), build.url, action_ids.OPEN_LINK)


def card_row(build: Build, app: App, presentation: ProviderPresentation) -> list[Block]:
    """Return the row of buttons below a card; empty if there is no button."""
    return button_row(*presentation.card_buttons(build, app), open_button(build, presentation))


def streak_row(
    build: Build, app: App, presentation: ProviderPresentation, *, claimed: bool, snoozed: bool
) -> list[Block]:
    """Return the row below the card of a failure streak. Anyone can take back a claim or a snooze."""
    value = BuildButton.of(build, app).encode()
    return button_row(
        button("Take over", action_ids.CARD_CLAIM, value)
        if claimed
        else button("I'm on it", action_ids.CARD_CLAIM, value, style="primary"),
        button("Unassign", action_ids.CARD_UNCLAIM, value) if claimed else None,
        button("End snooze", action_ids.CARD_UNSNOOZE, value)
        if snoozed
        else button("Snooze 4 hours", action_ids.CARD_SNOOZE, value),
        *presentation.streak_buttons(build, app),
        open_button(build, presentation),
    )


ROWS_WITH_BUTTONS = 10


def build_card(
    build: Build,
    app: App,
    *,
    presentation: ProviderPresentation,
    now: datetime,
    usual_duration: timedelta | None = None,
    deploy_links: Sequence[DeployLink] = (),
) -> Message:
    """Render a build's card: the build, its state, and its buttons.

    `presentation` is its provider's; `usual_duration` is how long builds like it take.
    """
    so_far = build_text.elapsed_text(build, now, usual_duration)
    as_of = f" {so_far.capitalize()}, as of {clock_time(now)}." if so_far else ""
    spoken = build_text.plain_summary(build, app) + as_of
    return Message(
        spoken,
        [
            section("\n".join(_describe_build(build, app, now, usual_duration))),
            *_small_print(build),
            *card_row(build, app, presentation),
            *deploy_row(build, app, deploy_links),
        ],
    )


def app_status(
    app: App,
    *,
    presentation: ProviderPresentation,
    running: Sequence[Build],
    last_by_branch: Sequence[Build],
    now: datetime,
    usual_durations: Mapping[str, timedelta] | None = None,
) -> Message:
    """Render what runs now, and each branch's last result. `usual_durations` are by build slug."""
    title = f"*{link(presentation.app_url(app.slug), app.title, 150)}*"
    counts = f"{len(running)} running or on hold" if running else "nothing is running"
    blocks = [section(f"{title}: {counts}")]
    blocks += [
        build_row(
            build,
            app,
            presentation=presentation,
            now=now,
            usual_duration=(usual_durations or {}).get(build.slug),
        )
        for build in running[:ROWS_WITH_BUTTONS]
    ]
    blocks += more_note(len(running) - ROWS_WITH_BUTTONS, f": `{app.provider.command} builds status:running`")
    if last_by_branch:
        lines = [f"{build_line(build, app)}{_ended_at(build)}" for build in last_by_branch]
        blocks += [section("*Latest result of each branch*"), *paragraphs(lines, max_blocks=2)]
    elif not running:
        blocks.append(context("No builds yet."))
    blocks.append(_app_buttons(app, presentation))
    spoken = " ".join(build_text.plain_summary(build, app) for build in [*running, *last_by_branch][:5])
    return Message(cut_markup(f"{escape(app.title)}: {counts}. {spoken}", 3500), blocks)


def build_list(
    app: App,
    builds: Sequence[Build],
    *,
    presentation: ProviderPresentation,
    command: ListBuilds,
    older: ListButton | None,
    now: datetime,
) -> Message:
    """Render a page of builds, each with a button for its card, and a button for the older ones, if there are any."""
    description = escape(describe_filter(command.filter), 500)
    if command.since:
        description += f" since {escape(command.since.text)}"
    if command.until:
        description += f" until {escape(command.until.text)}"
    title = f"*{link(presentation.app_url(app.slug), app.title, 150)}*: {description}, newest first"
    if not builds:
        more = "No matches among the builds searched so far." if older else "No builds found."
        return Message(
            f"{escape(app.title)}: {description}. {more}",
            [section(f"{title}\n{more}"), *_next_page_row(older)],
        )
    blocks = [section(title)]
    blocks += [build_row(build, app, presentation=presentation, now=now) for build in builds]
    spoken = " ".join(build_text.plain_summary(build, app) for build in builds)
    return Message(
        cut_markup(f"{escape(app.title)}, {len(builds)} builds. {spoken}", 3500),
        [*blocks, *_next_page_row(older)],
    )


def _describe_build(build: Build, app: App, now: datetime, usual: timedelta | None) -> list[str]:
    lines = [
        f"{build_text.build_symbol(build)} {build_text.build_link(build, app)} *{build_text.result_text(build)}*"
    ]
    if since := build_text.since_text(build):
        lines[0] += f" · {since}"
    if progress := build_text.progress_text(build, now, usual):
        lines.append(progress)
    if source := build_text.source_text(build):
        lines.append(source)
    if commit := build_text.commit_text(build):
        lines.append(commit)
    if (stopped := build_text.abort_text(build)) is not None:
        lines.append(escape(stopped, 700))
    return lines


def _small_print(build: Build) -> list[Block]:
    texts = [code(build.label)] if build.label else []  # can be copied into a command
    if spent := build_text.duration_texts(build):
        texts.append("⏱️ " + " · ".join(spent))
    began = "Detected" if build.kind is RunKind.DYNO else "Started"
    started = f"{began} by {escape(by)}" if (by := build_text.starter_text(build.triggered_by)) else began
    if build.triggered_at:
        started += f" {when(build.triggered_at)}"
    if started != began:
        texts.append(started)
    return [context(*texts)] if texts else []


def build_line(build: Build, app: App) -> str:
    """Render a build in a line: its name, state and source."""
    return join_facts(
        f"{build_text.build_symbol(build)} {build_text.build_link(build, app)} {build_text.result_text(build)}",
        build_text.source_text(build),
    )


def build_row(
    build: Build,
    app: App,
    *,
    presentation: ProviderPresentation,
    now: datetime,
    usual_duration: timedelta | None = None,
) -> Block:
    """Render a build in a line, with a button for its card, and its progress or when it ended."""
    more = _ended_at(build) or progress_line(build, now, usual_duration)
    return section(build_line(build, app) + more, presentation.details_button(build, app))


def progress_line(build: Build, now: datetime, usual_duration: timedelta | None) -> str:
    """Return the progress of an open build on a line of its own; empty for one that has ended."""
    progress = build_text.progress_text(build, now, usual_duration)
    return f"\n{progress}" if progress else ""


def _ended_at(build: Build) -> str:
    if build.finished_at is None:
        return ""
    spent = ""
    if build.triggered_at and build.kind is not RunKind.DYNO:
        spent = f", took {format_duration(build.finished_at - build.triggered_at)}"
    return f" · {when(build.finished_at)}{spent}"


def _next_page_row(older: ListButton | None) -> list[Block]:
    if older is None:
        return []
    value = older.encode()
    if len(value) > 2000:
        return [context(f"There are more builds. Narrow the list, for example with {code('since:2d')}.")]
    return [row(button("Show older builds", action_ids.BUILDS_NEXT, value))]


def _app_buttons(app: App, presentation: ProviderPresentation) -> Block:
    value = AppButton.of(app).encode()
    return row(
        button("Start a build…", action_ids.START_BUILD, value),
        button("Subscribe…", action_ids.SUBSCRIBE, value),
        link_button(f"Open in {presentation.label}", presentation.app_url(app.slug), action_ids.OPEN_LINK),
    )
