"""Connection to Build.io's API with one set of credentials."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from domain.credentials import Credentials
from providers.buildio.provider import BUILDIO
from providers.http.api_client import ApiClient
from providers.http.api_client import path_of as any_path_of
from providers.http.transport import HttpTransport

path_of = partial(any_path_of, provider=BUILDIO)


class Connection:
    """Base of the endpoint classes."""

    def __init__(
        self,
        http: HttpTransport,
        *,
        credentials: Credentials,
        base_url: str,
        clock: Callable[[], datetime],
        pauses: dict[str, datetime] | None = None,
        **api_options: Any,
    ) -> None:
        # Reference, "Authentication": a Bearer token is the simplest approach.
        self._api = ApiClient(
            http,
            provider=BUILDIO,
            scheme="Bearer",
            base_url=base_url,
            credentials=credentials,
            clock=clock,
            pauses=pauses,
            # Reference, "Errors": an error has a code and a message; any other body may contain a config var.
            errors_in_text=False,
            **api_options,
        )
