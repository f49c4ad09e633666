"""Mistakes in what people type."""

from __future__ import annotations

from domain.provider import Provider
from domain.redaction.redactor import redact_beginning


class CommandError(Exception):
    """A word can't be understood; says which, why, and what would be right.

    What parses single words knows no provider, and leaves it out; the parser of the command adds it.
    """

    def __init__(self, problem: str, *, example: str, provider: Provider | None = None) -> None:
        self.problem = problem
        self.example = example
        command = f"{provider.command} " if provider is not None else ""
        super().__init__(f"{problem} For example: `{command}{example}`")


def redact_typed(text: str, limit: int) -> str:
    """Return as much of what somebody typed as an error may repeat.

    Secrets are removed before the text is cut: the rest of a cut secret could not be recognised.
    """
    return redact_beginning(text, limit)[:limit]
