"""The systems that run builds, by the names that they have everywhere. Pure; no I/O."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic_core import CoreSchema, core_schema


class Provider(str):
    """A system that runs builds: its name in the database and in rules.

    `label` is what people call it, `command` what they type to ask it. There is one object a name, so that
    providers can be told apart by `is`.

    `apps_have_repositories`: each of its apps has a repository, even where it does not say which one.
    `triggers_name_kind`: it says in one word how and by whom a build was triggered (`manual-octo`), and not only by
    whom.
    """

    BITRISE: ClassVar[Provider]
    BUILDIO: ClassVar[Provider]
    _known: ClassVar[dict[str, Provider]] = {}

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
    ) -> Provider:
        """Make a provider known under this name, or return the one that is known already."""
        provider = cls._known.get(name)
        if provider is None:
            provider = cls._known[name] = cls(name)
            provider.label, provider.command = label, f"/{name}"
            provider.apps_have_repositories = apps_have_repositories
            provider.triggers_name_kind = triggers_name_kind
        return provider

    @classmethod
    def named(cls, name: str) -> Provider:
        """The provider of that name. Raises ValueError for one that nobody knows."""
        if name not in cls._known:
            raise ValueError(f"there is no provider {name}")
        return cls._known[name]

    @classmethod
    def all(cls) -> tuple[Provider, ...]:
        """Every provider that is known, in the order in which they became so."""
        return tuple(cls._known.values())

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls.named, core_schema.str_schema())

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: Any) -> Self:
        return self


Provider.BITRISE = Provider.known(
    "bitrise", label="Bitrise", apps_have_repositories=True, triggers_name_kind=True
)
Provider.BUILDIO = Provider.known("buildio", label="Build.io")

# The provider of everything made before providers had names: stored rows, buttons and modals that name none.
UNNAMED_PROVIDER = Provider.BITRISE
