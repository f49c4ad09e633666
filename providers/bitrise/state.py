"""The in-memory state of Bitrise's features: followed logs, the artifact index, limits on logs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from providers.bitrise.api.client import BitriseClient
from providers.bitrise.artifacts.artifact_index import ArtifactIndex
from providers.bitrise.logs.concurrency_limits import log_file_limit, log_read_limit
from providers.bitrise.logs.follower import LogFollowers
from providers.bitrise.provider import BITRISE
from services.request.context import RequestContext


class BitriseState:
    """The state, made once with the bot's own client; nothing of it survives a restart.

    `log_file_limit` limits how many logs are sent as files at once, `log_read_limit` how many are read.
    """

    def __init__(
        self, client: BitriseClient, *, clock: Callable[[], datetime], follow_seconds: float
    ) -> None:
        self.log_followers = LogFollowers(clock=clock, seconds_each=follow_seconds)
        self.artifact_index = ArtifactIndex(client)
        self.log_file_limit = log_file_limit()
        self.log_read_limit = log_read_limit()
        self.jobs = (self.log_followers,)

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self.log_followers.forget(team)


def state_of(context: RequestContext) -> BitriseState:
    """Return Bitrise's state in this bot."""
    state = context.services.clients.at(BITRISE).state
    if not isinstance(state, BitriseState):
        raise TypeError(f"Bitrise's state is {type(state).__name__}")
    return state
