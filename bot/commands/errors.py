"""Mistakes in what people type."""

from __future__ import annotations


class CommandError(Exception):
    """A word can't be understood; says which, why, and what would be right."""

    def __init__(self, problem: str, *, example: str) -> None:
        self.problem = problem
        self.example = example
        super().__init__(f"{problem} For example: `/bitrise {example}`")
