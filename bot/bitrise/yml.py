"""What an app's bitrise.yml says can be built. Pure; no I/O."""

from __future__ import annotations

from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ValidationError

from bot.build import Frozen
from bot.http import NotUnderstood
from bot.provider import Provider

# The C loader is ten times as fast; not every machine has it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _or_none(value: object) -> object:
    return () if value is None else value


class Buildables(Frozen):
    """Names that a build can be started with."""

    workflows: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()


class YmlVerdict(BaseModel):
    """What Bitrise finds wrong with a bitrise.yml."""

    errors: Annotated[tuple[str, ...], BeforeValidator(_or_none)] = ()
    warnings: Annotated[tuple[str, ...], BeforeValidator(_or_none)] = ()


def verdict_in(body: bytes) -> YmlVerdict | None:
    """The verdict in an answer; None where none can be read."""
    try:
        return YmlVerdict.model_validate_json(body)
    except ValidationError:
        return None


def buildables_in(text: str) -> Buildables:
    """The workflows and pipelines of a bitrise.yml. Raises NotUnderstood.

    A workflow whose name begins with an underscore is only there to be used by others (Bitrise's documents, "Utility
    workflows").
    """
    try:
        content = yaml.load(text, Loader=_LOADER)  # noqa: S506 - both are safe loaders
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise NotUnderstood("the bitrise.yml is no YAML", provider=Provider.BITRISE) from error
    found = content if isinstance(content, dict) else {}
    return Buildables(
        workflows=tuple(name for name in _names(found.get("workflows")) if not name.startswith("_")),
        pipelines=tuple(_names(found.get("pipelines"))),
    )


def _names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, dict) else []
