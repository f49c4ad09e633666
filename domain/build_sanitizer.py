"""What of a build is kept: not what it was started with, which may be secret, and no secret that somebody wrote."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from domain.build import Build, FrozenModel
from domain.build_author import author_fields
from domain.build_request import BuildRequest
from domain.pipeline import Pipeline
from domain.redaction.prefilter import find_candidates
from domain.redaction.redactor import redact, truncate_at_word

# Nobody is shown more of a text, and all that is kept waits while it is looked through.
LONGEST_KEPT = 4000
_NO_TEXT = (Enum, int, float, datetime)

ModelT = TypeVar("ModelT", bound=FrozenModel)


def sanitize_builds(builds: Iterable[Build]) -> list[Build]:
    """The builds as the database may have them.

    Whoever starts one again has what it was started with asked for anew. They are cleaned together, which is ten times
    as fast as one by one.
    """
    kept = [
        build.model_copy(update={"params": author_fields(build.params)})
        if build.params is not None
        else build
        for build in builds
    ]
    suspect, cleaned = _suspect_fields(kept), dict[str, str]()
    return [_clean_model(build, cleaned, suspect) for build in kept]


def sanitize_pipeline(one: Pipeline) -> Pipeline:
    """The pipeline as the database may have it."""
    return _clean_model(one, {})


def sanitize_request(one: BuildRequest) -> BuildRequest:
    """The build that waits for approval as the database may have it."""
    return _clean_model(one, {})


def _suspect_fields(models: Sequence[FrozenModel]) -> list[str]:
    """Return the names of those fields of models of one kind that have to be cleaned one by one.

    Most fields hold no sign of a secret in any of the models. Their texts are looked through as one: what is a sign in
    a text is one in a longer text, too.
    """
    suspect, rows = [], [vars(model) for model in models]
    for name in rows[0] if rows else ():
        values = [value for row in rows if (value := row[name]) and not isinstance(value, _NO_TEXT)]
        if values and not (
            all(isinstance(value, str) and len(value) <= LONGEST_KEPT for value in values)
            and not find_candidates("\n".join(values).encode("utf-8", "replace"))
        ):
            suspect.append(name)
    return suspect


def _clean_model(model: ModelT, cleaned: dict[str, str], names: Collection[str] | None = None) -> ModelT:
    """Every text in it may have been written by somebody: a branch's name no less than a message.

    `cleaned` remembers texts and what became of them. `names` are the fields to clean, where the others are known to
    hold no secret.
    """
    fields = vars(model)
    clean = {name: _clean(fields[name], cleaned) for name in (fields if names is None else names)}
    changed = {name: value for name, value in clean.items() if value is not fields[name]}
    return model.model_copy(update=changed) if changed else model


def _clean(value: Any, cleaned: dict[str, str]) -> Any:
    """The value without secrets; itself where it has none."""
    if not value or isinstance(value, Enum):
        return value
    if isinstance(value, str):
        if value not in cleaned:
            cleaned[value] = redact(truncate_at_word(value, LONGEST_KEPT))
        return clean if (clean := cleaned[value]) != value else value
    if isinstance(value, FrozenModel):
        return _clean_model(value, cleaned)
    if isinstance(value, tuple | list):
        return type(value)(_clean(one, cleaned) for one in value)
    if isinstance(value, Mapping):
        return {redact(name): _clean(one, cleaned) for name, one in value.items()}
    return value
