"""Connection to Build.io's API with one set of credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from domain.credentials import Credentials
from domain.provider_errors import UnexpectedResponse
from providers.buildio.api.field_parsing import Fields, parse_change_response, parse_fields, parse_list
from providers.buildio.provider import BUILDIO
from providers.http.api_client import ApiClient
from providers.http.api_client import path_of as any_path_of
from providers.http.pauses import TokenPauses
from providers.http.transport import HttpTransport

T = TypeVar("T")

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
        pauses: TokenPauses | None = None,
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

    async def _list(
        self,
        path: str,
        parse: Callable[[Fields], T | None],
        resource: str,
        params: Mapping[str, str] | None = None,
    ) -> list[T]:
        """Fetch a list of resources."""
        return parse_list((await self._api.read(path, params)).body, parse, resource=resource)

    async def _fetch(self, path: str, parse: Callable[[Fields], T | None], resource: str) -> T:
        """Fetch one resource."""
        return _require(parse(parse_fields((await self._api.read(path)).body, resource=resource)), resource)

    async def _change(
        self, method: str, path: str, body: object, parse: Callable[[Fields], T | None], resource: str
    ) -> T:
        """Change one resource, and return it as far as the response describes it."""
        reply = await self._api.change(method, path, body)
        return _require(parse(parse_change_response(reply.body, resource=resource)), resource)


def _require(found: T | None, resource: str) -> T:
    if found is None:
        raise UnexpectedResponse(f"there is no {resource} in it", provider=BUILDIO)
    return found


def present_fields(**fields: str | None) -> dict[str, str]:
    """Return the fields that have a value, as the body of a request."""
    return {name: value for name, value in fields.items() if value is not None}
