"""What somebody wants to do and somebody else must agree to, in the channel where they can see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.access_policy import Principals
from domain.message import Message
from domain.redaction.redactor import redact
from messages.kit import action_ids
from messages.kit.blocks import button, confirm, context, letter_by_letter, row, section
from messages.kit.button_values import ProposalButton
from messages.kit.mrkdwn import escape, literal, mention, mention_group, plain, sentence, when

LONGEST = 600
# So many characters have room beside the rest of the message (Slack's rules: 13,200 characters of blocks).
MOST_DETAILS = 8_000
# Those who may agree, at most, that a request notifies.
MOST_MENTIONED = 10
# In front of what goes on from the block before: without it the rest of a long value could pass for a name and a value.
CONTINUED = "… "
# What people write for people, in any language. Beside a title stands what can't be mistaken, the id.
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
    """Somebody wants to do this; `who` says who may agree, `notified` whom of them the message reaches.

    `themselves`: whether it is them.

    `details` is what will be done, whole, as `details_of_proposal` writes it.
    """
    letters = letter_by_letter(details, continued=CONTINUED)
    if themselves:
        text = f"A workflow wants to {escape(wants, LONGEST)} in your name."
        note = f"Slack does not say who runs a workflow, so I ask you. It runs out {when(until)}."
        return Message(
            # All that will be done stands above it: nothing is left to ask.
            text,
            [
                section(f"✋ {text}"),
                *letters,
                _buttons(value, wants, yes="Do it as me", asks=False),
                context(note),
            ],
        )
    text = f"{mention(by)} wants to {escape(wants, LONGEST)}. Somebody else must agree."
    may = "; and ".join(escape(one, 300) for one in who)
    note = f"This is protected. Who may agree: {may}, but not {mention(by)}. It runs out {when(until)}."
    reached = _mentions(notified, by)
    head = f"✋ {text}" + (f"\n{reached}, please decide." if reached else "")
    return Message(
        f"{text} {reached}".strip(),
        [section(head), *letters, _buttons(value, wants, yes="Agree"), context(note)],
    )


def _mentions(notified: Sequence[Principals], by: str) -> str:
    """Those who may agree, so that Slack notifies them; nobody where it is everyone. They are in each of `notified`."""
    named = [who for who in notified if not who.everyone]
    people = [
        one
        for one in dict.fromkeys(person for who in named for person in who.people)
        if one != by and all(one in who.people or who.groups for who in named)
    ]
    groups = dict.fromkeys(group for who in named for group in who.groups)
    found = [*(mention(one) for one in people), *(mention_group(one) for one in groups)]
    return " ".join(found[:MOST_MENTIONED])


def approval_details(details: Sequence[tuple[str, str]]) -> str | None:
    """Return what will be done, a line for each name and value; None where it is too long to be shown whole.

    What looks like a secret is not shown, which is said.
    """
    lines = "\n".join(f"{literal(name, prose=True)}: {_shown(name, value)}" for name, value in details)
    length = sum(len(block["text"]["text"]) for block in letter_by_letter(lines, continued=CONTINUED))
    return lines if length <= MOST_DETAILS else None


def _shown(name: str, value: str) -> str:
    # What is secret of a variable its name may say.
    key = name.removeprefix("variable ").removesuffix(" (expanded)")
    if redact(value) != value or redact(f"{key}={value}") != f"{key}={value}":
        return f"not shown, since it looks like a secret ({len(value)} characters)"
    return literal(value, prose=name in _PROSE or name.endswith(" app"))


def approval_requested(wants: str, *, channel: str, until: datetime) -> Message:
    """To whoever asked: somebody else must agree first."""
    where = f"I asked in <#{channel}>" if channel.startswith(("C", "G")) else "I asked in a direct message"
    text = f"✋ To {escape(wants, LONGEST)} needs somebody's agreement. {where}; it runs out {when(until)}."
    return Message(text, [section(text)])


def approval_decided(
    wants: str, *, by: str, decided_by: str, agreed: bool, reason: str | None = None, themselves: bool = False
) -> Message:
    """Somebody has agreed, or declined; `reason` is what was given for it. `themselves`: in whose name it is."""
    what = "agreed" if agreed else "declined"
    mark = "✅" if agreed else "🚫"
    asked = "a workflow" if themselves else mention(by)
    name = f" in the name of {mention(by)}" if themselves else ""
    text = (
        f"{mention(decided_by)} {what}: {asked} wanted to {escape(wants, LONGEST)}{name}{_because(reason)}."
    )
    return Message(text, [section(f"{mark} {text}")])


def approval_declined(wants: str, *, decided_by: str, channel: str, reason: str | None = None) -> Message:
    """To whoever asked: it was declined."""
    where = f" in <#{channel}>" if channel.startswith(("C", "G")) else ""
    text = (
        f"{mention(decided_by)} declined your request{where} to {escape(wants, LONGEST)}{_because(reason)}."
    )
    return Message(text, [section(f"🚫 {text}")])


def approval_timed_out(wants: str, *, channel: str, reason: str | None = None) -> Message:
    """To whoever asked: nobody has decided in time."""
    where = f" in <#{channel}>" if channel.startswith(("C", "G")) else ""
    text = f"Your request{where} to {escape(wants, LONGEST)}{_because(reason)} has expired: nobody approved it in time."
    return Message(text, [section(f"⌛ {text}")])


def _because(reason: str | None) -> str:
    return f" (reason: {escape(redact(reason), 300)})" if reason else ""


def approved_action_failed(
    wants: str, *, by: str, decided_by: str, problem: str, themselves: bool = False
) -> Message:
    """It was agreed to, and then it could not be done."""
    asked = f"a workflow may {escape(wants, LONGEST)} in the name of {mention(by)}"
    if not themselves:
        asked = f"{mention(by)} may {escape(wants, LONGEST)}"
    text = f"{mention(decided_by)} agreed that {asked}, but it was not done: "
    text += sentence(problem, 600)
    return Message(text, [section(f"⚠️ {text}")])


def approved_action_interrupted(wants: str, *, by: str, at: str) -> Message:
    """It was agreed to, and the bot was stopped before it knew what came of it; `at` is the provider's name."""
    text = (
        f"It was agreed that {mention(by)} may {escape(wants, LONGEST)}. I was stopped in the midst of it:"
        f" look in {at} whether it was done."
    )
    return Message(text, [section(f"⚠️ {text}")])


def approval_request_expired(
    wants: str, *, by: str, reason: str | None = None, themselves: bool = False
) -> Message:
    """Nobody has agreed in time."""
    asked = (
        f"a workflow wanted, in the name of {mention(by)}, to" if themselves else f"{mention(by)} wanted to"
    )
    text = f"Nobody agreed in time: {asked} {escape(wants, LONGEST)}{_because(reason)}. It was not done."
    return Message(text, [section(f"⌛ {text}")])


def approval_request_unreadable(*, was_agreed: bool) -> Message:
    """What was asked for can't be read any more: it was changed in the database, or its key is gone."""
    text = "I can't read any more what this was about. " + (
        "It was agreed to, and I was stopped in the midst of it: look whether it was done."
        if was_agreed
        else "It was not done. Ask for it again."
    )
    return Message(text, [section(f"⚠️ {text}")])


def _buttons(value: ProposalButton, wants: str, *, yes: str, asks: bool = True) -> dict[str, object]:
    question = confirm(f"{yes}?", plain(f"This will {wants}.", 280), yes) if asks else None
    return row(
        button(yes, action_ids.PROPOSAL_AGREE, value.encode(), style="primary", confirm=question),
        button("Decline", action_ids.PROPOSAL_DECLINE, value.encode()),
    )
