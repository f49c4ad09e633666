"""People's own accounts at Bitrise: linked, shown, wiped."""

from __future__ import annotations

import re

from pydantic import SecretStr
from slack_sdk.errors import SlackApiError

from bot import messages
from bot.commands import Connect, Disconnect, WhoAmI
from bot.http import BadToken, NoAccess
from bot.messages import Linked, Origin
from bot.provider import Provider
from handlers.caller import Answer, Audience, Caller
from handlers.doing import NotAllowed, noted
from handlers.finding import NotNamed
from storage import NoKey

TITLE = "Your Bitrise account"
_TOKEN = re.compile(r"[!-~]{8,500}")


async def connect(_ask: Connect, caller: Caller) -> Answer | None:
    """Open the modal that asks for a token; a message can only offer a button that does. Raises NotAllowed."""
    if not caller.trigger_id:
        return Answer(
            messages.connect_button("Press this, and paste your token into the dialog."), Audience.ONE_PERSON
        )
    await open_modal(caller)
    return None


async def open_modal(caller: Caller) -> None:
    """Ask for a token of the person's own. Raises NotAllowed, SlackApiError."""
    check_key(caller)
    before = await linked(caller)
    await caller.show(messages.connect_modal(origin=Origin(channel=caller.channel), before=before))


def check_key(caller: Caller) -> None:
    """Raises NotAllowed where there is nothing to seal a token with."""
    if caller.desk.storage.vault is None:
        raise NotAllowed(str(NoKey()))


async def link(token: SecretStr, caller: Caller) -> str:
    """Keep the person's token, once Bitrise has said whose it is; returns that name.

    Raises NotAllowed, NotNamed, ProviderError.
    """
    check_key(caller)
    if caller.stranger or not caller.vouched:
        raise NotAllowed("Only people of this workspace can link an account here.")
    await _check_own(token, caller)
    try:
        me = await caller.desk.clients.under(token).me()
    except (BadToken, NoAccess) as error:
        raise NotNamed(
            "Bitrise does not take this token. Make a new one there, and paste all of it."
        ) from error
    if not me.username or not me.slug:
        raise NotNamed(
            "This token is no person's. Make a personal access token in your own account's settings."
        )
    async with noted(caller, "connect", about={"name": me.username}):
        await caller.storage.accounts.connect(
            caller.person,
            Provider.BITRISE,
            token,
            provider_user=me.slug,
            name=me.username,
            at=caller.now(),
        )
    await caller.storage.people.is_called(caller.person, me.username)
    _changed(caller)
    return me.username


async def disconnect(_ask: Disconnect, caller: Caller) -> Answer:
    """Wipe the person's token; what showed what they could see stops."""
    there = await caller.storage.accounts.find(caller.identity, Provider.BITRISE)
    if there is not None:
        async with noted(caller, "disconnect", about={"name": there.name}):
            await caller.storage.accounts.disconnect(caller.person, Provider.BITRISE)
        _changed(caller)
    return Answer(messages.disconnected(there.name if there else None), Audience.ONE_PERSON, title=TITLE)


async def who_am_i(_ask: WhoAmI, caller: Caller) -> Answer:
    """Who the person is at Bitrise, and with whose token they are answered."""
    account = await linked(caller)
    said = messages.whoami(
        caller.person,
        account,
        service=await caller.desk.clients.service_apps.owner(),
        service_acts=caller.desk.clients.service_acts,
        can_link=caller.desk.storage.vault is not None,
    )
    return Answer(said, Audience.ONE_PERSON, title=TITLE)


async def linked(caller: Caller) -> Linked | None:
    """The person's account as it may be shown."""
    account = await caller.storage.accounts.find(caller.identity, Provider.BITRISE)
    return Linked(name=account.name, works=account.works) if account is not None else None


async def leave(caller: Caller) -> bool:
    """Somebody has left the workspace: wipe their tokens; returns whether there were any."""
    there = await caller.storage.accounts.disconnect(caller.person)
    if there:
        async with noted(caller, "left", about={"name": there[0].name}):
            _changed(caller)
    return bool(there)


async def is_admin(caller: Caller) -> bool:
    """Whether the person is an admin or an owner of the workspace, and Slack says so."""
    if not caller.vouched or caller.stranger:
        return False
    try:
        user = (await caller.slack.users_info(user=caller.person)).get("user") or {}
    except SlackApiError:
        return False
    return any(user.get(name) for name in ("is_admin", "is_owner", "is_primary_owner")) and not user.get(
        "deleted"
    )


async def _check_own(token: SecretStr, caller: Caller) -> None:
    """Raises NotNamed for what is no token, and for the bot's own."""
    text = token.get_secret_value()
    if not _TOKEN.fullmatch(text):
        raise NotNamed("This is no token: it has no spaces and nothing else than letters, digits and signs.")
    if caller.desk.clients.is_service_token(token):
        raise NotNamed("This is my own token. Link yours: with it I act as you, and see what you may see.")


def _changed(caller: Caller) -> None:
    caller.desk.clients.forget_person(caller.team, caller.person)
    caller.desk.access_changed()
    caller.desk.home_changed(caller.team, caller.person)
