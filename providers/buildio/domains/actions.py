"""Actions on the domains of an app: add, remove, replace a certificate.

Only the fingerprints of certificates are shown. Certificates are stored encrypted and sent only to Build.io.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import SecretStr

from domain.access_policy import Permission
from domain.action import Secret
from domain.commands.errors import UserError
from providers.buildio.action_base import AppAction, Name, channel_result
from providers.buildio.api.access import own_client
from providers.buildio.domains import messages as domain_messages
from providers.buildio.domains.certificates import fingerprint
from services.actions.action import ActionResult
from services.request.context import RequestContext

_CERTIFICATE_NOT_SHOWN = {"certificate": "it holds a private key; its fingerprint is shown instead"}


class AddDomainAction(AppAction):
    """Add a domain to an app, with or without a custom certificate."""

    not_shown: ClassVar[Mapping[str, str]] = _CERTIFICATE_NOT_SHOWN
    permission: ClassVar = Permission.DOMAINS
    act: Literal["add_domain"] = "add_domain"
    hostname: Name
    certificate: Secret | None = None

    def audit_fields(self) -> dict[str, str]:
        """Return the hostname, and whether there is a custom certificate."""
        return {"label": self.hostname, "certificate": "own" if self.certificate is not None else "none"}

    def summary(self) -> str:
        """Return the hostname and the app."""
        own = " with a certificate" if self.certificate is not None else ""
        return f"add the domain {self.hostname}{own} to {self.app.title}"

    def details(self) -> list[tuple[str, str]]:
        """Return the hostname, and the certificate's fingerprint."""
        return [("domain", self.hostname), ("certificate", _format_fingerprint(self.certificate))]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Add the domain. Raises ProviderError."""
        certificate = self.certificate.get_secret_value() if self.certificate is not None else None
        domain = await own_client(context).add_domain(self.app.slug, self.hostname, certificate=certificate)
        return channel_result(domain_messages.domain_added(self.app, domain, by=context.person))


class _DomainAction(AppAction):
    """Base of actions on an existing domain; `domain` is its ID."""

    permission: ClassVar = Permission.DOMAINS
    domain: Name
    hostname: Name

    def audit_fields(self) -> dict[str, str]:
        """Return the hostname and the ID."""
        return {"label": self.hostname, "domain": self.domain}

    def details(self) -> list[tuple[str, str]]:
        """Return the hostname and the ID."""
        return [("domain", self.hostname), ("domain id", self.domain)]


class UpdateCertificateAction(_DomainAction):
    """Replace the certificate of a domain."""

    not_shown: ClassVar[Mapping[str, str]] = _CERTIFICATE_NOT_SHOWN
    act: Literal["update_certificate"] = "update_certificate"
    certificate: Secret

    def summary(self) -> str:
        """Return the hostname and the app."""
        return f"replace the certificate of the domain {self.hostname} of {self.app.title}"

    def details(self) -> list[tuple[str, str]]:
        """Return the domain, and the certificate's fingerprint."""
        return [*super().details(), ("certificate", _format_fingerprint(self.certificate))]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Replace the certificate. Raises ProviderError."""
        certificate = self.certificate.get_secret_value()
        domain = await own_client(context).update_certificate(self.app.slug, self.domain, certificate)
        # The response may lack the hostname.
        updated = domain.model_copy(update={"hostname": self.hostname})
        return channel_result(domain_messages.certificate_changed(self.app, updated, by=context.person))


class RemoveDomainAction(_DomainAction):
    """Remove a domain from an app."""

    act: Literal["remove_domain"] = "remove_domain"

    def summary(self) -> str:
        """Return the hostname and the app."""
        return f"remove the domain {self.hostname} from {self.app.title}"

    async def execute(self, context: RequestContext) -> ActionResult:
        """Remove the domain. Raises ProviderError."""
        await own_client(context).remove_domain(self.app.slug, self.domain)
        return channel_result(domain_messages.domain_removed(self.app, self.hostname, by=context.person))


class RemoveAllDomainsAction(AppAction):
    """Remove all custom domains of an app; `hostnames` are those that existed when this was requested."""

    permission: ClassVar = Permission.DELETE
    act: Literal["remove_all_domains"] = "remove_all_domains"
    hostnames: tuple[Name, ...]

    def audit_fields(self) -> dict[str, str]:
        """Return the hostnames."""
        return {"label": "all domains", "domains": " ".join(self.hostnames)}

    def summary(self) -> str:
        """Return the app."""
        return f"remove all domains from {self.app.title}"

    def details(self) -> list[tuple[str, str]]:
        """Return the hostnames."""
        return [("domain", hostname) for hostname in self.hostnames]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Remove the domains. Raises UserError if others were added meanwhile, ProviderError."""
        hostnames = [
            domain.hostname
            for domain in await own_client(context).domains(self.app.slug)
            if not domain.platform
        ]
        if not set(hostnames) <= set(self.hostnames):
            raise UserError(f"{self.app.title} has new domains since then, so none were removed. Try again.")
        await own_client(context).remove_all_domains(self.app.slug)
        return channel_result(domain_messages.domains_cleared(self.app, hostnames, by=context.person))


def _format_fingerprint(certificate: SecretStr | None) -> str:
    if certificate is None:
        return "none"
    digest = fingerprint(certificate.get_secret_value())
    return f"custom, SHA-256 {digest}" if digest is not None else "custom"
