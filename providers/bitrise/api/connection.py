"""The connection to Bitrise's API with one set of credentials; the endpoints are in the files beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from domain.abort_kind import AbortReasonRule
from domain.credentials import Credentials, FixedToken
from domain.provider_errors import NotFound, RequestRejected
from providers.bitrise.provider import BITRISE
from providers.http.api_client import ApiClient
from providers.http.api_client import path_of as any_path_of
from providers.http.downloads import Downloads
from providers.http.transport import HttpTransport
from services.worker_processes.pool import InProcessRunner, Runner


class BuildAlreadyFinished(RequestRejected):
    """The build has already ended, so it can't be aborted."""

    sentence = "{provider} rejected this"
    default_provider = BITRISE


class NoLog(NotFound):
    """The build has no log: it has not started yet, or was aborted before it started."""

    sentence = "This build has no log: it hasn't started yet, or was aborted before it started"
    default_provider = BITRISE


path_of = partial(any_path_of, provider=BITRISE)


class Connection:
    """The dependencies that all parts of the client share. `runner` does slow work outside the event loop.

    `yml_lock` is held while a bitrise.yml is parsed.
    """

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
        yml_lock: asyncio.Lock | None = None,
        **api_options: Any,
    ) -> None:
        options: dict[str, Any] = {
            "provider": BITRISE,
            "scheme": "token",
            "base_url": base_url,
            "clock": clock,
        }
        self._api = ApiClient(http, credentials=credentials, **options, **api_options)
        self._open_api = ApiClient(http, credentials=FixedToken(None), **options, **api_options)
        self._downloads = Downloads(
            http,
            api_url=base_url,
            hosts=download_hosts,
            requester=credentials.requester,
            provider=BITRISE,
        )
        self._runner = runner or InProcessRunner()
        self._yml_lock = yml_lock or asyncio.Lock()
        self._clock = clock
        self._abort_rules = abort_rules
