"""What of a build is kept: not what it was started with, which may be secret, and no secret that somebody wrote."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from bot.authors import whose
from bot.build import Build, Frozen
from bot.build_request import BuildRequest
from bot.pipeline import Pipeline
from bot.redaction import beginning, redact

# Nobody is shown more of a text, and all that is kept waits while it is looked through.
LONGEST_KEPT = 4000

ModelT = TypeVar("ModelT", bound=Frozen)


def as_kept(build: Build) -> Build:
    """The build as the database may have it; whoever starts it again has what it was started with asked for anew."""
    params = whose(build.params) if build.params is not None else None
    return _clean_model(build.model_copy(update={"params": params}))


def pipeline_as_kept(one: Pipeline) -> Pipeline:
    """The pipeline as the database may have it."""
    return _clean_model(one)


def request_as_kept(one: BuildRequest) -> BuildRequest:
    """The build that waits for approval as the database may have it."""
    return _clean_model(one)


def _clean_model(model: ModelT) -> ModelT:
    """Every text in it may have been written by somebody: a branch's name no less than a message."""
    clean = {name: _clean(value) for name, value in vars(model).items()}
    changed = {name: value for name, value in clean.items() if value is not getattr(model, name)}
    return model.model_copy(update=changed) if changed else model


def _clean(value: Any) -> Any:
    """The value without secrets; itself where it has none."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return clean if (clean := redact(beginning(value, LONGEST_KEPT))) != value else value
    if isinstance(value, Frozen):
        return _clean_model(value)
    if isinstance(value, tuple | list):
        return type(value)(_clean(one) for one in value)
    if isinstance(value, Mapping):
        return {redact(name): _clean(one) for name, one in value.items()}
    return value
