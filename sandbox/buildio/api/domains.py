"""Domains and their certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.buildio.api.base import BaseEndpoints, answered, invalid, not_found, parse_body, parse_text
from sandbox.buildio.domains import Domain, is_certificate, is_hostname
from sandbox.buildio.state import PLATFORM_DOMAIN, App

LARGEST_CERTIFICATE = 64 * 1024


@dataclass
class DomainEndpoints(BaseEndpoints):
    """Answers what is asked about them."""

    async def _domains(self, request: web.Request) -> web.Response:
        return answered([self.answers.domain(one) for one in self._find_app(request).domains])

    async def _domain(self, request: web.Request) -> web.Response:
        return answered(self.answers.domain_details(self._find_domain(self._find_app(request), request)))

    async def _add_domain(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        body = await parse_body(request, ("hostname", "cert"), required=("hostname",))
        hostname = parse_text(body, "hostname") or ""
        if not is_hostname(hostname) or hostname.endswith(PLATFORM_DOMAIN):
            raise invalid("hostname must be a host name of your own, such as www.example.com")
        if self.platform.app_with(hostname) is not None:
            raise invalid(f"hostname {hostname} is already taken")
        given = _certificate_in(body) is not None
        domain = self.platform.add_domain(app, hostname, self.now(), given=given)
        return answered(self.answers.domain_details(domain), 201)

    async def _update_certificate(self, request: web.Request) -> web.Response:
        domain = self._own_domain(request)
        _certificate_in(await parse_body(request, ("cert",), required=("cert",)))
        domain.take_certificate(self.now())
        return answered(self.answers.changed(self.answers.domain_details(domain)))

    async def _remove_domain(self, request: web.Request) -> web.Response:
        domain = self._own_domain(request)
        self._find_app(request).domains.remove(domain)
        return answered(self.answers.changed(self.answers.domain_details(domain)))

    async def _remove_all_domains(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        app.domains = [one for one in app.domains if one.platform]
        return answered(self.answers.changed())

    def _own_domain(self, request: web.Request) -> Domain:
        """The path's domain, for a change. Raises ApiError for the platform's own."""
        domain = self._find_domain(self._find_app(request), request)
        if domain.platform:
            raise invalid(f"{domain.hostname} is the platform's own domain")
        return domain

    def _find_domain(self, app: App, request: web.Request) -> Domain:
        wanted = request.match_info["domain"]
        found = next((one for one in app.domains if one.id == wanted), None)
        if found is None:
            raise not_found()
        return found


def _certificate_in(body: dict[str, Any]) -> str | None:
    given = parse_text(body, "cert", most=LARGEST_CERTIFICATE)
    if given is not None and not is_certificate(given):
        raise invalid("cert must be a certificate in PEM")
    return given
