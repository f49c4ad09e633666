"""Mistakes in what people type."""

from __future__ import annotations

from bot.provider import Provider


class CommandError(Exception):
    """A word can't be understood; says which, why, and what would be right."""

    def __init__(self, problem: str, *, example: str, provider: Provider = Provider.BITRISE) -> None:
        self.problem = problem
        self.example = example
        super().__init__(f"{problem} For example: `{provider.command} {example}`")
