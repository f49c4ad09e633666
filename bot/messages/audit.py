"""What was done and refused, as people read it."""

from __future__ import annotations

from collections.abc import Sequence

from bot.audit import Entry, Event, Link
from bot.messages.blocks import context, paragraphs, section
from bot.messages.message import Message
from bot.messages.text import code, escape, mention, when

_MARKS = {
    Event.BEGUN: "⏳ began",
    Event.DONE: "✅ done",
    Event.FAILED: "⚠️ failed",
    Event.REFUSED: "⛔ refused",
    Event.PROPOSED: "✋ asked for agreement",
    Event.AGREED: "🤝 agreed to",
    Event.DECLINED: "🚫 declined",
    Event.EXPIRED: "⌛ ran out",
    Event.ERASED: "🧹 erased",
    Event.RESTORED: "⏪ restored a backup",
}


def audit(links: Sequence[Link], *, where: str, places: bool) -> Message:
    """The newest entries, newest first; `where` is text, and with `places` each says in which channel it was."""
    where = escape(where, 200)
    if not links:
        text = f"Nothing was written down {where} yet."
        return Message(text, [section(text)])
    lines = [_line(one, places=places) for one in links if not _came_to_an_end(one, links)]
    head = f"*What was done and refused {where}*, newest first"
    note = f"Each entry is chained to the one before it; the newest here ends in {code(links[0].hash[:12])}."
    return Message(f"{head}: {'; '.join(lines)}"[:3000], [section(head), *paragraphs(lines), context(note)])


def _came_to_an_end(one: Link, links: Sequence[Link]) -> bool:
    """Whether it is the beginning of something whose end is shown, too."""
    begun = one.entry
    ends = (Event.DONE, Event.FAILED)
    return begun.event is Event.BEGUN and any(
        other.seq > one.seq
        and other.entry.event in ends
        and (other.entry.act, other.entry.about) == (begun.act, begun.about)
        for other in links
    )


def _line(one: Link, *, places: bool) -> str:
    entry = one.entry
    about = entry.about.get("label") or entry.about.get("branch") or entry.about.get("name") or ""
    what = f"{code(entry.act)}{f' {escape(about, 60)}' if about else ''}"
    where = f" in <#{entry.channel}>" if places and entry.channel.startswith(("C", "G")) else ""
    why = f": {escape(entry.personal.reason, 120)}" if entry.personal.reason else ""
    answer = f" → {escape(entry.answer, 150)}" if entry.answer and entry.event is not Event.BEGUN else ""
    second = entry.personal.agreed_by if entry.event not in (Event.AGREED, Event.DECLINED) else None
    agreed = f", agreed to by {mention(second)}" if second is not None else ""
    return f"{one.seq}. {when(one.at)} {_who(entry)} {what}{where}{why}{agreed}{answer}"


def _who(entry: Entry) -> str:
    person, second = entry.personal.person, entry.personal.agreed_by
    who = mention(person) if person else "a workflow"
    mark = _MARKS[entry.event]
    if second is not None and entry.event in (Event.AGREED, Event.DECLINED):
        return f"{mention(second)} {mark} what {who} wanted:"
    return f"{who} {mark}"
