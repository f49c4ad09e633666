"""Errors with Bitrise's own messages."""

from __future__ import annotations

from domain.provider_errors import NotFound, RequestRejected
from providers.bitrise.provider import BITRISE


class BuildAlreadyFinished(RequestRejected):
    """The build has already ended, so it can't be aborted."""

    sentence = "{provider} refuses"
    default_provider = BITRISE


class NoLog(NotFound):
    """The build has no log: it has not started yet, or was aborted before it started."""

    sentence = "This build has no log: it has not begun yet, or it was aborted before it began"
    default_provider = BITRISE
