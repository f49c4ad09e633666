"""People's own accounts at a provider: linked, shown, wiped."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import urlencode

from pydantic import SecretStr

from domain.commands.shared_commands import ConnectAccount, DisconnectAccount, WhoAmI
from domain.credentials import ProviderUser
from domain.errors import Forbidden, InvalidToken
from domain.fair_limiter import Requester
from domain.provider import Provider
from messages import accounts
from messages.accounts import ConnectedAccount
from messages.kit.view_metadata import ViewMetadata
from services.actions.audit import audited
from services.actions.result import PermissionDenied
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError
from storage.accounts import EncryptionKeyMissing
from storage.oauth_sessions import AuthorizedSession, is_code

_TOKEN = re.compile(r"[!-~]{8,2000}")


async def connect(_command: ConnectAccount, context: RequestContext, provider: Provider) -> Reply | None:
    """Open the modal that asks for a token; a message can only offer a button that does. Raises PermissionDenied."""
    if not context.trigger_id:
        words = "Press this, and paste your token into the dialog."
        return Reply(accounts.connect_prompt(words, provider), Visibility.ONE_PERSON)
    await open_modal(context, provider)
    return None


async def open_modal(context: RequestContext, provider: Provider) -> None:
    """Ask for a token of the person's own. Raises PermissionDenied, SlackCallFailed."""
    check_encryption_key(context)
    view = accounts.connect_modal(
        context.services.registry.presentation_of(provider),
        origin=ViewMetadata(channel=context.channel),
        current=await find_account(context, provider),
        sign_in=await _sign_in_page(context, provider),
    )
    await context.open_view(view)


async def _sign_in_page(context: RequestContext, provider: Provider) -> str | None:
    """Where this person signs in, within ten minutes; None where they can only paste a token."""
    page = context.services.clients.at(provider).sign_in_url
    if page is None or not context.is_verified or not await context.is_member():
        return None
    sign_ins = context.services.storage.oauth_sessions
    state = await sign_ins.begin(context.team, context.person, provider, context.now())
    return f"{page}?{urlencode({'state': state})}"


def check_encryption_key(context: RequestContext) -> None:
    """Raises PermissionDenied where there is nothing to seal a token with."""
    if context.services.storage.vault is None:
        raise PermissionDenied(str(EncryptionKeyMissing()))


async def link_account(token: SecretStr, context: RequestContext, provider: Provider) -> str:
    """Keep the person's token, or what they have allowed on the provider's page; returns their name there.

    Raises PermissionDenied, UserError, ProviderError.
    """
    check_encryption_key(context)
    if not context.is_verified:
        raise PermissionDenied("Only people of this workspace can link an account here.")
    await context.check_belongs()
    allowed = await _allowed_by(token, context, provider)
    owner = allowed.owner
    async with audited(context, "connect", about={"name": owner.name}):
        await context.storage.accounts.connect(
            context.person,
            provider,
            allowed.tokens,
            provider_user=owner.id,
            name=owner.name,
            at=context.now(),
        )
    if context.services.registry.get(provider).lists_builds:
        await context.storage.user_profiles.claim_name(context.person, owner.name)
    _changed(context)
    return owner.name


async def disconnect(_command: DisconnectAccount, context: RequestContext, provider: Provider) -> Reply:
    """Ask whether the person's token is to be wiped: what showed what they could see stops with it."""
    there = await context.storage.accounts.find(context.identity, provider)
    if there is None:
        return await wipe(context, provider)
    made = await context.storage.subscriptions.made_by(context.person)
    stops = Counter(one.channel for one in made if one.provider is provider and one.stopped is None)
    said = accounts.disconnect_question(there.name, provider, stops)
    return Reply(said, Visibility.ONE_PERSON, title=accounts.account_title(provider))


async def wipe(context: RequestContext, provider: Provider) -> Reply:
    """Wipe the person's token; what showed what they could see stops."""
    there = await context.storage.accounts.find(context.identity, provider)
    if there is not None:
        async with audited(context, "disconnect", about={"name": there.name}):
            await context.storage.accounts.disconnect(context.person, provider, at=context.now())
        _changed(context)
    said = accounts.account_disconnected(there.name if there else None, provider)
    return Reply(said, Visibility.ONE_PERSON, title=accounts.account_title(provider))


async def who_am_i(_command: WhoAmI, context: RequestContext, provider: Provider) -> Reply:
    """Who the person is at the provider, and with whose token they are answered."""
    account = await find_account(context, provider)
    clients = context.services.clients.at(provider)
    said = accounts.whoami(
        context.person,
        account,
        provider,
        service=await clients.service_apps.owner(),
        service_acts=clients.service_acts,
        service_reads=clients.has_service_token,
        can_link=context.services.storage.vault is not None,
    )
    return Reply(said, Visibility.ONE_PERSON, title=accounts.account_title(provider))


async def find_account(context: RequestContext, provider: Provider) -> ConnectedAccount | None:
    """The person's account at the provider as it may be shown."""
    account = await context.services.clients.at(provider).account_of(context.team, context.identity)
    return ConnectedAccount(name=account.name, works=account.works) if account is not None else None


async def remove_departed_user(context: RequestContext) -> bool:
    """Somebody has left the workspace: wipe their tokens; returns whether there were any."""
    there = await context.storage.accounts.disconnect(context.person, at=context.now())
    if there:
        async with audited(context, "left", about={"name": there[0].name}):
            _changed(context)
    return bool(there)


async def _allowed_by(given: SecretStr, context: RequestContext, provider: Provider) -> AuthorizedSession:
    """What stands behind what was pasted: a token, or the code of the page on which they have signed in.

    Raises UserError, ProviderError.
    """
    code = given.get_secret_value()
    if not is_code(code):
        return AuthorizedSession(given, await _owner_of(given, context, provider))
    sign_ins = context.services.storage.oauth_sessions
    allowed = await sign_ins.take_authorized(code, context.team, context.person, provider, context.now())
    if allowed is None:
        raise UserError(
            "This code is none of yours, was used already, or is too old. Close this dialog, and sign in again."
        )
    return allowed


async def _owner_of(token: SecretStr, context: RequestContext, provider: Provider) -> ProviderUser:
    """Whose token it is. Raises UserError for what is no person's token, and for the bot's own; ProviderError."""
    clients = context.services.clients.at(provider)
    if not _TOKEN.fullmatch(token.get_secret_value()):
        raise UserError("This is no token: it has no spaces and nothing else than letters, digits and signs.")
    if clients.is_service_token(token):
        raise UserError("This is my own token. Link yours: with it I act as you, and see what you may see.")
    try:
        owner = await clients.owner_of(token, Requester(context.team, context.person))
    except (InvalidToken, Forbidden) as error:
        raise UserError(
            f"{provider.label} does not take this token. Make a new one there, and paste all of it."
        ) from error
    if owner is None:
        raise UserError("This token is no person's. Make one in the settings of your own account.")
    return owner


def _changed(context: RequestContext) -> None:
    context.services.clients.forget_person(context.team, context.person)
    context.services.events.access_changed()
    context.services.events.home_changed(context.team, context.person)
