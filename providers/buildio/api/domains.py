"""API endpoints for domains."""

from __future__ import annotations

from functools import partial

from providers.buildio.api.connection import Connection, path_of, present_fields
from providers.buildio.api.domain_models import parse_domain
from providers.buildio.api.models import Domain


class DomainsApi(Connection):
    """Endpoints of "Domains" in the reference. Every method raises ProviderError."""

    async def domains(self, app: str) -> list[Domain]:
        """List the app's domains, including the platform domain."""
        return await self._list(path_of("apps", app, "domains"), parse_domain, "domains")

    async def domain(self, app: str, id: str) -> Domain:  # noqa: A002
        """Fetch one domain with the status of its certificate."""
        path = path_of("apps", app, "domains", id)
        return await self._fetch(path, partial(parse_domain, id=id), "domain")

    async def add_domain(self, app: str, hostname: str, *, certificate: str | None = None) -> Domain:
        """Add a custom domain, with or without a custom certificate."""
        path, parse = path_of("apps", app, "domains"), partial(parse_domain, hostname=hostname)
        body = present_fields(hostname=hostname, cert=certificate)
        return await self._change("POST", path, body, parse, "domain")

    async def update_certificate(self, app: str, id: str, certificate: str) -> Domain:  # noqa: A002
        """Replace the certificate of a domain."""
        path, parse = path_of("apps", app, "domains", id), partial(parse_domain, id=id)
        return await self._change("PATCH", path, {"cert": certificate}, parse, "domain")

    async def remove_domain(self, app: str, id: str) -> None:  # noqa: A002
        """Remove a custom domain."""
        await self._api.change("DELETE", path_of("apps", app, "domains", id), None)

    async def remove_all_domains(self, app: str) -> None:
        """Remove all custom domains."""
        await self._api.change("DELETE", path_of("apps", app, "domains"), None)
