"""Why a build was aborted: who, the reason, and the kind of reason, out of the sentence that Bitrise makes. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# What Bitrise makes of a reason (seed documents' examples, and its documents of 2022).
_ABORTED_BY = re.compile(
    r"User (?P<who>.+?) requested to abort this build(?:\.| with reason: (?P<why>.+))\Z", re.DOTALL
)

SUPERSEDED = "superseded"
NO_CHANGES = "no-changes"
MANUAL = "manual"
TIMEOUT = "timeout"
ROLLING = "rolling-builds"
OTHER = "other"
# Each kind with the words that stand for it in a reason and that people read.
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
    """A reason in which the pattern is found is of this kind."""

    kind: str
    pattern: re.Pattern[str]


def _rule(kind: str, pattern: str) -> AbortReasonRule:
    return AbortReasonRule(kind, re.compile(pattern, re.IGNORECASE))


# Tried in this order. The phrases come first: they are how a kind survives its way through Bitrise.
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
    """Who aborted a build, and why, as far as it is known."""

    who: str | None
    why: str | None


def read_abort(reason: str | None) -> AbortReason:
    """Who and why, without the words that Bitrise puts around them."""
    text = (reason or "").strip()
    if match := _ABORTED_BY.match(text):
        return AbortReason(match["who"], (match["why"] or "").strip() or None)
    return AbortReason(None, text or None)


def classify_reason(reason: str | None, own: Sequence[AbortReasonRule] = ()) -> str:
    """The kind of an abort's reason. Own rules come first; a person's abort that fits none is `manual`."""
    abort = read_abort(reason)
    if abort.why is None:
        return MANUAL if abort.who else OTHER
    for rule in (*own, *BUILT_IN):
        if rule.pattern.search(abort.why):
            return rule.kind
    return MANUAL if abort.who else OTHER


def phrase(kind: str) -> str:
    """The kind as people read it; an own kind is read as it is called."""
    return PHRASES.get(kind, kind.replace("-", " ").capitalize())


def parse_rules(text: str) -> tuple[AbortReasonRule, ...]:
    """Own rules as they are set: `kind=pattern; kind=pattern`. Raises ValueError, which says what is wrong."""
    rules = []
    for part in text.split(";"):
        if not part.strip():
            continue
        kind, equals, pattern = part.strip().partition("=")
        if not equals or not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", kind.strip()) or not pattern.strip():
            raise ValueError(
                f"{part.strip()[:60]!r} is no rule: write kind=pattern, such as freeze=deploy freeze"
            )
        try:
            rules.append(_rule(kind.strip(), pattern.strip()))
        except re.error as error:
            raise ValueError(f"the pattern of {kind.strip()} can't be read: {error}") from error
    return tuple(rules)
