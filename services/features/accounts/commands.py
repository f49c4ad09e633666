"""People's own accounts at a provider: linked, shown, wiped."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import urlencode

from pydantic import SecretStr

from domain.commands.shared_commands import Connect, Disconnect, WhoAmI
from domain.errors import Forbidden, InvalidToken
from domain.fair_limiter import Requester
from domain.provider import Provider
from messages import accounts
from messages.accounts import ConnectedAccount
from messages.kit.view_metadata import ViewMetadata
from services.actions.audit import noted
from services.actions.result import PermissionDenied
from services.provider_spec import TokenOwner
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError
from storage.accounts import EncryptionKeyMissing
from storage.oauth_sessions import AuthorizedSession, is_code

_TOKEN = re.compile(r"[!-~]{8,2000}")


async def connect(
    _ask: Connect, caller: RequestContext, provider: Provider = Provider.BITRISE
) -> Reply | None:
    """Open the modal that asks for a token; a message can only offer a button that does. Raises PermissionDenied."""
    if not caller.trigger_id:
        words = "Press this, and paste your token into the dialog."
        return Reply(accounts.connect_button(words, provider), Visibility.ONE_PERSON)
    await open_modal(caller, provider)
    return None


async def open_modal(caller: RequestContext, provider: Provider) -> None:
    """Ask for a token of the person's own. Raises PermissionDenied, SlackCallFailed."""
    check_key(caller)
    view = accounts.connect_modal(
        provider,
        origin=ViewMetadata(channel=caller.channel),
        before=await linked(caller, provider),
        sign_in=await _sign_in_page(caller, provider),
    )
    await caller.show(view)


async def _sign_in_page(caller: RequestContext, provider: Provider) -> str | None:
    """Where this person signs in, within ten minutes; None where they can only paste a token."""
    page = caller.desk.clients.at(provider).sign_in
    if page is None or not caller.vouched or not await caller.belongs():
        return None
    sign_ins = caller.desk.storage.sign_ins
    state = await sign_ins.begin(caller.team, caller.person, provider, caller.now())
    return f"{page}?{urlencode({'state': state})}"


def check_key(caller: RequestContext) -> None:
    """Raises PermissionDenied where there is nothing to seal a token with."""
    if caller.desk.storage.vault is None:
        raise PermissionDenied(str(EncryptionKeyMissing()))


async def link(token: SecretStr, caller: RequestContext, provider: Provider) -> str:
    """Keep the person's token, or what they have allowed on the provider's page; returns their name there.

    Raises PermissionDenied, UserError, ProviderError.
    """
    check_key(caller)
    if not caller.vouched:
        raise PermissionDenied("Only people of this workspace can link an account here.")
    await caller.check_belongs()
    allowed = await _allowed_by(token, caller, provider)
    owner = allowed.owner
    async with noted(caller, "connect", about={"name": owner.name}):
        await caller.storage.accounts.connect(
            caller.person,
            provider,
            allowed.tokens,
            provider_user=owner.id,
            name=owner.name,
            at=caller.now(),
        )
    if provider is Provider.BITRISE:
        await caller.storage.people.is_called(caller.person, owner.name)
    _changed(caller)
    return owner.name


async def disconnect(
    _ask: Disconnect, caller: RequestContext, provider: Provider = Provider.BITRISE
) -> Reply:
    """Ask whether the person's token is to be wiped: what showed what they could see stops with it."""
    there = await caller.storage.accounts.find(caller.identity, provider)
    if there is None:
        return await wipe(caller, provider)
    made = await caller.storage.subscriptions.made_by(caller.person)
    stops = Counter(one.channel for one in made if one.provider is provider and one.stopped is None)
    said = accounts.disconnect_question(there.name, provider, stops)
    return Reply(said, Visibility.ONE_PERSON, title=accounts.title_of(provider))


async def wipe(caller: RequestContext, provider: Provider) -> Reply:
    """Wipe the person's token; what showed what they could see stops."""
    there = await caller.storage.accounts.find(caller.identity, provider)
    if there is not None:
        async with noted(caller, "disconnect", about={"name": there.name}):
            await caller.storage.accounts.disconnect(caller.person, provider, at=caller.now())
        _changed(caller)
    said = accounts.disconnected(there.name if there else None, provider)
    return Reply(said, Visibility.ONE_PERSON, title=accounts.title_of(provider))


async def who_am_i(_ask: WhoAmI, caller: RequestContext, provider: Provider = Provider.BITRISE) -> Reply:
    """Who the person is at the provider, and with whose token they are answered."""
    account = await linked(caller, provider)
    clients = caller.desk.clients.at(provider)
    said = accounts.whoami(
        caller.person,
        account,
        provider,
        service=await clients.service_apps.owner(),
        service_acts=clients.service_acts,
        service_reads=clients.service_reads,
        can_link=caller.desk.storage.vault is not None,
    )
    return Reply(said, Visibility.ONE_PERSON, title=accounts.title_of(provider))


async def linked(caller: RequestContext, provider: Provider = Provider.BITRISE) -> ConnectedAccount | None:
    """The person's account at the provider as it may be shown."""
    account = await caller.desk.clients.at(provider).account_of(caller.team, caller.identity)
    return ConnectedAccount(name=account.name, works=account.works) if account is not None else None


async def leave(caller: RequestContext) -> bool:
    """Somebody has left the workspace: wipe their tokens; returns whether there were any."""
    there = await caller.storage.accounts.disconnect(caller.person, at=caller.now())
    if there:
        async with noted(caller, "left", about={"name": there[0].name}):
            _changed(caller)
    return bool(there)


async def _allowed_by(given: SecretStr, caller: RequestContext, provider: Provider) -> AuthorizedSession:
    """What stands behind what was pasted: a token, or the code of the page on which they have signed in.

    Raises UserError, ProviderError.
    """
    code = given.get_secret_value()
    if not is_code(code):
        return AuthorizedSession(given, await _owner_of(given, caller, provider))
    sign_ins = caller.desk.storage.sign_ins
    allowed = await sign_ins.take(code, caller.team, caller.person, provider, caller.now())
    if allowed is None:
        raise UserError(
            "This code is none of yours, was used already, or is too old. Close this dialog, and sign in again."
        )
    return allowed


async def _owner_of(token: SecretStr, caller: RequestContext, provider: Provider) -> TokenOwner:
    """Whose token it is. Raises UserError for what is no person's token, and for the bot's own; ProviderError."""
    clients = caller.desk.clients.at(provider)
    if not _TOKEN.fullmatch(token.get_secret_value()):
        raise UserError("This is no token: it has no spaces and nothing else than letters, digits and signs.")
    if clients.is_service_token(token):
        raise UserError("This is my own token. Link yours: with it I act as you, and see what you may see.")
    try:
        owner = await clients.owner_of(token, Requester(caller.team, caller.person))
    except (InvalidToken, Forbidden) as error:
        raise UserError(
            f"{provider.label} does not take this token. Make a new one there, and paste all of it."
        ) from error
    if owner is None:
        raise UserError("This token is no person's. Make one in the settings of your own account.")
    return owner


def _changed(caller: RequestContext) -> None:
    caller.desk.clients.forget_person(caller.team, caller.person)
    caller.desk.access_changed()
    caller.desk.home_changed(caller.team, caller.person)
