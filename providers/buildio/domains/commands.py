"""An app's domains: listed, added, given certificates, removed."""

from __future__ import annotations

import asyncio

import structlog

from domain.build import App
from domain.errors import ProviderError
from domain.message import Block, Message
from domain.provider import Provider
from messages import notices
from messages.kit import action_ids
from messages.kit.mrkdwn import plain
from providers.buildio.actions import (
    AddDomainAction,
    RemoveAllDomainsAction,
    RemoveDomainAction,
    UpdateCertificateAction,
)
from providers.buildio.api.access import reading_client
from providers.buildio.api.models import Domain
from providers.buildio.commands import AddDomain, ClearDomains, ListDomains, RemoveDomain
from providers.buildio.domains import forms
from providers.buildio.domains import messages as domain_messages
from providers.buildio.domains.certificates import CertificateProblem, check_certificate
from providers.buildio.domains.forms import CertificateForm, ClearOrigin, DomainForm, DomainOrigin
from providers.buildio.shared import error_texts
from providers.buildio.shared.button_values import BuildioAppButton
from providers.buildio.shared.form_defaults import form_metadata
from providers.buildio.shared.type_to_confirm import ConfirmationName
from services.actions import run
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError, find_app
from services.request.forms import FieldError
from services.request.modals import open_in_time

log = structlog.get_logger()

# Each is one request more.
MOST_DETAILS = 20
TITLE, ADD, CERTIFICATE, CLEAR = "Domains", "Add a domain", "Another certificate", "Remove all domains"


async def list_domains(command: ListDomains, context: RequestContext) -> Reply:
    """The domains of the app that the words name, or of the channel's, each with its certificate."""
    return Reply(await build_list(await _app(command.app, context), context), title=TITLE)


async def build_list(app: App, context: RequestContext) -> Message:
    """The domains of this app as they are now, each with its certificate. Raises ProviderError."""
    domains = await reading_client(context).domains(app.slug)
    asked = await asyncio.gather(*(_in_detail(app, one, context) for one in domains[:MOST_DETAILS]))
    return domain_messages.domain_list(app, [*asked, *domains[MOST_DETAILS:]])


async def add(command: AddDomain, context: RequestContext) -> Reply | None:
    """Add the host name that is named; without one, ask for it. Raises PermissionDenied, ProviderError."""
    app = await _app(command.app, context)
    if command.host is not None:
        return (await run.run_action(AddDomainAction(app=app, hostname=command.host), context)).answer
    return await open_add(app, context)


async def open_add(app: App, context: RequestContext) -> Reply | None:
    """Show the form for a domain, or a button for it where none can be opened. Raises SlackCallFailed."""
    if not context.trigger_id:
        return _button("Which host name?", "Add a domain…", action_ids.BUILDIO_DOMAIN_ADD, app)
    origin = form_metadata(context).model_copy(update={"app": app.slug})
    await context.open_view(forms.domain_modal(app, origin=origin))
    return None


async def add_from_form(app: App, form: DomainForm, context: RequestContext) -> Reply | None:
    """Add what was filled in. Raises FieldError, PermissionDenied, ProviderError."""
    host = form.hostname or ""
    action = AddDomainAction(app=app, hostname=host, certificate=_pem(form, host, context))
    return (await run.run_action(action, context)).answer


async def open_certificate(app: App, id: str, context: RequestContext) -> None:  # noqa: A002
    """Show the form for another certificate. Raises UserError, ProviderError, SlackCallFailed."""
    await open_in_time(_certificate_form(app, id, context), context, CERTIFICATE)


async def update_certificate(
    app: App,
    id: str,  # noqa: A002
    form: CertificateForm,
    context: RequestContext,
) -> Reply | None:
    """Give the domain what was filled in. Raises FieldError, PermissionDenied, UserError, ProviderError."""
    one = await _own(app, id, context)
    certificate = _pem(form, one.hostname, context)
    if certificate is None:
        raise FieldError("certificate", "Paste the certificate.")
    action = UpdateCertificateAction(app=app, domain=one.id, hostname=one.hostname, certificate=certificate)
    return (await run.run_action(action, context)).answer


async def remove(command: RemoveDomain, context: RequestContext) -> Reply:
    """Ask whether the domain that is named is to go. Raises UserError, ProviderError."""
    app = await _app(command.app, context)
    there = await reading_client(context).domains(app.slug)
    for one in there:
        if one.hostname.casefold() == command.host.casefold():
            _check_own(one)
            return Reply(domain_messages.domain_question(app, one), Visibility.ONE_PERSON, title=TITLE)
    names = [one.hostname for one in there]
    raise UserError(error_texts.unknown_thing("domain", command.host, names, lists=f"domains {app.title}"))


async def remove_one(app: App, id: str, context: RequestContext) -> Reply | None:  # noqa: A002
    """Take this domain away. Raises PermissionDenied, UserError, ProviderError."""
    one = await _own(app, id, context)
    action = RemoveDomainAction(app=app, domain=one.id, hostname=one.hostname)
    return (await run.run_action(action, context)).answer


async def clear(command: ClearDomains, context: RequestContext) -> Reply | None:
    """Ask for the app's name to be typed; nothing is removed without. Raises UserError, ProviderError."""
    app = await _app(command.app, context)
    if not context.trigger_id:
        words = f"{CLEAR}: the app's name is typed in a form."
        return _button(words, "Remove all…", action_ids.BUILDIO_DOMAINS_CLEAR, app)
    await open_clear(app, context)
    return None


async def open_clear(app: App, context: RequestContext) -> None:
    """Show which domains would go, and ask for the app's name. Raises UserError, ProviderError, SlackCallFailed."""
    await open_in_time(build_clear_form(app, context), context, CLEAR)


async def build_clear_form(app: App, context: RequestContext, *, problem: str | None = None) -> Block:
    """The question before all domains go. Raises UserError, ProviderError."""
    domains = await reading_client(context).domains(app.slug)
    if all(one.platform for one in domains):
        raise UserError(f"{app.title} has no domains of its own.")
    origin = ClearOrigin.showing(app, domains, channel=context.channel)
    return forms.clear_domains_modal(app, domains, origin=origin, problem=problem)


async def clear_if_confirmed(
    app: App, form: ConfirmationName, origin: ClearOrigin, context: RequestContext
) -> Reply | None:
    """Take all away where the app's name was typed. Raises FieldError, PermissionDenied, UserError, ProviderError."""
    for field, problem in form.problems(app.title).items():
        raise FieldError(field, problem)
    domains = await reading_client(context).domains(app.slug)
    if not origin.shows(domains):
        raise UserError("Meanwhile there are other domains than were shown. Look at them, and ask once more.")
    names = tuple(one.hostname for one in domains if not one.platform)
    return (await run.run_action(RemoveAllDomainsAction(app=app, hostnames=names), context)).answer


async def _in_detail(app: App, one: Domain, context: RequestContext) -> Domain:
    """The domain with how it stands with its certificate, which a list need not say (reference, "Domains")."""
    if one.platform or one.ssl is not None:
        return one
    try:
        return await reading_client(context).domain(app.slug, one.id)
    except ProviderError as problem:
        log.info("domain.unknown", reason=type(problem).__name__)
        return one


async def _certificate_form(app: App, id: str, context: RequestContext) -> Block:  # noqa: A002
    one = await _own(app, id, context)
    origin = DomainOrigin(channel=context.channel, app=app.slug, domain=one.id, host=one.hostname)
    return forms.certificate_modal(app, origin=origin)


async def _own(app: App, id: str, context: RequestContext) -> Domain:  # noqa: A002
    """The app's domain of this id, which can be changed. Raises UserError, ProviderError."""
    for one in await reading_client(context).domains(app.slug):
        if one.id == id:
            _check_own(one)
            return one
    raise UserError(f"{app.title} does not have this domain any more.")


def _check_own(one: Domain) -> None:
    if one.platform:
        raise UserError(error_texts.platform_domain(one.hostname))


def _pem(form: CertificateForm, host: str, context: RequestContext) -> str | None:
    """What was pasted, once it was looked at; None where nothing was. Raises FieldError."""
    if form.pem is None:
        return None
    try:
        return check_certificate(form.pem.get_secret_value(), host, context.now())
    except CertificateProblem as problem:
        raise FieldError(problem.part, str(problem)) from None


async def _app(words: str | None, context: RequestContext) -> App:
    return await find_app(context, words, Provider.BUILDIO)


def _button(words: str, label: str, action_id: str, app: App) -> Reply:
    value = BuildioAppButton(app=app.slug, title=plain(app.title, 100)).encode()
    return Reply(notices.open_form_prompt(words, label, action_id, value), Visibility.ONE_PERSON, title=TITLE)
