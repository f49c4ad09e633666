"""What of a build is kept: not what it was started with, which may be secret, and no secret that somebody wrote."""

from __future__ import annotations

from bot.authors import whose
from bot.build import Build
from bot.build_request import BuildRequest
from bot.http.redaction import redact
from bot.pipeline import Pipeline


def as_kept(build: Build) -> Build:
    """The build as the database may have it; whoever starts it again has what it was started with asked for anew."""
    params = whose(build.params) if build.params is not None else None
    written = {"commit_message": _clean(build.commit_message), "abort_reason": _clean(build.abort_reason)}
    return build.model_copy(update={"params": params, **written})


def pipeline_as_kept(one: Pipeline) -> Pipeline:
    """The pipeline as the database may have it."""
    written = {"commit_message": _clean(one.commit_message), "abort_reason": _clean(one.abort_reason)}
    return one.model_copy(update=written)


def request_as_kept(one: BuildRequest) -> BuildRequest:
    """The build that waits for approval as the database may have it."""
    return one.model_copy(update={"commit_message": _clean(one.commit_message)})


def _clean(words: str | None) -> str | None:
    return redact(words) if words else words
