"""Removes secrets from builds before they are stored: start parameters, and tokens in texts. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from domain.build import Build, BuildRequest, FrozenModel
from domain.build_author import author_fields
from domain.pipeline import Pipeline
from domain.redaction.prefilter import find_candidates
from domain.redaction.redactor import redact, truncate_at_word

# Nobody is shown more of a text, and storing waits while it is searched for secrets.
LONGEST_KEPT = 4000
_NOT_TEXT = (Enum, int, float, datetime)

ModelT = TypeVar("ModelT", bound=FrozenModel)


def sanitize_builds(builds: Iterable[Build]) -> list[Build]:
    """Return the builds as they may be stored.

    A rebuild fetches the start parameters again. Sanitizing them together is ten times as fast as one by one.
    """
    stripped = [
        build.model_copy(update={"params": author_fields(build.params)})
        if build.params is not None
        else build
        for build in builds
    ]
    suspect, cleaned = _suspect_fields(stripped), dict[str, str]()
    return [_clean_model(build, cleaned, suspect) for build in stripped]


def sanitize_pipeline(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline as it may be stored."""
    return _clean_model(pipeline, {})


def sanitize_request(request: BuildRequest) -> BuildRequest:
    """Return the build that waits for approval as it may be stored."""
    return _clean_model(request, {})


def _suspect_fields(models: Sequence[FrozenModel]) -> list[str]:
    """Return the names of the fields, of models of one kind, that have to be cleaned one by one.

    Most fields contain no sign of a secret in any of the models. Their texts are joined and searched once: a sign in a
    text is also one in a longer text.
    """
    suspect, rows = [], [vars(model) for model in models]
    for name in rows[0] if rows else ():
        values = [value for row in rows if (value := row[name]) and not isinstance(value, _NOT_TEXT)]
        if values and not (
            all(isinstance(value, str) and len(value) <= LONGEST_KEPT for value in values)
            and not find_candidates("\n".join(values).encode("utf-8", "replace"))
        ):
            suspect.append(name)
    return suspect


def _clean_model(model: ModelT, cleaned: dict[str, str], names: Collection[str] | None = None) -> ModelT:
    """Redact all texts of a model: any of them may be user input, a branch name as much as a message.

    `cleaned` caches texts and their results. `names` are the fields to clean, if the others are known to be harmless.
    """
    fields = vars(model)
    clean = {name: _clean(fields[name], cleaned) for name in (fields if names is None else names)}
    changed = {name: value for name, value in clean.items() if value is not fields[name]}
    return model.model_copy(update=changed) if changed else model


def _clean(value: Any, cleaned: dict[str, str]) -> Any:
    """Return the value without secrets; the same object if it has none."""
    if not value or isinstance(value, Enum):
        return value
    if isinstance(value, str):
        if value not in cleaned:
            cleaned[value] = redact(truncate_at_word(value, LONGEST_KEPT))
        return clean if (clean := cleaned[value]) != value else value
    if isinstance(value, FrozenModel):
        return _clean_model(value, cleaned)
    if isinstance(value, tuple | list):
        return type(value)(_clean(item, cleaned) for item in value)
    if isinstance(value, Mapping):
        return {redact(name): _clean(item, cleaned) for name, item in value.items()}
    return value
