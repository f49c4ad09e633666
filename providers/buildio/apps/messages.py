"""Messages about apps: the list and the card of one."""

from __future__ import annotations

from collections.abc import Sequence

from domain.message import Block, Message
from messages.build_text import state_symbol
from messages.kit import action_ids as shared_action_ids
from messages.kit.blocks import (
    button_row,
    context,
    first_lines,
    link_button,
    page_row,
    paragraphs,
    section,
    text_message,
)
from messages.kit.button_values import AppButton
from messages.kit.mrkdwn import code, cut_markup, escape, join_facts, link, mention, plain, when
from providers.buildio import action_ids
from providers.buildio.api.models import BuildioApp, Deployment, Dyno, ProcessFormation
from providers.buildio.config_vars.messages import ConfigVarOwner
from providers.buildio.processes.messages import dyno_summary
from providers.buildio.processes.restart_form import restart_all_button
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.blocks import COMMAND, app_name, fit_rows, optional_button
from providers.buildio.shared.button_values import BuildioAppListButton, app_button_value

MAX_FORMATIONS = 12
MAX_BUILDPACKS = 8


def app_list(
    apps: Sequence[BuildioApp], *, total: int, page: int, size: int, team: str | None = None
) -> Message:
    """A page of the apps, each with a button for its card; `team` is set if they are those of one team."""
    of = f" of {escape(team, 100)}" if team else ""
    if not apps:
        text = "There is no such page." if total else f"No apps{of} that you can see at Build.io."
        return text_message(text, *_create_buttons())
    pages = -(-total // size)
    title = f"*{total} app{'s' if total != 1 else ''}{of}*"
    title += f", page {page} of {pages}" if pages > 1 else ""
    blocks = [section(title), *fit_rows([[_row(app)] for app in apps[:size]])]
    blocks += page_row(
        page, pages, action_ids.APPS_PAGE, lambda number: BuildioAppListButton.fitting(page=number, team=team)
    )
    blocks.append(context(f"`{COMMAND} use APP` sets this channel's default app."))
    return Message(escape(f"{total} apps: {', '.join(app.name for app in apps)}", 2000), blocks)


def app_card(app: BuildioApp, dynos: Sequence[Dyno] | None = None) -> Message:
    """The card of an app: its deployment, processes, details and buttons.

    `dynos` is None if they can't be seen.
    """
    return Message(
        _summary(app),
        [section("\n".join(_head(app))), *_processes(app, dynos), *_details(app), *_buttons(app)],
    )


def app_created(app: BuildioApp, *, by: str) -> Message:
    """Channel message: an app was created."""
    text = f"{mention(by)} created the app *{app_name(app.as_app())}*"
    details = join_facts(app.team and f"for {escape(app.team, 100)}", app.region and f"in {code(app.region)}")
    said = f"🆕 {mention(by)} created the app *{link(app.web_url, app.name, 150)}* {details}".rstrip()
    deploy = optional_button("Deploy…", action_ids.DEPLOY, app_button_value(app.as_app()), style="primary")
    return Message(
        text,
        [
            section(said),
            *button_row(
                deploy,
                optional_button("View config", action_ids.VARS, ConfigVarOwner.of_app(app.as_app()).value()),
            ),
        ],
    )


def describe_deployment(deployment: Deployment) -> str:
    """Describe a deployment in one line: our symbol and Build.io's own status."""
    version = f"v{deployment.version} " if deployment.version is not None else ""
    return f"{state_symbol(deployment.state)} {version}*{escape(deployment.status, 60)}*"


def _row(app: BuildioApp) -> Block:
    details = optional_button(
        "View details", action_ids.APP, app_button_value(app.as_app()), label=f"View details of {app.name}"
    )
    return section(_line(app), details)


def _line(app: BuildioApp) -> str:
    status = describe_deployment(app.deployment) if app.deployment is not None else None
    details = join_facts(app.team and escape(app.team, 60), app.region and code(app.region, 60))
    return f"*{link(app.web_url, app.name, 120)}*\n{join_facts(status, details)}".rstrip()


def _head(app: BuildioApp) -> list[str]:
    lines = [f"*{link(app.web_url, app.name, 150)}*"]
    deployment = app.deployment
    if deployment is None:
        return [*lines, "Build.io reports no deployment."]
    lines.append(
        join_facts(
            describe_deployment(deployment),
            deployment.branch and code(deployment.branch),
            deployment.commit and escape(deployment.commit[:8], 40),
        )
    )
    if deployment.description:
        lines.append(escape(deployment.description, 300))
    if deployment.error:
        lines.append(f"Error: {escape(deployment.error, 700)}")
    by = f"by {escape(deployment.by, 100)}" if deployment.by else None
    ended = f"finished {when(deployment.finished_at)}" if deployment.finished_at else None
    started = f"started {when(deployment.created_at)}" if deployment.created_at else None
    return [line for line in [*lines, join_facts(by, started, ended)] if line]


def _processes(app: BuildioApp, dynos: Sequence[Dyno] | None) -> list[Block]:
    lines = first_lines([_process(process) for process in app.formation], MAX_FORMATIONS)
    if dynos is not None:
        lines.append(dyno_summary(dynos))
    return paragraphs(["*Processes*", *lines], max_blocks=1) if lines else []


def _process(process: ProcessFormation) -> str:
    count = (
        f"{code(process.type, 60)} × {process.quantity}"
        if process.quantity is not None
        else code(process.type, 60)
    )
    return join_facts(
        count, process.size and escape(process.size, 60), process.command and code(process.command, 120)
    )


def _details(app: BuildioApp) -> list[Block]:
    buildpacks = first_lines([code(buildpack, 80) for buildpack in app.buildpacks], MAX_BUILDPACKS)
    texts = [
        join_facts(
            app.team and f"Team {escape(app.team, 100)}",
            app.region and f"Region {code(app.region, 60)}",
            app.namespace and f"Namespace {code(app.namespace, 100)}",
            app.stack and f"Stack {code(app.stack, 60)}",
        ),
        f"Buildpacks {', '.join(buildpacks)}" if buildpacks else "",
        f"Created {when(app.created_at)}" if app.created_at else "",
    ]
    shown = [text for text in texts if text]
    return [context(*shown)] if shown else []


def _buttons(app: BuildioApp) -> list[Block]:
    value = app_button_value(app.as_app())
    return button_row(
        optional_button("Deploy…", action_ids.DEPLOY, value, style="primary"),
        optional_button("View processes", action_ids.PS, value),
        optional_button("View config", action_ids.VARS, ConfigVarOwner.of_app(app.as_app()).value()),
        optional_button("View domains", action_ids.DOMAINS, value),
        restart_all_button(app.as_app()),
        optional_button(
            "Subscribe…",
            shared_action_ids.SUBSCRIBE,
            AppButton.fitting(provider=BUILDIO, app=app.id, title=plain(app.name, 100)),
        ),
        optional_button("Refresh", action_ids.REFRESH, value),
        link_button("Open app", app.web_url, shared_action_ids.OPEN_LINK),
    )


def _create_buttons() -> list[Block]:
    return button_row(optional_button("Create an app…", action_ids.CREATE, "create"))


def _summary(app: BuildioApp) -> str:
    deployment = app.deployment
    if deployment is None:
        return escape(f"{app.name}: Build.io reports no deployment.", 900)
    version = f" v{deployment.version}" if deployment.version is not None else ""
    branch = f" from {deployment.branch}" if deployment.branch else ""
    why = f": {deployment.error}" if deployment.error else ""
    return cut_markup(escape(f"{app.name}: deployment{version}{branch} {deployment.status}{why}.", 900), 900)
