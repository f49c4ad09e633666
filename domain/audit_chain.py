"""Audit log entries, and the hash chain that reveals any change to them. Pure; no I/O.

Each entry's hash covers its content and the hash of the entry before it. Personal data (who it was, what they wrote,
anything else that names a person) is in the hashed content only as a salted fingerprint, so a person can be erased and
the chain still verifies.
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

# Shown in place of a person who has been erased.
ERASED = "(erased)"
# Matches what may be a person's Slack id; a word that only looks like one is stored outside the hash all the same.
# Ids that do not have Slack's form of today count if they have a prefix or a digit.
_PERSON = re.compile(
    r"(?<![A-Za-z0-9])[UW][A-Z0-9]{5,20}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9_])(?:[UW]_[\w.:-]{1,98}|(?=[A-Z_.:-]*[0-9])[UW][A-Z0-9_.:-]{1,99})(?![A-Za-z0-9])",
    re.ASCII,
)
# Keys of `about` whose value always names a person: who they are at the provider.
_PERSONAL_KEYS = frozenset({"name"})


class Event(StrEnum):
    """The event of an entry. BEGUN is written before the provider is asked, so that a crash leaves a trace."""

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
    """The personal data of an entry: who it was, and their own words."""

    person: str = ""
    agreed_by: str | None = None
    reason: str | None = None


class AuditEntry(FrozenModel):
    """One entry: the event and action (`act`), its target (`app`, `about`), the channel, the provider's response."""

    event: Event
    act: str
    personal: PersonalFields = PersonalFields()
    channel: str = ""
    app: str = ""
    about: Mapping[str, str] = {}
    answer: str = ""


class _PersonalParts(PersonalFields):
    """The data stored outside the hash: the personal fields, and the parts of the entry that name a person."""

    channel: str = ""
    about: Mapping[str, str] = {}
    answer: str = ""


class AuditRecord(FrozenModel):
    """An entry of the chain. `personal` and `salt` are None once the person has been erased."""

    seq: int
    at: datetime
    body: str
    personal: str | None
    salt: str | None
    previous: str
    hash: str

    @property
    def entry(self) -> AuditEntry:
        """The entry, without the person if they were erased."""
        content = self._content()
        personal_parts = (
            _PersonalParts.model_validate_json(self.personal)
            if self.personal
            else _PersonalParts(person=ERASED)
        )
        return AuditEntry(
            event=content["event"],
            act=content["act"],
            personal=PersonalFields(
                person=personal_parts.person, agreed_by=personal_parts.agreed_by, reason=personal_parts.reason
            ),
            channel=personal_parts.channel or content.get("channel", ""),
            app=content.get("app", ""),
            about={**content.get("about", {}), **personal_parts.about},
            answer=personal_parts.answer or content.get("answer", ""),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the entry as one line of an export."""
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
        """Return whether the entry mentions the person with this Slack id."""
        return self.personal is not None and names_person(self.personal, person)

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        content.pop("fingerprint", None)
        return content


class ChainBroken(Exception):
    """The chain does not verify; the message says where."""


def link(entry: AuditEntry, *, seq: int, at: datetime, previous: str, salt: str) -> AuditRecord:
    """Make the entry the next one of a chain; `salt` is random."""
    personal_parts, entry = _split_personal(entry)
    personal = personal_parts.model_dump_json(exclude_none=True, exclude_defaults=True)
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


def verify(records: Iterable[AuditRecord], *, first: int, before: str) -> tuple[int, str]:
    """Verify that no entry was changed, and return the last one's number and hash. Raises ChainBroken.

    `first` and `before` are the number of the first entry that is still stored, and the hash before it.
    """
    expected, previous = first, before
    blank: set[int] = set()
    erased: set[int] = set()
    for record in records:
        if record.seq != expected:
            raise ChainBroken(f"entry {expected} is missing")
        if record.previous != previous:
            raise ChainBroken(f"entry {record.seq} doesn't follow the entry before it")
        if record.hash != _hash(record.seq, record.at, record.body, record.previous):
            raise ChainBroken(f"entry {record.seq} was changed")
        content = json.loads(record.body)
        if record.personal is None and record.salt is None:
            blank.add(record.seq)
        elif record.personal is None or record.salt is None:
            # Erasing removes both fields, so one that is there alone was added later.
            raise ChainBroken(f"who did it was changed in entry {record.seq}")
        elif content.get("fingerprint") != _fingerprint(record.salt, record.personal):
            raise ChainBroken(f"who did it was changed in entry {record.seq}")
        if content.get("event") == Event.ERASED:
            erased |= {int(number) for number in str(content["about"].get("entries", "")).split()}
        expected, previous = record.seq + 1, record.hash
    if hidden := blank - erased:
        raise ChainBroken(
            f"who did it was removed from entry {min(hidden)}, but no entry records the erasure"
        )
    return expected - 1, previous


def names_person(text: str, person: str) -> bool:
    """Return whether the text contains the person's Slack id, ignoring case."""
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(person)}(?![A-Za-z0-9])", text, re.IGNORECASE) is not None


def _split_personal(entry: AuditEntry) -> tuple[_PersonalParts, AuditEntry]:
    """Split an entry into the parts that name people and the rest."""
    named = {
        key: value for key, value in entry.about.items() if key in _PERSONAL_KEYS or _PERSON.search(value)
    }
    channel = entry.channel if _PERSON.search(entry.channel) else ""
    answer = entry.answer if _PERSON.search(entry.answer) else ""
    rest = entry.model_copy(
        update={
            "channel": "" if channel else entry.channel,
            "about": {key: value for key, value in entry.about.items() if key not in named},
            "answer": "" if answer else entry.answer,
        }
    )
    personal_fields = entry.personal.model_dump()
    return _PersonalParts(**personal_fields, channel=channel, about=named, answer=answer), rest


def _fingerprint(salt: str, personal: str) -> str:
    return hashlib.sha256(f"{salt}|{personal}".encode("utf-8", "surrogatepass")).hexdigest()


def _hash(seq: int, at: datetime, body: str, previous: str) -> str:
    content = "\n".join((str(seq), at.isoformat(timespec="microseconds"), previous, body))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
