"""What Bitrise refuses in words of its own."""

from __future__ import annotations

from domain.errors import NotFound, RequestRejected
from domain.provider import Provider


class BuildAlreadyFinished(RequestRejected):
    """The build has already ended, so it can't be aborted."""

    sentence = "{provider} refuses"
    default_provider = Provider.BITRISE


class NoLog(NotFound):
    """There is no log: not yet, or never, where the build was aborted before it began."""

    sentence = "This build has no log: it has not begun yet, or it was aborted before it began"
    default_provider = Provider.BITRISE
