"""Finding of a check of `buildbell doctor`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Result of one check; `fix` says what to do if it failed."""

    check: str
    result: str
    fix: str | None = None

    @property
    def passed(self) -> bool:
        """Return whether the check passed."""
        return self.fix is None


def apps_finding(what: str, count: int) -> Finding:
    """Return the finding on how many apps a token sees; none is a failure."""
    if not count:
        return Finding(what, "the token sees none", "give its owner access to the apps")
    return Finding(what, f"the token sees {count}")
