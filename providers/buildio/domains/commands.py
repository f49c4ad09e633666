"""Commands for an app's domains: list, add, replace certificate, remove."""

from __future__ import annotations

import asyncio

import structlog

from domain.build import App
from domain.commands.command import AppArgument, ArgumentReader, Command, RequiredWord, WordArgument
from domain.commands.errors import redact_typed
from domain.message import Block, Message
from domain.provider_errors import ProviderError
from messages import notices
from messages.kit.mrkdwn import plain
from providers.buildio import action_ids
from providers.buildio.api.access import reading_client
from providers.buildio.api.models import Domain
from providers.buildio.domains import forms
from providers.buildio.domains import messages as domain_messages
from providers.buildio.domains.actions import (
    AddDomainAction,
    RemoveAllDomainsAction,
    RemoveDomainAction,
    UpdateCertificateAction,
)
from providers.buildio.domains.certificates import CertificateProblem, check_certificate
from providers.buildio.domains.forms import CertificateForm, ClearOrigin, DomainForm, DomainOrigin
from providers.buildio.provider import BUILDIO
from providers.buildio.shared import error_texts
from providers.buildio.shared.arguments import parse_host
from providers.buildio.shared.button_values import BuildioAppButton
from providers.buildio.shared.form_defaults import form_metadata
from providers.buildio.shared.type_to_confirm import ConfirmationName
from services.actions import run
from services.command_spec import CommandSpec
from services.request.context import Reply, RequestContext, Visibility
from services.request.errors import UserError
from services.request.finder import find_app
from services.request.forms import FieldError
from services.request.modals import open_in_time

log = structlog.get_logger()

# Each one costs a request.
MAX_DETAILS = 20
TITLE, ADD, CERTIFICATE, CLEAR = "Domains", "Add a domain", "Another certificate", "Remove all domains"


class ListDomains(Command):
    """List an app's host names and their certificates."""

    app: AppArgument = None


class AddDomain(Command):
    """Add a host name; without one, the form is opened."""

    app: AppArgument = None
    host: WordArgument = None

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> AddDomain:
        """Parse the app and the host name. A single word that looks like a host name is one."""
        app, host = arguments.take_app_and_word(parse_host)
        return cls(app=app, host=_require_host(arguments, host) if host is not None else None)


class RemoveDomain(Command):
    """Remove a host name."""

    app: AppArgument = None
    host: RequiredWord

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> RemoveDomain:
        """Parse the app and the host name."""
        *apps, host = [token.text for token in arguments.take_positionals()] or [""]
        arguments.expect_end()
        if not host or len(apps) > 1:
            arguments.fail("Which domain? Give its host name.")
        return cls(app=apps[0] if apps else None, host=_require_host(arguments, host))


class ClearDomains(Command):
    """Remove all custom host names."""

    app: AppArgument = None


def _require_host(arguments: ArgumentReader, text: str) -> str:
    return parse_host(text) or arguments.fail(f"{redact_typed(text, 80)} is no host name.")


async def list_domains(command: ListDomains, context: RequestContext) -> Reply:
    """Reply with the domains of the app, or of the channel's app, each with its certificate."""
    return Reply(await build_list(await _find_app(command.app, context), context), title=TITLE)


async def build_list(app: App, context: RequestContext) -> Message:
    """Build the current list of domains, each with its certificate. Raises ProviderError."""
    domains = await reading_client(context).domains(app.slug)
    detailed = await asyncio.gather(
        *(_load_details(app, domain, context) for domain in domains[:MAX_DETAILS])
    )
    return domain_messages.domain_list(app, [*detailed, *domains[MAX_DETAILS:]])


async def add(command: AddDomain, context: RequestContext) -> Reply | None:
    """Add the named hostname; without one, open the form. Raises PermissionDenied, ProviderError."""
    app = await _find_app(command.app, context)
    if command.host is not None:
        return (await run.run_action(AddDomainAction(app=app, hostname=command.host), context)).answer
    return await open_add(app, context)


async def open_add(app: App, context: RequestContext) -> Reply | None:
    """Open the form for a domain, or reply with a button if no form can be opened. Raises SlackCallFailed."""
    if not context.trigger_id:
        return _button_reply("Which host name?", "Add a domain…", action_ids.DOMAIN_ADD, app)
    origin = form_metadata(context).model_copy(update={"app": app.slug})
    await context.open_view(forms.domain_modal(app, origin=origin))
    return None


async def add_from_form(app: App, form: DomainForm, context: RequestContext) -> Reply | None:
    """Add the domain of a filled form. Raises FieldError, PermissionDenied, ProviderError."""
    host = form.hostname or ""
    action = AddDomainAction(app=app, hostname=host, certificate=_read_certificate(form, host, context))
    return (await run.run_action(action, context)).answer


async def open_certificate(app: App, id: str, context: RequestContext) -> None:  # noqa: A002
    """Open the form for another certificate. Raises UserError, ProviderError, SlackCallFailed."""
    await open_in_time(_certificate_form(app, id, context), context, CERTIFICATE)


async def update_certificate(
    app: App,
    id: str,  # noqa: A002
    form: CertificateForm,
    context: RequestContext,
) -> Reply | None:
    """Replace the certificate of a domain. Raises FieldError, PermissionDenied, UserError, ProviderError."""
    domain = await _find_custom_domain(app, id, context)
    certificate = _read_certificate(form, domain.hostname, context)
    if certificate is None:
        raise FieldError("certificate", "Paste the certificate.")
    action = UpdateCertificateAction(
        app=app, domain=domain.id, hostname=domain.hostname, certificate=certificate
    )
    return (await run.run_action(action, context)).answer


async def remove(command: RemoveDomain, context: RequestContext) -> Reply:
    """Ask for confirmation before the named domain is removed. Raises UserError, ProviderError."""
    app = await _find_app(command.app, context)
    domains = await reading_client(context).domains(app.slug)
    for domain in domains:
        if domain.hostname.casefold() == command.host.casefold():
            _check_is_custom(domain)
            return Reply(domain_messages.domain_question(app, domain), Visibility.ONE_PERSON, title=TITLE)
    names = [other.hostname for other in domains]
    raise UserError(error_texts.unknown_thing("domain", command.host, names, lists=f"domains {app.title}"))


async def remove_one(app: App, id: str, context: RequestContext) -> Reply | None:  # noqa: A002
    """Remove this domain. Raises PermissionDenied, UserError, ProviderError."""
    domain = await _find_custom_domain(app, id, context)
    action = RemoveDomainAction(app=app, domain=domain.id, hostname=domain.hostname)
    return (await run.run_action(action, context)).answer


async def clear(command: ClearDomains, context: RequestContext) -> Reply | None:
    """Open the form in which the app's name must be typed to remove all domains. Raises UserError, ProviderError."""
    app = await _find_app(command.app, context)
    if not context.trigger_id:
        prompt = f"{CLEAR}: the app's name is typed in a form."
        return _button_reply(prompt, "Remove all…", action_ids.DOMAINS_CLEAR, app)
    await open_clear(app, context)
    return None


async def open_clear(app: App, context: RequestContext) -> None:
    """Show the domains that would be removed, and ask for the app's name.

    Raises UserError, ProviderError, SlackCallFailed.
    """
    await open_in_time(build_clear_form(app, context), context, CLEAR)


async def build_clear_form(app: App, context: RequestContext) -> Block:
    """Build the confirmation before all domains are removed. Raises UserError, ProviderError."""
    domains = await reading_client(context).domains(app.slug)
    if all(domain.platform for domain in domains):
        raise UserError(f"{app.title} has no domains of its own.")
    origin = ClearOrigin.showing(app, domains, channel=context.channel)
    return forms.clear_domains_modal(app, domains, origin=origin)


async def clear_if_confirmed(
    app: App, form: ConfirmationName, origin: ClearOrigin, context: RequestContext
) -> Reply | None:
    """Remove all domains if the app's name was typed. Raises FieldError, PermissionDenied, UserError, ProviderError."""
    for field, problem in form.problems(app.title).items():
        raise FieldError(field, problem)
    domains = await reading_client(context).domains(app.slug)
    if not origin.shows(domains):
        raise UserError("Meanwhile there are other domains than were shown. Look at them, and ask once more.")
    names = tuple(domain.hostname for domain in domains if not domain.platform)
    return (await run.run_action(RemoveAllDomainsAction(app=app, hostnames=names), context)).answer


async def _load_details(app: App, domain: Domain, context: RequestContext) -> Domain:
    """Return the domain with its certificate's status, which a list may lack (reference, "Domains")."""
    if domain.platform or domain.ssl is not None:
        return domain
    try:
        return await reading_client(context).domain(app.slug, domain.id)
    except ProviderError as problem:
        log.info("domain.unknown", reason=type(problem).__name__)
        return domain


async def _certificate_form(app: App, id: str, context: RequestContext) -> Block:  # noqa: A002
    domain = await _find_custom_domain(app, id, context)
    origin = DomainOrigin(channel=context.channel, app=app.slug, domain=domain.id, host=domain.hostname)
    return forms.certificate_modal(app, origin=origin)


async def _find_custom_domain(app: App, id: str, context: RequestContext) -> Domain:  # noqa: A002
    """Find a domain of the app that can be changed, by ID. Raises UserError, ProviderError."""
    for domain in await reading_client(context).domains(app.slug):
        if domain.id == id:
            _check_is_custom(domain)
            return domain
    raise UserError(f"{app.title} does not have this domain any more.")


def _check_is_custom(domain: Domain) -> None:
    if domain.platform:
        raise UserError(error_texts.platform_domain(domain.hostname))


def _read_certificate(form: CertificateForm, host: str, context: RequestContext) -> str | None:
    """Return the checked certificate; None if none was pasted. Raises FieldError."""
    if form.pem is None:
        return None
    try:
        return check_certificate(form.pem.get_secret_value(), host, context.now())
    except CertificateProblem as problem:
        raise FieldError(problem.part, str(problem)) from None


async def _find_app(name: str | None, context: RequestContext) -> App:
    return await find_app(context, name, BUILDIO)


def _button_reply(prompt: str, label: str, action_id: str, app: App) -> Reply:
    value = BuildioAppButton(app=app.slug, title=plain(app.title, 100)).encode()
    return Reply(
        notices.open_form_prompt(prompt, label, action_id, value), Visibility.ONE_PERSON, title=TITLE
    )


COMMANDS = (
    CommandSpec(
        ListDomains,
        "domains",
        "An app's host names, and how their certificates stand.",
        ("domains shop",),
        handler=list_domains,
        aliases=("domain",),
    ),
    CommandSpec(
        AddDomain,
        "domains add",
        "Add a host name; without one, by a form that also takes a certificate.",
        ("domains add shop www.example.com", "domains add shop"),
        handler=add,
    ),
    CommandSpec(
        RemoveDomain,
        "domains remove",
        "Take a host name away.",
        ("domains remove shop www.example.com",),
        handler=remove,
    ),
    CommandSpec(
        ClearDomains,
        "domains clear",
        "Take all host names of your own away, once you have typed the app's name.",
        ("domains clear shop",),
        handler=clear,
    ),
)
