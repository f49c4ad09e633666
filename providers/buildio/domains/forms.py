"""The forms for a domain, its certificate, and for removing all domains. A key is never put into a view again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, SecretStr, StringConstraints

from domain.build import App, FrozenModel
from domain.message import Block
from messages.kit.blocks import paragraphs, section
from messages.kit.mrkdwn import code
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import LONGEST_TEXT, FormValues, field, modal, text_element, warning
from providers.buildio import action_ids
from providers.buildio.api.models import Domain
from providers.buildio.shared.arguments import parse_host as host_in
from providers.buildio.shared.blocks import app_name, truncate_lines
from providers.buildio.shared.type_to_confirm import typed_name

HOST, CERTIFICATE, CHAIN, PRIVATE = "host", "certificate", "chain", "private"
MORE_OF_CHAIN, REST_OF_PRIVATE = "more_of_chain", "rest_of_private"
LONGEST_HOST = 253
MAX_HOSTS = 20
_BEGINS, _KEY_BEGINS = "-----BEGIN CERTIFICATE-----", "PRIVATE KEY-----"


class DomainOrigin(ViewMetadata):
    """Metadata with the domain's ID and hostname."""

    domain: Annotated[str, Field(max_length=200)] = ""
    host: Annotated[str, Field(max_length=LONGEST_HOST)] = ""


class ClearOrigin(ViewMetadata):
    """Metadata with a hash of the shown domains, so that no others are removed."""

    shown: Annotated[str, StringConstraints(pattern=re.compile(r"^[0-9a-f]{0,64}\Z"))] = ""

    @classmethod
    def showing(cls, app: App, domains: Sequence[Domain], *, channel: str) -> ClearOrigin:
        """Return the metadata of a form that shows these domains."""
        return cls(channel=channel, app=app.slug, provider=app.provider, shown=_fingerprint(domains))

    def shows(self, domains: Sequence[Domain]) -> bool:
        """Return whether these are the domains that were shown."""
        return self.shown == _fingerprint(domains)


class CertificateForm(FrozenModel):
    """A pasted certificate, its chain and its key."""

    certificate: SecretStr = SecretStr("")
    chain: SecretStr = SecretStr("")
    private: SecretStr = SecretStr("")

    @property
    def pem(self) -> SecretStr | None:
        """Return all parts as one text; None if nothing was pasted."""
        parts = (self.certificate, self.chain, self.private)
        texts = [text for part in parts if (text := part.get_secret_value().strip())]
        return SecretStr("\n".join(texts) + "\n") if texts else None

    @property
    def problems(self) -> Mapping[str, str]:
        """Return errors by field."""
        errors: dict[str, str] = {}
        own, chain, key = (
            part.get_secret_value().strip() for part in (self.certificate, self.chain, self.private)
        )
        if own and _BEGINS not in own:
            errors[CERTIFICATE] = f"It begins with {_BEGINS}"
        elif not own and (chain or key):
            errors[CERTIFICATE] = "The certificate itself is missing."
        if chain and _BEGINS not in chain:
            errors[CHAIN] = f"It begins with {_BEGINS}"
        if key and _KEY_BEGINS not in key:
            errors[PRIVATE] = "A key begins with -----BEGIN, and PRIVATE KEY stands behind it."
        elif own and not key:
            errors[PRIVATE] = "The key that belongs to it is missing."
        return errors


class DomainForm(CertificateForm):
    """The input for a new domain."""

    host: str = ""

    @property
    def hostname(self) -> str | None:
        """Return the hostname; None if none was typed."""
        return host_in(self.host)

    @property
    def problems(self) -> Mapping[str, str]:
        """Return errors by field."""
        if self.hostname is None:
            return {**super().problems, HOST: "Type a host name, such as www.example.com."}
        return super().problems


def domain_modal(
    app: App, *, origin: ViewMetadata, host: str | None = None, problem: str | None = None
) -> Block:
    """Build the form that adds a domain."""
    return modal(
        "Add a domain",
        [
            *warning(problem),
            section(f"To *{app_name(app)}*."),
            field(
                HOST,
                "Host name",
                text_element(host, most=LONGEST_HOST, placeholder="www.example.com"),
                optional=False,
            ),
            *_certificate_fields("Without one Build.io gets one by itself."),
        ],
        callback_id=action_ids.DOMAIN_MODAL,
        private_metadata=origin.encode(),
        submit="Add",
        close="Cancel",
    )


def read_domain(values: Mapping[str, Any]) -> DomainForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    return DomainForm(host=FormValues(values).text(HOST).strip(), **_read_certificate_parts(values))


def certificate_modal(app: App, *, origin: DomainOrigin) -> Block:
    """Build the form that replaces the certificate of a domain."""
    return modal(
        "Another certificate",
        [
            section(f"For {code(origin.host, 260)} of *{app_name(app)}*."),
            *_certificate_fields(None),
        ],
        callback_id=action_ids.CERTIFICATE_MODAL,
        private_metadata=origin.encode(),
        submit="Update",
        close="Cancel",
    )


def read_certificate(values: Mapping[str, Any]) -> CertificateForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    return CertificateForm(**_read_certificate_parts(values))


def clear_domains_modal(app: App, domains: Sequence[Domain], *, origin: ClearOrigin) -> Block:
    """Build the confirmation before all custom domains are removed: the app's name must be typed."""
    lines = truncate_lines(
        [f"− {code(domain.hostname, 120)}" for domain in domains if not domain.platform], MAX_HOSTS
    )
    return modal(
        "Remove all domains",
        [
            section(f"These lead to *{app_name(app)}* no longer. Build.io's own name stays."),
            *paragraphs(lines, max_blocks=1),
            typed_name("Type the app's name"),
        ],
        callback_id=action_ids.CLEAR_DOMAINS_MODAL,
        private_metadata=origin.encode(),
        submit="Remove all",
        close="Keep them",
    )


def _certificate_fields(hint: str | None) -> list[Block]:
    optional = hint is not None
    return [
        field(
            CERTIFICATE,
            "Certificate",
            text_element(None, multiline=True, placeholder=_BEGINS),
            hint=hint,
            optional=optional,
        ),
        field(CHAIN, "What signs it", text_element(None, multiline=True, placeholder=_BEGINS)),
        field(
            MORE_OF_CHAIN,
            "More of what signs it",
            text_element(None, multiline=True),
            hint=f"A field has room for {LONGEST_TEXT} characters; what goes on here is put behind it.",
        ),
        field(
            PRIVATE,
            "Its private key",
            text_element(None, multiline=True),
            hint="It goes to Build.io and is kept nowhere else; it is never shown again.",
            optional=optional,
        ),
        field(REST_OF_PRIVATE, "The rest of the key", text_element(None, multiline=True)),
    ]


def _read_certificate_parts(values: Mapping[str, Any]) -> dict[str, SecretStr]:
    filled = FormValues(values)
    return {
        CERTIFICATE: SecretStr(filled.text(CERTIFICATE)),
        CHAIN: SecretStr(f"{filled.text(CHAIN)}\n{filled.text(MORE_OF_CHAIN)}"),
        PRIVATE: SecretStr(f"{filled.text(PRIVATE)}\n{filled.text(REST_OF_PRIVATE)}"),
    }


def _fingerprint(domains: Sequence[Domain]) -> str:
    names = sorted(domain.hostname for domain in domains if not domain.platform)
    return hashlib.sha256("\n".join(names).encode("utf-8", "surrogatepass")).hexdigest()
