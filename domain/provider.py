"""The providers, by the names used everywhere. Pure; no I/O."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic_core import CoreSchema, core_schema


class Provider(str):
    """A system that runs builds; the string is its name in the database and in rules.

    `label` is the name shown to people, `command` its slash command. There is one object per name, so providers can be
    compared with `is`.

    `apps_have_repositories`: each of its apps has a repository, even if the provider does not say which one.
    `triggers_name_kind`: `triggered_by` says how and by whom a build was triggered (`manual-octo`), not only by whom.
    """

    _known: ClassVar[dict[str, Provider]] = {}
    _legacy_default: ClassVar[Provider | None] = None

    label: str
    command: str
    apps_have_repositories: bool
    triggers_name_kind: bool

    @classmethod
    def known(
        cls,
        name: str,
        *,
        label: str,
        apps_have_repositories: bool = False,
        triggers_name_kind: bool = False,
        legacy_default: bool = False,
    ) -> Provider:
        """Register a provider under this name, or return the one that is registered already.

        `legacy_default`: buttons and modals from before providers had names are this provider's.
        """
        provider = cls._known.get(name)
        if provider is None:
            provider = cls._known[name] = cls(name)
            provider.label, provider.command = label, f"/{name}"
            provider.apps_have_repositories = apps_have_repositories
            provider.triggers_name_kind = triggers_name_kind
            if legacy_default:
                cls._legacy_default = provider
        return provider

    @classmethod
    def named(cls, name: str) -> Provider:
        """Return the provider of that name. Raises ValueError if there is none."""
        if name not in cls._known:
            raise ValueError(f"there is no provider {name}")
        return cls._known[name]

    @classmethod
    def all(cls) -> list[Provider]:
        """Return all registered providers, sorted by name."""
        return [cls._known[name] for name in sorted(cls._known)]

    @classmethod
    def legacy_default(cls) -> Provider:
        """Return the provider of buttons and modals that name none. Raises LookupError if it is not registered."""
        if cls._legacy_default is None:
            raise LookupError("no provider is registered as the default of values that name none")
        return cls._legacy_default

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls.named, core_schema.str_schema())

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: Any) -> Self:
        return self
