"""Messages about actions that wait for a second person's approval."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.access_policy import Principals
from domain.message import Message
from domain.redaction.redactor import redact
from messages.kit import action_ids
from messages.kit.blocks import button, confirm, context, letter_by_letter, row, section, text_message
from messages.kit.button_values import ProposalButton
from messages.kit.mrkdwn import escape, in_channel, literal, mention, mention_group, plain, sentence, when

LONGEST = 600
# This many characters fit beside the rest of the message (Slack's rules: 13,200 characters of blocks).
MAX_DETAILS = 8_000
# A request notifies at most this many approvers.
MAX_MENTIONED = 10
# Marks a block that continues the one before: otherwise the rest of a long value could look like a name and value.
CONTINUED = "… "
# Free text in any language. A title may be ambiguous, so the id is shown beside it.
_PROSE = frozenset({"app", "artifact", "commit message", "description", "message", "reason"})


def approval_request(
    wants: str,
    *,
    by: str,
    who: Sequence[str],
    until: datetime,
    value: ProposalButton,
    themselves: bool = False,
    details: str,
    notified: Sequence[Principals] = (),
) -> Message:
    """Ask for approval; `who` describes who may approve, `notified` are the principals that the message mentions.

    `themselves`: a workflow asks the person in whose name it acts. `details` is the complete result of
    `approval_details`.
    """
    letters = letter_by_letter(details, continued=CONTINUED)
    if themselves:
        text = f"A workflow wants to {escape(wants, LONGEST)} on your behalf."
        note = f"Slack doesn't say who runs a workflow, so you have to approve it. Expires {when(until)}."
        return text_message(
            text,
            *letters,
            # Everything that will be done is shown above, so there is no confirmation dialog.
            _buttons(value, wants, confirmed=False),
            context(note),
            symbol="✋",
        )
    text = f"{mention(by)} requests approval to {escape(wants, LONGEST)}."
    may = "; and ".join(escape(name, 300) for name in who)
    note = f"Who can approve: {may}, but not {mention(by)}. Expires {when(until)}."
    mentioned = _mentions(notified, by)
    head = f"✋ {text}" + (f"\n{mentioned}, do you approve?" if mentioned else "")
    return Message(
        f"{text} {mentioned}".strip(),
        [section(head), *letters, _buttons(value, wants), context(note)],
    )


def _mentions(notified: Sequence[Principals], by: str) -> str:
    """Mention those who may approve; nobody if everyone may. An approver must fit each of `notified`."""
    named = [who for who in notified if not who.everyone]
    people = [
        user
        for user in dict.fromkeys(person for who in named for person in who.people)
        if user != by and all(user in who.people or who.groups for who in named)
    ]
    groups = dict.fromkeys(group for who in named for group in who.groups)
    mentions = [*(mention(user) for user in people), *(mention_group(group) for group in groups)]
    return " ".join(mentions[:MAX_MENTIONED])


def approval_details(details: Sequence[tuple[str, str]]) -> str | None:
    """Return what will be done, a line for each name and value; None if it is too long to be shown completely.

    A value that looks like a secret is replaced by a note.
    """
    lines = "\n".join(
        f"{literal(name, prose=True)}: {_describe_value(name, value)}" for name, value in details
    )
    length = sum(len(block["text"]["text"]) for block in letter_by_letter(lines, continued=CONTINUED))
    return lines if length <= MAX_DETAILS else None


def _describe_value(name: str, value: str) -> str:
    # A variable's name may reveal that its value is secret.
    key = name.removeprefix("variable ").removesuffix(" (expanded)")
    if redact(value) != value or redact(f"{key}={value}") != f"{key}={value}":
        return f"redacted, since it looks like a secret ({len(value)} characters)"
    return literal(value, prose=name in _PROSE or name.endswith(" app"))


def approval_requested(wants: str, *, channel: str, until: datetime) -> Message:
    """Tell the requester that somebody else must approve first."""
    where = in_channel(channel) or " in a direct message"
    text = f"✋ Approval requested{where} to {escape(wants, LONGEST)}. Expires {when(until)}."
    return text_message(text)


def approval_decided(
    wants: str, *, by: str, decided_by: str, agreed: bool, reason: str | None = None, themselves: bool = False
) -> Message:
    """Say who approved or declined; `reason` is the requester's. `themselves`: it is done in the requester's name."""
    what = "approved" if agreed else "declined"
    mark = "✅" if agreed else "🚫"
    text = f"{mention(decided_by)} {what} {_request(wants, by, themselves=themselves)}{_because(reason)}."
    return Message(text, [section(f"{mark} {text}")])


def approval_declined(wants: str, *, decided_by: str, channel: str, reason: str | None = None) -> Message:
    """Tell the requester that the action was declined."""
    request = f"your request{in_channel(channel)} to {escape(wants, LONGEST)}{_because(reason)}"
    return text_message(f"{mention(decided_by)} declined {request}.", symbol="🚫")


def approval_timed_out(wants: str, *, channel: str, reason: str | None = None) -> Message:
    """Tell the requester that nobody has decided in time."""
    request = f"Your request{in_channel(channel)} to {escape(wants, LONGEST)}{_because(reason)}"
    return text_message(f"{request} has expired: no one approved it in time.", symbol="⌛")


def _because(reason: str | None) -> str:
    return f" (reason: {escape(redact(reason), 300)})" if reason else ""


def approved_action_failed(
    wants: str, *, by: str, decided_by: str, problem: str, themselves: bool = False
) -> Message:
    """Say that an approved action failed."""
    text = f"{mention(decided_by)} approved {_request(wants, by, themselves=themselves)}, but it failed: "
    text += sentence(problem, 600)
    return text_message(text, symbol="⚠️")


def approved_action_interrupted(wants: str, *, by: str, at: str) -> Message:
    """Say that an approved action was interrupted, so its outcome is unknown; `at` is the provider's name."""
    text = (
        f"{mention(by)}'s request to {escape(wants, LONGEST)} was approved, but Buildbell was stopped in the"
        f" middle of it. Check at {at} whether it was done."
    )
    return text_message(text, symbol="⚠️")


def approval_request_expired(
    wants: str, *, by: str, reason: str | None = None, themselves: bool = False
) -> Message:
    """Say that nobody has approved in time."""
    request = f"{_request(wants, by, themselves=themselves)}{_because(reason)}"
    text = f"No one approved {request} in time. Nothing was done."
    return text_message(text, symbol="⌛")


def approval_request_unreadable(*, was_agreed: bool) -> Message:
    """Say that the request can't be decrypted: it was changed in the database, or its key is gone."""
    text = "This request can't be read any more. " + (
        "It was approved, but Buildbell was stopped in the middle of it. Check whether it was done."
        if was_agreed
        else "Nothing was done. Request it again."
    )
    return text_message(text, symbol="⚠️")


def _request(wants: str, by: str, *, themselves: bool) -> str:
    """Return whose request it was, and for what."""
    if themselves:
        return f"a workflow's request to {escape(wants, LONGEST)} on behalf of {mention(by)}"
    return f"{mention(by)}'s request to {escape(wants, LONGEST)}"


def _buttons(value: ProposalButton, wants: str, *, confirmed: bool = True) -> dict[str, object]:
    question = (
        confirm("Approve this request?", plain(f"This will {wants}.", 280), "Approve") if confirmed else None
    )
    return row(
        button("Approve", action_ids.PROPOSAL_AGREE, value.encode(), style="primary", confirm=question),
        button("Decline", action_ids.PROPOSAL_DECLINE, value.encode()),
    )
