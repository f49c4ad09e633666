"""API endpoints for domains, and the parsing of their responses."""

from __future__ import annotations

from functools import partial

from providers.buildio.api.connection import Connection, path_of, present_fields
from providers.buildio.api.field_parsing import Fields
from providers.buildio.api.models import Domain

# Heroku's Platform API, "Domain": `kind` separates platform domains from custom ones; its value depends on the
# system.
_PLATFORM = frozenset({"platform", "heroku", "build", "buildio", "build.io", "default", "system", "internal"})
_CERTIFICATE = ("ssl", "cert", "certificate", "acm", "sni_endpoint", "ssl_cert", "tls")


def parse_domain(fields: Fields, *, id: str | None = None, hostname: str | None = None) -> Domain | None:  # noqa: A002
    """Parse a domain; `id` and `hostname` are those of the request. None if it has neither."""
    host = fields.name("hostname", "host", "domain", "name") or hostname
    id_ = fields.id("id", "uuid") or id or host
    if id_ is None:
        return None
    certificate = fields.inner(*_CERTIFICATE)
    return Domain(
        id=id_,
        hostname=host or id_,
        platform=_is_platform(fields),
        target=fields.name("cname", "target", "dns_target", "cname_target"),
        status=fields.name("status", "state", "dns_status"),
        ssl=_parse_ssl(fields, certificate),
        problem=fields.text("acm_status_reason", "status_reason", "ssl_error", "error", "reason")
        or certificate.text("reason", "error", "status_reason", "message"),
        expires_at=fields.time("ssl_expires_at", "cert_expires_at", "certificate_expires_at", "expires_at")
        or certificate.time("expires_at", "not_after", "expiry")
        or certificate.inner("ssl_cert").time("expires_at"),
    )


def _is_platform(fields: Fields) -> bool:
    platform = fields.flag("platform", "is_platform", "default")
    if platform is not None:
        return platform
    custom = fields.flag("custom", "is_custom")
    return not custom if custom is not None else (fields.name("kind", "type") or "").lower() in _PLATFORM


def _parse_ssl(fields: Fields, certificate: Fields) -> str | None:
    """Parse the certificate status: the app's own field, a field of the certificate, or only on or off."""
    word = fields.name("ssl_status", "acm_status", "cert_status", "certificate_status", "tls_status")
    word = word or certificate.name("status", "state", "acm_status") or _parse_ssl_word(fields)
    if word is None and (on := fields.flag("ssl", "ssl_enabled", "tls")) is not None:
        return "on" if on else "off"
    return word


def _parse_ssl_word(fields: Fields) -> str | None:
    # A certificate itself has many lines and is not a status.
    word = fields.name("ssl", "acm", "cert", "certificate")
    return word if word is not None and word.lower() not in ("true", "false") and len(word) < 40 else None


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
