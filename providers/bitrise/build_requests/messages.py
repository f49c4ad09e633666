"""Builds that wait for somebody's approval."""

from __future__ import annotations

from collections.abc import Sequence

from domain.build import App
from domain.build_request import BuildRequest
from domain.message import Block, Message
from messages.kit import action_ids
from messages.kit.blocks import button, confirm, context, link_button, row, section
from messages.kit.button_values import RequestButton
from messages.kit.mrkdwn import code, escape, link, mention, plain, when

MOST_REQUESTS = 10


def request_card(one: BuildRequest, app: App) -> Message:
    """A build waits: what it would build, and the two ways to decide."""
    text = f"A build of {_spoken(one, app)} waits for somebody's approval."
    note = "The code comes from outside of the project: look at it before you let it run with the project's secrets."
    return Message(
        escape(text, 900),
        [section("\n".join(["✋ " + _headline(one, app), *_about(one)])), _buttons(one, app), context(note)],
    )


def request_decided(one: BuildRequest, app: App, *, approved: bool, by: str) -> Message:
    """Somebody has decided here."""
    what = "approved" if approved else "declined"
    text = f"{mention(by)} {what} the build of {escape(_spoken(one, app), 600)}."
    head = f"{'✅' if approved else '🚫'} {mention(by)} *{what}* the build of {_pull_request(one)} in *{_title(app)}*"
    return Message(text, [section("\n".join([head, *_about(one)]))])


def request_gone(one: BuildRequest, app: App) -> Message:
    """It was decided elsewhere, or is not wanted any more."""
    text = f"The build of {_spoken(one, app)} does not wait any more: it was decided in Bitrise, or has gone."
    head = f"☑️ The build of {_pull_request(one)} in *{_title(app)}* does not wait any more: it was decided in Bitrise."
    return Message(escape(text, 900), [section("\n".join([head, *_about(one)]))])


def request_list(requests: Sequence[BuildRequest], app: App) -> Message:
    """All that wait in an app."""
    if not requests:
        text = f"No build of {_title(app)} waits for approval."
        return Message(text, [section(text)])
    blocks: list[Block] = [section(f"*{_title(app)}*: builds that wait for approval")]
    for one in requests[:MOST_REQUESTS]:
        blocks += [section("\n".join([_headline(one, app), *_about(one)])), _buttons(one, app)]
    left = len(requests) - MOST_REQUESTS
    more = [context(f"and {left} more")] if left > 0 else []
    spoken = "; ".join(_spoken(one, app) for one in requests[:MOST_REQUESTS])
    return Message(escape(f"These wait for approval: {spoken}", 2000), [*blocks, *more])


def _headline(one: BuildRequest, app: App) -> str:
    return f"A build of {_pull_request(one)} in *{_title(app)}* waits for somebody's approval"


def _about(one: BuildRequest) -> list[str]:
    target = f" into {code(one.target_branch)}" if one.target_branch else ""
    source = f"{code(one.branch)}{target}" if one.branch else ""
    by = f"by {escape(one.author, 80)}" if one.author else ""
    since = f"since {when(one.created_at)}" if one.created_at else ""
    subject = (one.commit_message or "").strip().split("\n", 1)[0]
    commit = " ".join(part for part in (escape(one.commit_hash or "", 8), escape(subject, 250)) if part)
    return [line for line in (" · ".join(part for part in (source, by, since) if part), commit) if line]


def _buttons(one: BuildRequest, app: App) -> Block:
    value = RequestButton(app=one.app_slug, request=one.slug).encode()
    what = plain(f"The build of {_spoken(one, app)}", 150)
    let = confirm(
        "Let it be built?", f"{what} starts, with what the project gives to such builds.", "Approve"
    )
    never = confirm("Decline it?", f"{what} is not started.", "Decline")
    return row(
        button("Approve", action_ids.REQUEST_APPROVE, value, style="primary", confirm=let),
        button("Decline", action_ids.REQUEST_DECLINE, value, confirm=never),
        link_button("Pull request", one.pull_request_url, action_ids.OPEN_LINK),
    )


def _pull_request(one: BuildRequest) -> str:
    name = f"pull request #{one.pull_request}" if one.pull_request is not None else "a pull request"
    return link(one.pull_request_url, name)


def _spoken(one: BuildRequest, app: App) -> str:
    number = f"pull request #{one.pull_request}" if one.pull_request is not None else "a pull request"
    by = f" by {plain(one.author, 80)}" if one.author else ""
    return f"{number}{by} in {plain(app.title, 150)}"


def _title(app: App) -> str:
    return escape(app.title, 150)
