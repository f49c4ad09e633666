"""The workflows and pipelines that an app's bitrise.yml defines. Pure; no I/O."""

from __future__ import annotations

from typing import Any

import yaml

from domain.build import FrozenModel

# The C loader is ten times as fast, but not available on every machine.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BuildTargets(FrozenModel):
    """Names of workflows and pipelines that a build can be started with."""

    workflows: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()


def parse_build_targets(text: str) -> BuildTargets | None:
    """Parse the workflows and pipelines of a bitrise.yml; None if it is not YAML.

    Workflows whose name begins with an underscore can only be used by other workflows (Bitrise's documents, "Utility
    workflows"), so they are left out.
    """
    try:
        content = yaml.load(text, Loader=_LOADER)  # noqa: S506 - both are safe loaders
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    sections = content if isinstance(content, dict) else {}
    return BuildTargets(
        workflows=tuple(name for name in _names(sections.get("workflows")) if not name.startswith("_")),
        pipelines=tuple(_names(sections.get("pipelines"))),
    )


def _names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, dict) else []
