"""Errors in what a user asked for."""

from __future__ import annotations

from domain.provider import Provider
from domain.redaction.redactor import redact_beginning


class CommandError(Exception):
    """A word can't be parsed; the message says which, why, and shows a correct example.

    Functions that parse single words know no provider and leave it out; the command parser adds it.
    `in_form` is the message for a form, where only the arguments are typed.
    """

    def __init__(self, problem: str, *, example: str, provider: Provider | None = None) -> None:
        self.problem = problem
        self.example = example
        command = f"{provider.command} " if provider is not None else ""
        self.in_form = f"{problem} For example: `{example.partition(' ')[2] or example}`"
        super().__init__(f"{problem} For example: `{command}{example}`")


def redact_typed(text: str, limit: int) -> str:
    """Return as much of the user's input as an error may repeat.

    Secrets are redacted before the text is cut: a cut secret could not be recognised.
    """
    return redact_beginning(text, limit)[:limit]


def quote_typed(text: str, limit: int = 80) -> str:
    """Return as much of the user's input as an error may repeat, as code."""
    return f"`{redact_typed(text, limit).replace('`', chr(39))}`"


class UserError(Exception):
    """A request that can't be understood or done; the message says what to do instead."""
