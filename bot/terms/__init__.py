"""The terms of a subscription: which builds, which moments of them, and how they are told. Pure; no I/O."""

from bot.terms.deciding import Verdict, decide
from bot.terms.model import (
    LIVE_MOMENTS,
    Happening,
    Quiet,
    Result,
    Style,
    Terms,
    TermsProblem,
    Weekday,
    check,
)
from bot.terms.scheduling import due_at

__all__ = [
    "LIVE_MOMENTS",
    "Happening",
    "Quiet",
    "Result",
    "Style",
    "Terms",
    "TermsProblem",
    "Verdict",
    "Weekday",
    "check",
    "decide",
    "due_at",
]
