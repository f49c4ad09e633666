"""API endpoints for domains."""

from __future__ import annotations

from providers.buildio.api.connection import Connection, path_of
from providers.buildio.api.domain_models import parse_domain
from providers.buildio.api.field_parsing import parse_change_response, parse_fields, parse_list
from providers.buildio.api.models import Domain


class DomainsApi(Connection):
    """Endpoints of "Domains" in the reference. Every method raises ProviderError."""

    async def domains(self, app: str) -> list[Domain]:
        """List the app's domains, including the platform domain."""
        return parse_list(
            (await self._api.read(path_of("apps", app, "domains"))).body, parse_domain, resource="domains"
        )

    async def domain(self, app: str, id: str) -> Domain:  # noqa: A002
        """Fetch one domain with the status of its certificate."""
        reply = await self._api.read(path_of("apps", app, "domains", id))
        return parse_domain(parse_fields(reply.body, resource="domain"), id=id) or Domain(id=id, hostname=id)

    async def add_domain(self, app: str, hostname: str, *, certificate: str | None = None) -> Domain:
        """Add a custom domain, with or without a custom certificate."""
        body = {"hostname": hostname} | ({"cert": certificate} if certificate is not None else {})
        reply = await self._api.change("POST", path_of("apps", app, "domains"), body)
        domain = parse_domain(parse_change_response(reply.body, resource="domain"), hostname=hostname)
        return domain or Domain(id=hostname, hostname=hostname)

    async def update_certificate(self, app: str, id: str, certificate: str) -> Domain:  # noqa: A002
        """Replace the certificate of a domain."""
        reply = await self._api.change("PATCH", path_of("apps", app, "domains", id), {"cert": certificate})
        return parse_domain(parse_change_response(reply.body, resource="domain"), id=id) or Domain(
            id=id, hostname=id
        )

    async def remove_domain(self, app: str, id: str) -> None:  # noqa: A002
        """Remove a custom domain."""
        await self._api.change("DELETE", path_of("apps", app, "domains", id), None)

    async def remove_all_domains(self, app: str) -> None:
        """Remove all custom domains."""
        await self._api.change("DELETE", path_of("apps", app, "domains"), None)
