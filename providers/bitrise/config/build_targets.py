"""What an app's bitrise.yml says can be built. Pure; no I/O."""

from __future__ import annotations

from typing import Any

import yaml

from domain.build import FrozenModel

# The C loader is ten times as fast; not every machine has it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BuildTargets(FrozenModel):
    """Names that a build can be started with."""

    workflows: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()


def parse_build_targets(text: str) -> BuildTargets | None:
    """The workflows and pipelines of a bitrise.yml; None where it is no YAML.

    A workflow whose name begins with an underscore is only there to be used by others (Bitrise's documents, "Utility
    workflows").
    """
    try:
        content = yaml.load(text, Loader=_LOADER)  # noqa: S506 - both are safe loaders
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    found = content if isinstance(content, dict) else {}
    return BuildTargets(
        workflows=tuple(name for name in _names(found.get("workflows")) if not name.startswith("_")),
        pipelines=tuple(_names(found.get("pipelines"))),
    )


def _names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, dict) else []
