"""Parses Bitrise's sentence on why a build was aborted: who, the reason, and its kind. Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Bitrise's sentence around a reason (seed documents' examples, and its documents of 2022).
_ABORTED_BY = re.compile(
    r"User (?P<who>.+?) requested to abort this build(?:\.| with reason: (?P<why>.+))\Z", re.DOTALL
)

SUPERSEDED = "superseded"
NO_CHANGES = "no-changes"
MANUAL = "manual"
TIMEOUT = "timeout"
ROLLING = "rolling-builds"
OTHER = "other"
# Each kind with its phrase, which is sent as the reason and which people read.
PHRASES = {
    SUPERSEDED: "Superseded by a newer build",
    NO_CHANGES: "No code changes",
    MANUAL: "Stopped by hand",
    TIMEOUT: "Took too long",
    ROLLING: "Rolling builds",
    OTHER: "Other",
}


@dataclass(frozen=True)
class AbortReasonRule:
    """A kind, and the pattern of the reasons that belong to it."""

    kind: str
    pattern: re.Pattern[str]


def _rule(kind: str, pattern: str) -> AbortReasonRule:
    return AbortReasonRule(kind, re.compile(pattern, re.IGNORECASE))


# Tried in this order. The phrases come first: they carry a kind through Bitrise and back.
BUILT_IN = (
    _rule(ROLLING, r"\brolling builds\b"),
    *(_rule(kind, rf"^{re.escape(phrase)}\b") for kind, phrase in PHRASES.items() if kind != OTHER),
    _rule(
        NO_CHANGES,
        r"\bno (?:\w+ ){0,2}changes?\b|\bnothing (?:has )?changed\b|\b(?:docs?|readme)[- ]only\b|\bskip(?:ped)? ci\b",
    ),
    _rule(
        SUPERSEDED, r"\bsupersed|\bnewer (?:build|commit|push)\b|\boutdated\b|\bobsolete\b|\breplaced by\b"
    ),
    _rule(
        TIMEOUT,
        r"\btime[- ]?(?:d[- ])?out\b|\btoo (?:long|slow)\b|\bno output\b|\bstuck\b|\bhang(?:s|ing)?\b",
    ),
)


@dataclass(frozen=True)
class AbortReason:
    """The person who aborted a build and their reason, as far as known."""

    who: str | None
    why: str | None


def read_abort(reason: str | None) -> AbortReason:
    """Parse the person and the reason out of Bitrise's sentence."""
    text = (reason or "").strip()
    if match := _ABORTED_BY.match(text):
        return AbortReason(match["who"], (match["why"] or "").strip() or None)
    return AbortReason(None, text or None)


def classify_reason(reason: str | None, own: Sequence[AbortReasonRule] = ()) -> str:
    """Return the kind of an abort reason. Own rules come first; a person's abort that matches none is `manual`."""
    abort = read_abort(reason)
    if abort.why is None:
        return MANUAL if abort.who else OTHER
    for rule in (*own, *BUILT_IN):
        if rule.pattern.search(abort.why):
            return rule.kind
    return MANUAL if abort.who else OTHER


def phrase(kind: str) -> str:
    """Return the kind as people read it; an own kind is shown by its name."""
    return PHRASES.get(kind, kind.replace("-", " ").capitalize())


def parse_rules(text: str) -> tuple[AbortReasonRule, ...]:
    """Parse own rules, written `kind=pattern; kind=pattern`. Raises ValueError, which says what is wrong."""
    rules = []
    for part in text.split(";"):
        if not part.strip():
            continue
        kind, equals, pattern = part.strip().partition("=")
        if not equals or not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", kind.strip()) or not pattern.strip():
            raise ValueError(
                f"{part.strip()[:60]!r} isn't a valid rule: write kind=pattern, such as freeze=deploy freeze"
            )
        try:
            rules.append(_rule(kind.strip(), pattern.strip()))
        except re.error as error:
            raise ValueError(f"the pattern of {kind.strip()} isn't valid: {error}") from error
    return tuple(rules)
