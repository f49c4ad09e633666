"""What a change does to config vars, by their names alone. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping

from domain.build import FrozenModel


class ConfigDiff(FrozenModel):
    """The keys that were not there before, those whose value is another one now, and those that are gone."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @classmethod
    def between(cls, before: Mapping[str, str], wanted: Mapping[str, str | None]) -> ConfigDiff:
        """What is different once `wanted` is set; None takes a var away."""
        given = {key: value for key, value in wanted.items() if value is not None}
        return cls(
            added=tuple(sorted(given.keys() - before.keys())),
            changed=tuple(sorted(key for key, value in given.items() if before.get(key, value) != value)),
            removed=tuple(sorted(key for key, value in wanted.items() if value is None and key in before)),
        )

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)
