"""The connection to Bitrise's API under somebody's credentials; what can be asked over it stands beside it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from bot.aborts import AbortRule
from bot.http import Api, Credentials, Downloads, FixedToken, Http


class Connection:
    """What every part of the client needs."""

    def __init__(
        self,
        http: Http,
        *,
        credentials: Credentials,
        base_url: str,
        clock: Callable[[], datetime],
        download_hosts: tuple[str, ...] = (),
        abort_rules: tuple[AbortRule, ...] = (),
        **api_options: Any,
    ) -> None:
        self._api = Api(http, base_url=base_url, credentials=credentials, clock=clock, **api_options)
        nobody = FixedToken(None)
        self._open_api = Api(http, base_url=base_url, credentials=nobody, clock=clock, **api_options)
        self._downloads = Downloads(http, api_url=base_url, hosts=download_hosts)
        self._clock = clock
        self._abort_rules = abort_rules
