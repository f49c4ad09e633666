"""The connection to Bitrise's API under one token; what can be asked over it stands in modules of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from bot.aborts import AbortRule
from bot.http import Api, Downloads, Http


class Connection:
    """What every part of the client needs."""

    def __init__(
        self,
        http: Http,
        *,
        token: SecretStr | None,
        base_url: str,
        clock: Callable[[], datetime],
        download_hosts: tuple[str, ...] = (),
        abort_rules: tuple[AbortRule, ...] = (),
        **api_options: Any,
    ) -> None:
        def authorization() -> str | None:
            return f"token {token.get_secret_value()}" if token else None

        self._api = Api(http, base_url=base_url, authorization=authorization, clock=clock, **api_options)
        self._open_api = Api(http, base_url=base_url, authorization=lambda: None, clock=clock, **api_options)
        self._downloads = Downloads(http, api_url=base_url, hosts=download_hosts)
        self._clock = clock
        self._abort_rules = abort_rules
