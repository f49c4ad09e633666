"""What the audit log keeps of each act, and the chain by which a change of it shows. Pure; no I/O.

Each entry's hash covers its own words and the hash of the one before it. Of who it was, what they wrote and whatever
else names somebody the hashed words hold only a salted fingerprint, so that a person can be erased and the chain still
holds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.build import FrozenModel

# Stands where somebody was named who has been erased.
ERASED = "(erased)"
# What may be the Slack id of a person; a word that only looks like one is kept beside the hash all the same.
# Ids of other forms than Slack's own today are taken for one where they have a prefix or a digit.
_PERSON = re.compile(
    r"(?<![A-Za-z0-9])[UW][A-Z0-9]{5,20}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9_])(?:[UW]_[\w.:-]{1,98}|(?=[A-Z_.:-]*[0-9])[UW][A-Z0-9_.:-]{1,99})(?![A-Za-z0-9])",
    re.ASCII,
)
# What an entry is about by these words is always somebody: who they are at the provider.
_NAMES = frozenset({"name"})


class Event(StrEnum):
    """What happened to an act: it was begun before it was asked for at the provider, so that a crash leaves a trace."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    PROPOSED = "proposed"
    AGREED = "agreed"
    DECLINED = "declined"
    EXPIRED = "expired"
    ERASED = "erased"
    RESTORED = "restored"


class PersonalFields(FrozenModel):
    """What an entry says of people: who, and their own words."""

    person: str = ""
    agreed_by: str | None = None
    reason: str | None = None


class AuditEntry(FrozenModel):
    """One entry: what happened (`event`, `act`), to what (`app`, `about`), where, and what the provider answered."""

    event: Event
    act: str
    personal: PersonalFields = PersonalFields()
    channel: str = ""
    app: str = ""
    about: Mapping[str, str] = {}
    answer: str = ""


class _Kept(PersonalFields):
    """What is kept beside the hash: what it says of people, and the parts of the entry that name somebody."""

    channel: str = ""
    about: Mapping[str, str] = {}
    answer: str = ""


class AuditRecord(FrozenModel):
    """An entry in its chain. `personal` and `salt` are None once the person was erased."""

    seq: int
    at: datetime
    body: str
    personal: str | None
    salt: str | None
    previous: str
    hash: str

    @property
    def entry(self) -> AuditEntry:
        """The entry, without the person where they were erased."""
        content = self._content()
        kept = _Kept.model_validate_json(self.personal) if self.personal else _Kept(person=ERASED)
        return AuditEntry(
            event=content["event"],
            act=content["act"],
            personal=PersonalFields(person=kept.person, agreed_by=kept.agreed_by, reason=kept.reason),
            channel=kept.channel or content.get("channel", ""),
            app=content.get("app", ""),
            about={**content.get("about", {}), **kept.about},
            answer=kept.answer or content.get("answer", ""),
        )

    def as_json(self) -> dict[str, Any]:
        """The entry as one line of an export."""
        content = self._content()
        personal: dict[str, Any] = {"erased": True}
        if self.personal:
            personal = {"person": "", **json.loads(self.personal)}
        if named := personal.pop("about", {}):
            content["about"] = {**content.get("about", {}), **named}
        return {
            "seq": self.seq,
            "at": self.at.isoformat(),
            **content,
            **personal,
            "previous": self.previous,
            "hash": self.hash,
        }

    def names(self, person: str) -> bool:
        """Whether it says anything of the person with this Slack id."""
        return self.personal is not None and names_person(self.personal, person)

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        content.pop("fingerprint", None)
        return content


class ChainBroken(Exception):
    """The chain does not hold; the sentence says where."""


def link(entry: AuditEntry, *, seq: int, at: datetime, previous: str, salt: str) -> AuditRecord:
    """The entry as the next one of a chain; `salt` is random."""
    beside, entry = _apart(entry)
    personal = beside.model_dump_json(exclude_none=True, exclude_defaults=True)
    content = entry.model_dump(mode="json", exclude={"personal"}, exclude_defaults=True)
    content["fingerprint"] = _fingerprint(salt, personal)
    body = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return AuditRecord(
        seq=seq,
        at=at,
        body=body,
        personal=personal,
        salt=salt,
        previous=previous,
        hash=_hash(seq, at, body, previous),
    )


def verify(links: Iterable[AuditRecord], *, first: int, before: str) -> tuple[int, str]:
    """Whether every entry stands as it was written; returns the last one's number and hash.

    `first` and `before` are the number of the first entry that is kept, and the hash before it. Raises ChainBroken.
    """
    expected, previous = first, before
    blank: set[int] = set()
    erased: set[int] = set()
    for one in links:
        if one.seq != expected:
            raise ChainBroken(f"entry {expected} is missing")
        if one.previous != previous:
            raise ChainBroken(f"entry {one.seq} does not follow the one before it")
        if one.hash != _hash(one.seq, one.at, one.body, one.previous):
            raise ChainBroken(f"entry {one.seq} was changed")
        content = json.loads(one.body)
        if one.personal is None and one.salt is None:
            blank.add(one.seq)
        elif one.personal is None or one.salt is None:
            # Who was erased leaves nothing at all: what stands there alone was put there later.
            raise ChainBroken(f"who did it was changed in entry {one.seq}")
        elif content.get("fingerprint") != _fingerprint(one.salt, one.personal):
            raise ChainBroken(f"who did it was changed in entry {one.seq}")
        if content.get("event") == Event.ERASED:
            erased |= {int(number) for number in str(content["about"].get("entries", "")).split()}
        expected, previous = one.seq + 1, one.hash
    if hidden := blank - erased:
        raise ChainBroken(f"who did it was taken out of entry {min(hidden)}, and no erasure says so")
    return expected - 1, previous


def names_person(text: str, person: str) -> bool:
    """Whether the text names the person with this Slack id, in whatever case."""
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(person)}(?![A-Za-z0-9])", text, re.IGNORECASE) is not None


def _apart(entry: AuditEntry) -> tuple[_Kept, AuditEntry]:
    """What of the entry names people, and the rest of it."""
    named = {key: value for key, value in entry.about.items() if key in _NAMES or _PERSON.search(value)}
    channel = entry.channel if _PERSON.search(entry.channel) else ""
    answer = entry.answer if _PERSON.search(entry.answer) else ""
    rest = entry.model_copy(
        update={
            "channel": "" if channel else entry.channel,
            "about": {key: value for key, value in entry.about.items() if key not in named},
            "answer": "" if answer else entry.answer,
        }
    )
    said = entry.personal.model_dump()
    return _Kept(**said, channel=channel, about=named, answer=answer), rest


def _fingerprint(salt: str, personal: str) -> str:
    return hashlib.sha256(f"{salt}|{personal}".encode("utf-8", "surrogatepass")).hexdigest()


def _hash(seq: int, at: datetime, body: str, previous: str) -> str:
    content = "\n".join((str(seq), at.isoformat(timespec="microseconds"), previous, body))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
