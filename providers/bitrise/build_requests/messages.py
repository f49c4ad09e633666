"""Messages about builds that wait for approval."""

from __future__ import annotations

from collections.abc import Sequence

from domain.build import App, BuildRequest
from domain.message import Block, Message
from messages import build_text
from messages.kit import action_ids as shared_action_ids
from messages.kit.blocks import button, confirm, context, link_button, more_note, row, section, text_message
from messages.kit.button_values import RequestButton
from messages.kit.mrkdwn import code, escape, join_facts, link, mention, plain, when
from providers.bitrise import action_ids

MAX_REQUESTS = 10


def request_card(request: BuildRequest, app: App) -> Message:
    """Render a waiting build with the buttons to approve or decline it."""
    text = f"Approval needed to build {_describe(request, app)}."
    note = "This code is from a fork. Review it before it runs with the project's secrets."
    return Message(
        escape(text, 900),
        [
            section("\n".join(["✋ " + _headline(request, app), *_details(request)])),
            _buttons(request, app),
            context(note),
        ],
    )


def request_decided(request: BuildRequest, app: App, *, approved: bool, by: str) -> Message:
    """Render the message that a user approved or declined the build."""
    decision = "approved" if approved else "declined"
    text = f"{mention(by)} {decision} the build of {escape(_describe(request, app), 600)}."
    symbol = "✅" if approved else "🚫"
    head = f"{symbol} {mention(by)} *{decision}* the build of {_pull_request(request)} in *{_title(app)}*"
    return Message(text, [section("\n".join([head, *_details(request)]))])


def request_gone(request: BuildRequest, app: App) -> Message:
    """Render the message that the build was decided elsewhere, or was withdrawn."""
    text = f"The build of {_describe(request, app)} no longer needs approval: it was decided in Bitrise, or withdrawn."
    name = f"{_pull_request(request)} in *{_title(app)}*"
    head = f"☑️ The build of {name} no longer needs approval: it was decided in Bitrise, or withdrawn."
    return Message(escape(text, 900), [section("\n".join([head, *_details(request)]))])


def request_list(requests: Sequence[BuildRequest], app: App) -> Message:
    """Render an app's waiting builds."""
    if not requests:
        return text_message(f"No builds of *{_title(app)}* need approval.")
    blocks: list[Block] = [section(f"*{_title(app)}*: builds that need approval")]
    for request in requests[:MAX_REQUESTS]:
        blocks += [
            section("\n".join([_headline(request, app), *_details(request)])),
            _buttons(request, app),
        ]
    note = more_note(len(requests) - MAX_REQUESTS)
    text = "; ".join(_describe(request, app) for request in requests[:MAX_REQUESTS])
    return Message(escape(f"Builds that need approval: {text}", 2000), [*blocks, *note])


def _headline(request: BuildRequest, app: App) -> str:
    return f"Approval needed to build {_pull_request(request)} in *{_title(app)}*"


def _details(request: BuildRequest) -> list[str]:
    target = f" into {code(request.target_branch)}" if request.target_branch else ""
    source = f"{code(request.branch)}{target}" if request.branch else ""
    by = f"by {escape(request.author, 80)}" if request.author else ""
    since = f"since {when(request.created_at)}" if request.created_at else ""
    commit = build_text.describe_commit(request.commit_hash, request.commit_message)
    return [line for line in (join_facts(source, by, since), commit) if line]


def _buttons(request: BuildRequest, app: App) -> Block:
    value = RequestButton(app=request.app_slug, request=request.slug).encode()
    subject = plain(f"The build of {_describe(request, app)}", 150)
    confirm_approve = confirm(
        "Approve this build?",
        f"{subject} starts, with the secrets that the project gives to fork builds.",
        "Approve",
    )
    confirm_decline = confirm("Decline this build?", f"{subject} won't start.", "Decline")
    return row(
        button("Approve", action_ids.REQUEST_APPROVE, value, style="primary", confirm=confirm_approve),
        button("Decline", action_ids.REQUEST_DECLINE, value, confirm=confirm_decline),
        link_button("Open pull request", request.pull_request_url, shared_action_ids.OPEN_LINK),
    )


def _pull_request(request: BuildRequest) -> str:
    return link(request.pull_request_url, _pull_request_name(request))


def _pull_request_name(request: BuildRequest) -> str:
    return f"pull request #{request.pull_request}" if request.pull_request is not None else "a pull request"


def _describe(request: BuildRequest, app: App) -> str:
    by = f" by {plain(request.author, 80)}" if request.author else ""
    return f"{_pull_request_name(request)}{by} in {plain(app.title, 150)}"


def _title(app: App) -> str:
    return escape(app.title, 150)
