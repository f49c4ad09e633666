"""The connection to Bitrise's API under somebody's credentials; what can be asked over it stands beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from domain.abort_reason import AbortReasonRule
from domain.credentials import Credentials, FixedToken
from domain.provider import Provider
from providers.http.api_client import ApiClient
from providers.http.api_client import path_of as any_path_of
from providers.http.downloads import Downloads
from providers.http.transport import HttpTransport
from services.worker_processes.pool import InProcessRunner, Runner

path_of = partial(any_path_of, provider=Provider.BITRISE)


class Connection:
    """What every part of the client needs. `runner` does what takes long where somebody else may wait meanwhile."""

    def __init__(
        self,
        http: HttpTransport,
        *,
        credentials: Credentials,
        base_url: str,
        clock: Callable[[], datetime],
        download_hosts: tuple[str, ...] = (),
        abort_rules: tuple[AbortReasonRule, ...] = (),
        runner: Runner | None = None,
        **api_options: Any,
    ) -> None:
        known: dict[str, Any] = {
            "provider": Provider.BITRISE,
            "scheme": "token",
            "base_url": base_url,
            "clock": clock,
        }
        self._api = ApiClient(http, credentials=credentials, **known, **api_options)
        self._open_api = ApiClient(http, credentials=FixedToken(None), **known, **api_options)
        self._downloads = Downloads(
            http,
            api_url=base_url,
            hosts=download_hosts,
            requester=credentials.requester,
            provider=Provider.BITRISE,
        )
        self._runner = runner or InProcessRunner()
        # A person's bitrise.yml may be made to take long: it takes one place of the runner's at a time.
        self._yml_turn = asyncio.Lock()
        self._clock = clock
        self._abort_rules = abort_rules
