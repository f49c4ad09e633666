"""The parts of the bot that a provider connects with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.http.transport import HttpTransport
from services.worker_processes.pool import Runner
from storage.repositories import Repositories


@dataclass(frozen=True)
class ProviderEnvironment:
    """The operator's settings, of which each provider reads its own, and the parts of the bot that a client needs.

    `oauth_start_url` and `oauth_redirect_url` are the bot's own pages for connecting an account. `runner`, `storage`
    and `follow_seconds` (the pace of followed logs) are needed by the running bot only, not by `doctor`.
    """

    settings: Any
    http: HttpTransport
    clock: Callable[[], datetime]
    oauth_start_url: str = ""
    oauth_redirect_url: str = ""
    runner: Runner | None = None
    storage: Repositories | None = None
    follow_seconds: float = 0
