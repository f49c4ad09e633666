"""Mistakes in what people type."""

from __future__ import annotations

from domain.provider import Provider
from domain.redaction.redactor import redact_beginning


class CommandError(Exception):
    """A word can't be understood; says which, why, and what would be right."""

    def __init__(self, problem: str, *, example: str, provider: Provider = Provider.BITRISE) -> None:
        self.problem = problem
        self.example = example
        super().__init__(f"{problem} For example: `{provider.command} {example}`")


def typed(words: str, most: int) -> str:
    """So much of what somebody typed as an error may say again.

    Secrets are taken out before it is cut: by what is left of one after that it could not be known.
    """
    return redact_beginning(words, most)[:most]
