"""The effect of a change on config vars, by names only. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping

from domain.build import FrozenModel


class ConfigDiff(FrozenModel):
    """The keys that are added, those whose value changes, and those that are removed."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @classmethod
    def between(cls, before: Mapping[str, str], wanted: Mapping[str, str | None]) -> ConfigDiff:
        """Return the difference that setting `wanted` makes; None removes a config var."""
        new = {key: value for key, value in wanted.items() if value is not None}
        return cls(
            added=tuple(sorted(new.keys() - before.keys())),
            changed=tuple(sorted(key for key, value in new.items() if before.get(key, value) != value)),
            removed=tuple(sorted(key for key, value in wanted.items() if value is None and key in before)),
        )

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)
