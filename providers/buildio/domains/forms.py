"""The forms that add a domain, replace its certificate, and remove all domains.

A key is never put into a view again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import Field, SecretStr, StringConstraints

from domain.build import App, FrozenModel
from domain.commands.errors import UserError
from domain.message import Block
from messages import notices
from messages.kit.blocks import first_lines, paragraphs, section
from messages.kit.mrkdwn import code, plain
from messages.kit.views import LONGEST_TEXT, FormValues, ViewMetadata, field, text_element
from providers.buildio import action_ids
from providers.buildio.api.access import reading_client
from providers.buildio.api.models import Domain
from providers.buildio.domains.actions import AddDomainAction, RemoveAllDomainsAction, UpdateCertificateAction
from providers.buildio.domains.certificates import CertificateProblem, check_certificate
from providers.buildio.provider import BUILDIO
from providers.buildio.shared import lookup
from providers.buildio.shared.arguments import parse_host as host_in
from providers.buildio.shared.blocks import app_name
from providers.buildio.shared.button_values import LONGEST_TITLE, BuildioAppButton
from providers.buildio.shared.lookup import form_metadata
from providers.buildio.shared.type_to_confirm import (
    TYPED_NAME,
    ConfirmationName,
    read_typed_name,
    typed_name,
)
from services.actions import run
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import app_by_slug
from services.request.forms import CheckedInput, FieldError, Form, open_in_time, open_or_offer

TITLE = "Domains"
HOST, CERTIFICATE, CHAIN, PRIVATE = "host", "certificate", "chain", "private"
MORE_OF_CHAIN, REST_OF_PRIVATE = "more_of_chain", "rest_of_private"
LONGEST_HOST = 253
MAX_HOSTS = 20
OriginT = TypeVar("OriginT", bound=ViewMetadata)
InputT = TypeVar("InputT")
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


class CertificateForm(FrozenModel, CheckedInput):
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
            errors[CERTIFICATE] = f"It must begin with {_BEGINS}"
        elif not own and (chain or key):
            errors[CERTIFICATE] = "The certificate is missing."
        if chain and _BEGINS not in chain:
            errors[CHAIN] = f"It must begin with {_BEGINS}"
        if key and _KEY_BEGINS not in key:
            errors[PRIVATE] = "It must begin with -----BEGIN … PRIVATE KEY-----"
        elif own and not key:
            errors[PRIVATE] = "The private key is missing."
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
            return {**super().problems, HOST: "Enter a domain, such as www.example.com."}
        return super().problems


def read_domain(values: FormValues) -> DomainForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    return DomainForm(host=values.text(HOST).strip(), **_read_certificate_parts(values))


def read_certificate(values: FormValues) -> CertificateForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    return CertificateForm(**_read_certificate_parts(values))


@dataclass
class _AppForm(Form[OriginT, InputT, Reply | None]):
    """A form about the domains of an app, which is known by name once it is found."""

    app: App | None = None

    @property
    def shown_app(self) -> App:
        """The app as far as it is known."""
        return self.app or App(provider=BUILDIO, slug=self.origin.app, title=self.origin.app)

    async def find_app(self) -> App:
        """Find the app of the form again. Raises ProviderError."""
        self.app = await app_by_slug(self.context, self.origin.app, BUILDIO)
        return self.app


@dataclass
class AddDomainForm(_AppForm[ViewMetadata, DomainForm]):
    """Adds a domain to an app."""

    callback_id = action_ids.DOMAIN_MODAL
    title = "Add a domain"
    error_field = HOST
    progress = "Adding the domain…"
    read_origin = ViewMetadata.read
    read_input = staticmethod(read_domain)

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with the hostname."""
        return self.draw(
            section(f"Adds a domain to *{app_name(self.shown_app)}*."),
            field(
                HOST,
                "Domain",
                text_element(self.filled.host, most=LONGEST_HOST, placeholder="www.example.com"),
                optional=False,
            ),
            *_certificate_fields("Leave empty for an automatic certificate."),
            submit="Add",
            problem=problem,
        )

    def render_error(self, problem: str) -> Block:
        """Draw the form with the hostname, and say that a certificate is not kept."""
        if self.filled.pem is not None:
            problem = f"{problem} The certificate wasn't kept: paste it again."
        return self.render(problem)

    async def submit(self) -> Reply | None:
        """Add the domain. Raises FieldError, PermissionDenied, ProviderError."""
        app = await self.find_app()
        host = self.filled.hostname or ""
        certificate = _check_certificate(self.filled, host, self.context)
        action = AddDomainAction(app=app, hostname=host, certificate=certificate)
        return (await run.run_action(action, self.context)).answer


@dataclass
class ReplaceCertificateForm(_AppForm[DomainOrigin, CertificateForm]):
    """Replaces the certificate of a domain."""

    callback_id = action_ids.CERTIFICATE_MODAL
    title = "Replace a certificate"
    error_field = CERTIFICATE
    progress = "Replacing the certificate…"
    read_origin = DomainOrigin.read
    read_input = staticmethod(read_certificate)

    def render(self, problem: str | None = None) -> Block:  # noqa: ARG002 - see render_error
        """Draw the form without the input."""
        return self.draw(
            section(
                f"Replaces the certificate of {code(self.origin.host, 260)} of *{app_name(self.shown_app)}*."
            ),
            *_certificate_fields(None),
            submit="Replace",
        )

    def render_error(self, problem: str) -> Block:
        """Draw a plain notice, since the input is not stored."""
        return notices.notice_modal(self.title, problem)

    async def submit(self) -> Reply | None:
        """Replace the certificate. Raises FieldError, PermissionDenied, UserError, ProviderError."""
        app = await self.find_app()
        domain = await find_custom_domain(app, self.origin.domain, self.context)
        certificate = _check_certificate(self.filled, domain.hostname, self.context)
        if certificate is None:
            raise FieldError(CERTIFICATE, "Paste the certificate.")
        action = UpdateCertificateAction(
            app=app, domain=domain.id, hostname=domain.hostname, certificate=certificate
        )
        return (await run.run_action(action, self.context)).answer


@dataclass
class RemoveDomainsForm(_AppForm[ClearOrigin, ConfirmationName]):
    """Removes all domains of an app if its name was typed; `domains` are those that are shown."""

    callback_id = action_ids.CLEAR_DOMAINS_MODAL
    title = "Remove all domains"
    error_field = TYPED_NAME
    progress = "Removing the domains…"
    read_origin = ClearOrigin.read
    read_input = staticmethod(read_typed_name)

    domains: Sequence[Domain] = ()

    def render(self, problem: str | None = None) -> Block:  # noqa: ARG002 - see render_error
        """Draw the form with the domains."""
        lines = [f"− {code(domain.hostname, 120)}" for domain in self.domains if not domain.platform]
        return self.draw(
            section(
                f"Traffic to *{app_name(self.shown_app)}* through these will stop. Build.io's own domain stays."
            ),
            *paragraphs(first_lines(lines, MAX_HOSTS), max_blocks=1),
            typed_name("Type the app's name to confirm"),
            submit="Remove all",
        )

    def render_error(self, problem: str) -> Block:
        """Draw a plain notice: meanwhile the domains may be others."""
        return notices.notice_modal(self.title, problem)

    async def submit(self) -> Reply | None:
        """Remove all domains. Raises FieldError, PermissionDenied, UserError, ProviderError."""
        app = await self.find_app()
        self.filled.require_name(app.title)
        domains = await reading_client(self.context).domains(app.slug)
        if not self.origin.shows(domains):
            raise UserError(
                "The domains have changed since they were shown, so none were removed. Check them and try again."
            )
        names = tuple(domain.hostname for domain in domains if not domain.platform)
        action = RemoveAllDomainsAction(app=app, hostnames=names)
        return (await run.run_action(action, self.context)).answer


async def open_add(app: App, context: RequestContext) -> Reply | None:
    """Open the form for a domain, or reply with a button if no form can be opened. Raises SlackCallFailed."""
    if not context.trigger_id:
        return _button_reply("Fill in a form to add a domain.", "Add a domain…", action_ids.DOMAIN_ADD, app)
    origin = form_metadata(context).model_copy(update={"app": app.slug})
    await AddDomainForm(context, origin, DomainForm(), app).open()
    return None


async def open_certificate(app: App, id: str, context: RequestContext) -> None:  # noqa: A002
    """Open the form for another certificate. Raises UserError, ProviderError, SlackCallFailed."""

    async def load() -> ReplaceCertificateForm:
        domain = await find_custom_domain(app, id, context)
        origin = DomainOrigin(channel=context.channel, app=app.slug, domain=domain.id, host=domain.hostname)
        return ReplaceCertificateForm(context, origin, CertificateForm(), app)

    await open_in_time(load(), context, ReplaceCertificateForm.title)


async def open_clear(app: App, context: RequestContext) -> Reply | None:
    """Show the domains that would be removed, and ask for the app's name; without a form, reply with a button for it.

    Raises UserError, ProviderError, SlackCallFailed.
    """

    async def load() -> RemoveDomainsForm:
        domains = await reading_client(context).domains(app.slug)
        if all(domain.platform for domain in domains):
            raise UserError(f"{app.title} has no custom domains.")
        origin = ClearOrigin.showing(app, domains, channel=context.channel)
        return RemoveDomainsForm(context, origin, ConfirmationName(), app, domains)

    prompt = "Type the app's name in a form to remove all domains."
    button = _button_reply(prompt, "Remove all…", action_ids.DOMAINS_CLEAR, app)
    return await open_or_offer(load, context, RemoveDomainsForm.title, button)


async def find_custom_domain(app: App, id: str, context: RequestContext) -> Domain:  # noqa: A002
    """Find a domain of the app that can be changed, by ID. Raises UserError, ProviderError."""
    for domain in await reading_client(context).domains(app.slug):
        if domain.id == id:
            check_is_custom(domain)
            return domain
    raise UserError(f"{app.title} no longer has this domain.")


def check_is_custom(domain: Domain) -> None:
    """Check that the domain can be changed. Raises UserError."""
    if domain.platform:
        raise UserError(lookup.platform_domain(domain.hostname))


def _button_reply(prompt: str, label: str, action_id: str, app: App) -> Reply:
    """Return a button that opens a form, for requests from which none can be opened."""
    value = BuildioAppButton(app=app.slug, title=plain(app.title, LONGEST_TITLE)).encode()
    return Reply(
        notices.open_form_prompt(prompt, label, action_id, value), Visibility.ONE_PERSON, title=TITLE
    )


def _check_certificate(form: CertificateForm, host: str, context: RequestContext) -> str | None:
    """Return the checked certificate; None if none was pasted. Raises FieldError."""
    if form.pem is None:
        return None
    try:
        return check_certificate(form.pem.get_secret_value(), host, context.now())
    except CertificateProblem as problem:
        raise FieldError(problem.part, str(problem)) from None


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
        field(CHAIN, "Certificate chain", text_element(None, multiline=True, placeholder=_BEGINS)),
        field(
            MORE_OF_CHAIN,
            "Certificate chain (continued)",
            text_element(None, multiline=True),
            hint=f"For chains longer than {LONGEST_TEXT} characters.",
        ),
        field(
            PRIVATE,
            "Private key",
            text_element(None, multiline=True),
            hint="Sent only to Build.io, and never shown again.",
            optional=optional,
        ),
        field(REST_OF_PRIVATE, "Private key (continued)", text_element(None, multiline=True)),
    ]


def _read_certificate_parts(values: FormValues) -> dict[str, SecretStr]:
    return {
        CERTIFICATE: SecretStr(values.text(CERTIFICATE)),
        CHAIN: SecretStr(f"{values.text(CHAIN)}\n{values.text(MORE_OF_CHAIN)}"),
        PRIVATE: SecretStr(f"{values.text(PRIVATE)}\n{values.text(REST_OF_PRIVATE)}"),
    }


def _fingerprint(domains: Sequence[Domain]) -> str:
    names = sorted(domain.hostname for domain in domains if not domain.platform)
    return hashlib.sha256("\n".join(names).encode("utf-8", "surrogatepass")).hexdigest()
