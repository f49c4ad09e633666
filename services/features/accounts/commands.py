"""Users' own accounts at a provider: linking, showing, deleting."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import urlencode

from pydantic import SecretStr

from domain.commands.errors import UserError
from domain.commands.shared_commands import ConnectAccount, DisconnectAccount, WhoAmI
from domain.credentials import ProviderUser
from domain.fair_limiter import Requester
from domain.provider import Provider
from domain.provider_errors import Forbidden, InvalidToken
from messages import accounts
from messages.accounts import ConnectedAccount
from messages.kit.views import ViewMetadata
from services.actions.audit import audited
from services.actions.permissions import PermissionDenied
from services.events import PersonChanged, UserActed
from services.request.context import Reply, RequestContext, Visibility
from storage.accounts import EncryptionKeyMissing
from storage.oauth_sessions import AuthorizedSession, is_code

_TOKEN = re.compile(r"[!-~]{8,2000}")


async def connect(_command: ConnectAccount, context: RequestContext, provider: Provider) -> Reply | None:
    """Open the modal for a token, or offer a button for it if there is no trigger_id. Raises PermissionDenied."""
    if not context.trigger_id:
        words = "Press the button to open the form for your token."
        return Reply(accounts.connect_prompt(words, provider), Visibility.ONE_PERSON)
    await open_modal(context, provider)
    return None


async def open_modal(context: RequestContext, provider: Provider) -> None:
    """Open the modal that asks for the user's own token. Raises PermissionDenied, SlackCallFailed."""
    check_encryption_key(context)
    view = accounts.connect_modal(
        context.services.registry.presentation_of(provider),
        origin=ViewMetadata(channel=context.channel),
        current=await find_account(context, provider),
        sign_in=await _sign_in_page(context, provider),
    )
    await context.open_view(view)


async def _sign_in_page(context: RequestContext, provider: Provider) -> str | None:
    """Return the URL where this user signs in, valid for ten minutes; None if they can only paste a token."""
    page = context.services.clients.at(provider).sign_in_url
    if page is None or not context.is_verified or not await context.is_member():
        return None
    sessions = context.services.storage.oauth_sessions
    state = await sessions.begin(context.team, context.person, provider, context.now())
    return f"{page}?{urlencode({'state': state})}"


def check_encryption_key(context: RequestContext) -> None:
    """Check that there is a key to encrypt tokens with. Raises PermissionDenied."""
    if context.services.storage.vault is None:
        raise PermissionDenied(str(EncryptionKeyMissing()))


async def link_account(token: SecretStr, context: RequestContext, provider: Provider) -> str:
    """Store the user's token, or the tokens of their sign-in on the provider's page; return their name there.

    Raises PermissionDenied, UserError, ProviderError.
    """
    check_encryption_key(context)
    if not context.is_verified:
        raise PermissionDenied("Only members of this workspace can connect an account here.")
    await context.check_belongs()
    session = await _find_session(token, context, provider)
    owner = session.owner
    async with audited(context, "connect", about={"name": owner.name}):
        await context.storage.accounts.connect(
            context.person,
            provider,
            session.tokens,
            provider_user=owner.id,
            name=owner.name,
            at=context.now(),
        )
    if context.services.registry.get(provider).lists_builds:
        await context.storage.user_profiles.claim_name(context.person, owner.name)
    _notify_changed(context)
    return owner.name


async def disconnect(_command: DisconnectAccount, context: RequestContext, provider: Provider) -> Reply:
    """Ask for confirmation to delete the user's token, which also stops the subscriptions that depend on it."""
    account = await context.accounts.find(provider)
    if account is None:
        return await wipe(context, provider)
    subscriptions = await context.storage.subscriptions.made_by(context.person)
    stops = Counter(
        subscription.channel
        for subscription in subscriptions
        if subscription.provider is provider and subscription.stopped is None
    )
    message = accounts.disconnect_question(account.name, provider, stops)
    return Reply(message, Visibility.ONE_PERSON, title=accounts.account_title(provider))


async def wipe(context: RequestContext, provider: Provider) -> Reply:
    """Delete the user's token, which also stops the subscriptions that depend on it."""
    account = await context.accounts.find(provider)
    if account is not None:
        async with audited(context, "disconnect", about={"name": account.name}):
            await context.storage.accounts.disconnect(context.person, provider, at=context.now())
        _notify_changed(context)
    message = accounts.account_disconnected(account.name if account else None, provider)
    return Reply(message, Visibility.ONE_PERSON, title=accounts.account_title(provider))


async def who_am_i(_command: WhoAmI, context: RequestContext, provider: Provider) -> Reply:
    """Show who the user is at the provider, and whose token is used for their requests."""
    account = await find_account(context, provider)
    clients = context.services.clients.at(provider)
    message = accounts.whoami(
        account,
        provider,
        service=await clients.service_apps.owner(),
        service_acts=clients.service_acts,
        service_reads=clients.has_service_token,
        can_link=context.services.storage.vault is not None,
    )
    return Reply(message, Visibility.ONE_PERSON, title=accounts.account_title(provider))


async def find_account(context: RequestContext, provider: Provider) -> ConnectedAccount | None:
    """Return the user's account at the provider, for display."""
    account = await context.services.clients.at(provider).account_of(context.accounts)
    return ConnectedAccount(name=account.name, works=account.works) if account is not None else None


async def remove_departed_user(context: RequestContext) -> bool:
    """Delete the tokens of a user who has left the workspace; return whether there were any."""
    account = await context.storage.accounts.disconnect(context.person, at=context.now())
    if account:
        async with audited(context, "left", about={"name": account[0].name}):
            _notify_changed(context)
    return bool(account)


async def _find_session(token: SecretStr, context: RequestContext, provider: Provider) -> AuthorizedSession:
    """Return the tokens and owner of a pasted token, or of the code from the sign-in page.

    Raises UserError, ProviderError.
    """
    code = token.get_secret_value()
    if not is_code(code):
        return AuthorizedSession(token, await _fetch_owner(token, context, provider))
    sessions = context.services.storage.oauth_sessions
    session = await sessions.take_authorized(code, context.team, context.person, provider, context.now())
    if session is None:
        raise UserError(
            "This code isn't valid: it expired, was used already, or isn't yours. Close this dialog and sign in again."
        )
    return session


async def _fetch_owner(token: SecretStr, context: RequestContext, provider: Provider) -> ProviderUser:
    """Return the owner of the token. Raises UserError for the bot's own token or one of no user, and ProviderError."""
    clients = context.services.clients.at(provider)
    if not _TOKEN.fullmatch(token.get_secret_value()):
        raise UserError(
            "This isn't a valid token: tokens have only letters (a-z), digits and punctuation, and no spaces."
        )
    if clients.is_service_token(token):
        raise UserError("This is Buildbell's own token. Paste yours.")
    try:
        owner = await clients.owner_of(token, Requester(context.team, context.person))
    except (InvalidToken, Forbidden) as error:
        raise UserError(
            f"{provider.label} rejected this token. Create a new one there and paste it in full."
        ) from error
    if owner is None:
        raise UserError(
            "This token doesn't belong to a person. Create one in the settings of your own account."
        )
    return owner


def _notify_changed(context: RequestContext) -> None:
    context.accounts.forget()
    context.services.events.publish(PersonChanged(context.team, context.person))
    context.services.events.publish(UserActed(context.team, context.person))
