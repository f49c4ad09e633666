"""Endpoints for domains and their certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.buildio.api.base import BaseEndpoints, invalid, json_response, not_found, parse_body, parse_text
from sandbox.buildio.domains import Domain, is_certificate, is_hostname
from sandbox.buildio.state import PLATFORM_DOMAIN, App

MAX_CERTIFICATE_SIZE = 64 * 1024


@dataclass
class DomainEndpoints(BaseEndpoints):
    """Endpoints for domains."""

    async def _domains(self, request: web.Request) -> web.Response:
        return json_response([self.serializer.domain(domain) for domain in self._find_app(request).domains])

    async def _domain(self, request: web.Request) -> web.Response:
        return json_response(
            self.serializer.domain_details(self._find_domain(self._find_app(request), request))
        )

    async def _add_domain(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        body = await parse_body(request, ("hostname", "cert"), required=("hostname",))
        hostname = parse_text(body, "hostname") or ""
        if not is_hostname(hostname) or hostname.endswith(PLATFORM_DOMAIN):
            raise invalid("hostname must be a host name of your own, such as www.example.com")
        if self.state.app_with(hostname) is not None:
            raise invalid(f"hostname {hostname} is already taken")
        certificate = _certificate_in(body) is not None
        domain = self.state.add_domain(app, hostname, self.now(), has_custom_certificate=certificate)
        return json_response(self.serializer.domain_details(domain), 201)

    async def _update_certificate(self, request: web.Request) -> web.Response:
        domain = self._own_domain(request)
        _certificate_in(await parse_body(request, ("cert",), required=("cert",)))
        domain.take_certificate(self.now())
        return json_response(self.serializer.changed(self.serializer.domain_details(domain)))

    async def _remove_domain(self, request: web.Request) -> web.Response:
        domain = self._own_domain(request)
        self._find_app(request).domains.remove(domain)
        return json_response(self.serializer.changed(self.serializer.domain_details(domain)))

    async def _remove_all_domains(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        app.domains = [domain for domain in app.domains if domain.is_platform_domain]
        return json_response(self.serializer.changed())

    def _own_domain(self, request: web.Request) -> Domain:
        """Return the domain of the path for a change. Raises ApiError for the platform's own domain."""
        domain = self._find_domain(self._find_app(request), request)
        if domain.is_platform_domain:
            raise invalid(f"{domain.hostname} is the platform's own domain")
        return domain

    def _find_domain(self, app: App, request: web.Request) -> Domain:
        wanted = request.match_info["domain"]
        found = next((domain for domain in app.domains if domain.id == wanted), None)
        if found is None:
            raise not_found()
        return found


def _certificate_in(body: dict[str, Any]) -> str | None:
    certificate = parse_text(body, "cert", max_length=MAX_CERTIFICATE_SIZE)
    if certificate is not None and not is_certificate(certificate):
        raise invalid("cert must be a certificate in PEM")
    return certificate
