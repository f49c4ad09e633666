"""Commands for an app's domains: list, add, replace certificate, remove."""

from __future__ import annotations

import asyncio

import structlog

from domain.build import App
from domain.commands.command import AppArgument, ArgumentReader, Command, RequiredWord, WordArgument
from domain.commands.errors import UserError, redact_typed
from domain.message import Message
from domain.provider_errors import ProviderError
from providers.buildio.api.access import reading_client
from providers.buildio.api.models import Domain
from providers.buildio.domains import messages as domain_messages
from providers.buildio.domains.actions import AddDomainAction, RemoveDomainAction
from providers.buildio.domains.forms import TITLE, check_is_custom, find_custom_domain, open_add, open_clear
from providers.buildio.provider import BUILDIO
from providers.buildio.shared import lookup
from providers.buildio.shared.arguments import parse_host
from services.actions import run
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import find_app

log = structlog.get_logger()

# Each one costs a request.
MAX_DETAILS = 20


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
            arguments.fail("Which domain?")
        return cls(app=apps[0] if apps else None, host=_require_host(arguments, host))


class ClearDomains(Command):
    """Remove all custom host names."""

    app: AppArgument = None


def _require_host(arguments: ArgumentReader, text: str) -> str:
    return parse_host(text) or arguments.fail(f"`{redact_typed(text, 80)}` isn't a valid domain.")


async def list_domains(command: ListDomains, context: RequestContext) -> Reply:
    """Reply with the domains of the app, or of the channel's app, each with its certificate."""
    return await reply_with_list(await find_app(context, command.app, BUILDIO), context)


async def reply_with_list(app: App, context: RequestContext) -> Reply:
    """Reply with the current list of the app's domains. Raises ProviderError."""
    return Reply(await build_list(app, context), title=TITLE)


async def build_list(app: App, context: RequestContext) -> Message:
    """Build the current list of domains, each with its certificate. Raises ProviderError."""
    domains = await reading_client(context).domains(app.slug)
    detailed = await asyncio.gather(
        *(_load_details(app, domain, context) for domain in domains[:MAX_DETAILS])
    )
    return domain_messages.domain_list(app, [*detailed, *domains[MAX_DETAILS:]])


async def add(command: AddDomain, context: RequestContext) -> Reply | None:
    """Add the named hostname; without one, open the form. Raises PermissionDenied, ProviderError."""
    app = await find_app(context, command.app, BUILDIO)
    if command.host is not None:
        return (await run.run_action(AddDomainAction(app=app, hostname=command.host), context)).answer
    return await open_add(app, context)


async def remove(command: RemoveDomain, context: RequestContext) -> Reply:
    """Ask for confirmation before the named domain is removed. Raises UserError, ProviderError."""
    app = await find_app(context, command.app, BUILDIO)
    domains = await reading_client(context).domains(app.slug)
    for domain in domains:
        if domain.hostname.casefold() == command.host.casefold():
            check_is_custom(domain)
            return Reply(domain_messages.domain_question(app, domain), Visibility.ONE_PERSON, title=TITLE)
    names = [other.hostname for other in domains]
    raise UserError(lookup.unknown_thing("domain", command.host, names, lists=f"domains {app.title}"))


async def remove_one(app: App, id: str, context: RequestContext) -> Reply | None:  # noqa: A002
    """Remove this domain. Raises PermissionDenied, UserError, ProviderError."""
    domain = await find_custom_domain(app, id, context)
    action = RemoveDomainAction(app=app, domain=domain.id, hostname=domain.hostname)
    return (await run.run_action(action, context)).answer


async def clear(command: ClearDomains, context: RequestContext) -> Reply | None:
    """Open the form in which the app's name must be typed to remove all domains. Raises UserError, ProviderError."""
    return await open_clear(await find_app(context, command.app, BUILDIO), context)


async def _load_details(app: App, domain: Domain, context: RequestContext) -> Domain:
    """Return the domain with its certificate's status, which a list may lack (reference, "Domains")."""
    if domain.platform or domain.ssl is not None:
        return domain
    try:
        return await reading_client(context).domain(app.slug, domain.id)
    except ProviderError as problem:
        log.info("domain.unknown", reason=type(problem).__name__)
        return domain


COMMANDS = (
    CommandSpec(
        ListDomains,
        "domains",
        "List an app's domains and the state of their certificates.",
        ("domains shop",),
        handler=list_domains,
        read_only=True,
        aliases=("domain",),
    ),
    CommandSpec(
        AddDomain,
        "domains add",
        "Add a domain. Without a host name, a form opens that also takes a certificate.",
        ("domains add shop www.example.com", "domains add shop"),
        handler=add,
    ),
    CommandSpec(
        RemoveDomain,
        "domains remove",
        "Remove a domain.",
        ("domains remove shop www.example.com",),
        handler=remove,
    ),
    CommandSpec(
        ClearDomains,
        "domains clear",
        "Remove all custom domains, after you type the app's name to confirm.",
        ("domains clear shop",),
        handler=clear,
    ),
)
