"""The context of a request (the user, the workspace, the channel) and the reply to it.

The private metadata of views is signed, so that a view is accepted only unchanged and from the user it was sent to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any, Self
from zoneinfo import available_timezones

from slack_sdk.web.async_client import AsyncWebClient

from domain.commands.errors import UserError
from domain.message import Message
from domain.provider import Provider
from domain.provider_client import BuildClient
from services.accounts.app_catalog import AppCatalog
from services.accounts.provider_clients import UserClient
from services.accounts.user_accounts import UserAccounts
from services.container import Services
from services.request.app_visibility import VisibleApps
from services.slack.errors import SlackCallFailed
from services.slack.interaction_payloads import Interaction, ShownView
from services.slack.workspace_members import MembershipUnknown
from storage.encryption import SecretBox
from storage.repositories import WorkspaceRepositories

# The signature comes before the state; `SecretBox.sign` makes signatures of this length.
_SIGNATURE_LENGTH = 32


def sign_view(view: Mapping[str, Any], signing: SecretBox, *, team: str, person: str) -> dict[str, Any]:
    """Return the view with its state signed for this user of this workspace."""
    state = str(view.get("private_metadata") or "")
    if not state:
        return dict(view)
    signature = signing.sign(_signed_text(view.get("callback_id"), state, team, person))
    return {**view, "private_metadata": signature + state}


def signed_state_of(view: ShownView, signing: SecretBox, *, team: str, person: str) -> str | None:
    """Return the state of a view that comes back; None if it was changed, or was sent to another user."""
    sent = view.private_metadata or ""
    signature, state = sent[:_SIGNATURE_LENGTH], sent[_SIGNATURE_LENGTH:]
    return (
        state if signing.is_signed(_signed_text(view.callback_id, state, team, person), signature) else None
    )


def _signed_text(callback_id: str | None, state: str, team: str, person: str) -> str:
    # Includes the form's callback_id, because another form would read the same names differently. Only the state, which
    # comes last, contains spaces.
    return f"view {team} {person} {callback_id or '-'} {state}"


_ADMINS = ("is_admin", "is_owner", "is_primary_owner")


@dataclass(frozen=True)
class ViewContext:
    """The modal or Home tab that a request comes from; if `is_full`, no other modal can be pushed on top."""

    id: str
    is_home: bool
    is_full: bool

    @classmethod
    def of(cls, view: ShownView) -> Self:
        """Return the view of a payload."""
        # A modal names the one below it and the lowest one: if they differ, there are two below it.
        below, lowest = view.previous_view_id, view.root_view_id
        return cls(view.id, view.type == "home", is_full=bool(below) and below != lowest)


@dataclass(frozen=True)
class RequestContext:
    """The user who makes a request, and the channel, which is `""` on the Home tab.

    `person` is their Slack id, `name` the name that came with the request, if any. `trigger_id` opens one modal within
    three seconds (Slack's rules, "Answering"); mentions and messages have none. `is_verified`: Slack itself identifies
    the user, not the author of a workflow. `thread` is the timestamp of the message whose thread gets the reply.
    Membership of the workspace is checked at each use (`check_belongs`).
    """

    services: Services
    person: str
    team: str
    channel: str
    name: str | None = None
    trigger_id: str = ""
    view: ViewContext | None = None
    is_verified: bool = True
    thread: str | None = None

    @classmethod
    def of(cls, interaction: Interaction, services: Services) -> Self:
        """Return the context of an interaction: a button, list, form or shortcut."""
        view, user = interaction.view, interaction.user
        return cls(
            services=services,
            person=user.id,
            name=user.username or user.name,
            team=interaction.workspace_id,
            channel=interaction.channel_id or interaction.metadata.channel,
            trigger_id=interaction.trigger_id or "",
            view=ViewContext.of(view) if view is not None else None,
        )

    @cached_property
    def storage(self) -> WorkspaceRepositories:
        """The repositories of the workspace."""
        return self.services.storage.of(self.team)

    @property
    def slack(self) -> AsyncWebClient:
        """The Slack client of the workspace."""
        return self.services.slack.client(self.team)

    @cached_property
    def accounts(self) -> UserAccounts:
        """The user's accounts, which the request reads once; none if Slack did not identify the user."""
        return UserAccounts(self.services.storage, self.team, self.identity)

    def client_for(self, provider: Provider) -> UserClient[Any]:
        """Return the provider's clients for this user; each provider's `api/access.py` has a typed version."""
        return self.services.clients.at(provider).for_user(self.accounts)

    def builds_at(self, provider: Provider) -> BuildClient | None:
        """Return the client that lists and reads builds; None if the provider has no build lists.

        It may read more than the user may see: check the app with `visible_apps` first.
        """
        return self.client_for(provider).builds

    def visible_apps(self, provider: Provider) -> VisibleApps:
        """Return the provider's apps that the user may see here."""
        channel = self.channel if self.is_verified else None
        return VisibleApps(
            self.services.clients.at(provider), self.storage, self.client_for(provider), channel
        )

    def own_apps(self, provider: Provider) -> AppCatalog[Any]:
        """Return the provider's apps that the user's own token sees."""
        return self.client_for(provider).apps

    def in_channel(self, channel: str) -> Self:
        """Return the context of the same request in another channel, with the accounts that it has read."""
        moved = replace(self, channel=channel)
        moved.__dict__["accounts"] = self.accounts
        return moved

    @property
    def identity(self) -> str:
        """The id of the user whose accounts are used; `""` if Slack did not identify the user."""
        return self.person if self.is_verified else ""

    def check_configured(self, provider: Provider) -> None:
        """Check that the bot has a token of its own for the provider. Raises ProviderNotConfigured."""
        if not self.services.clients.at(provider).has_service_token:
            raise ProviderNotConfigured(provider)

    async def may_act(self, provider: Provider) -> bool:
        """Return whether the bot can act at the provider for the user at all; access rules limit it further."""
        clients = self.services.clients.at(provider)
        return await self.is_linked(provider) or await clients.acts_for(self.team, self.identity)

    async def is_linked(self, provider: Provider) -> bool:
        """Return whether the user has a working account of their own at the provider."""
        return await self.services.clients.at(provider).is_linked(self.accounts)

    async def acts_with_service_token(self, provider: Provider) -> bool:
        """Return whether the bot's own token acts for the user, who has no working account at the provider."""
        return self.services.clients.at(provider).service_acts and not await self.is_linked(provider)

    def now(self) -> datetime:
        """Return the current time."""
        return self.services.clock()

    def provider_now(self, provider: Provider) -> datetime:
        """Return the current time by the provider's clock, to compare with the provider's times."""
        return self.services.clients.at(provider).provider_clock()

    async def open_view(self, view: Mapping[str, Any]) -> str:
        """Open a modal, on top of the current one if there is one; return its id. Raises SlackCallFailed."""
        slack, view = self.slack, self._signed(view)
        if self.view is None or self.view.is_home:
            answer = await slack.views_open(trigger_id=self.trigger_id, view=view)
        elif self.view.is_full:
            answer = await slack.views_update(view_id=self.view.id, view=view)
        else:
            answer = await slack.views_push(trigger_id=self.trigger_id, view=view)
        return str(answer["view"]["id"])

    async def update_view(self, view_id: str, view: Mapping[str, Any], *, version: str | None = None) -> None:
        """Replace an open view; with `version`, only if the view still has that version.

        Raises SlackCallFailed.
        """
        await self.slack.views_update(view_id=view_id, hash=version, view=self._signed(view))

    def _signed(self, view: Mapping[str, Any]) -> dict[str, Any]:
        return sign_view(view, self.services.storage.signing, team=self.team, person=self.person)

    async def display_name(self) -> str:
        """Return the user's name, for a provider that knows only the owner of the bot's token."""
        if self.name:
            return self.name
        user = await self._user()
        profile = user.get("profile") or {}
        return str(profile.get("display_name") or user.get("real_name") or user.get("name") or self.person)

    async def timezone(self) -> str:
        """Return the user's IANA time zone; UTC if Slack does not say."""
        zone = str((await self._user()).get("tz") or "UTC")
        return zone if zone in available_timezones() else "UTC"

    async def email(self) -> str | None:
        """Return the user's e-mail address; None if Slack does not say."""
        return ((await self._user()).get("profile") or {}).get("email")

    async def is_member(self) -> bool:
        """Return whether the user belongs to the workspace or its organisation; guests do. Raises MembershipUnknown."""
        return await self.services.clients.members.belongs(self.team, self.person)

    async def check_belongs(self) -> None:
        """Check that the user belongs to the workspace. Raises NotAMember, MembershipUnknown."""
        await self.services.clients.members.check(self.team, self.person)

    async def check_full_member(self) -> None:
        """Check that the user is a member and no guest. Raises NotAMember, NotForGuests, MembershipUnknown."""
        await self.services.clients.members.check_full_member(self.team, self.person)

    async def is_full_member(self) -> bool:
        """Return whether Slack confirms that the user is a member: no guest and not from another company."""
        try:
            return await self.services.clients.members.is_full_member(self.team, self.person)
        except MembershipUnknown:
            return False

    async def is_admin(self) -> bool:
        """Return whether Slack confirms that the user is an admin or owner of the workspace."""
        if not self.is_verified or not await self.is_full_member():
            return False
        user = await self._user()
        return any(user.get(name) for name in _ADMINS) and not user.get("deleted")

    async def direct_message(self) -> str:
        """Return the id of the user's direct message with the bot. Raises SlackCallFailed."""
        if self.channel.startswith("D"):
            return self.channel
        answer = await self.slack.conversations_open(users=self.person)
        return str(answer["channel"]["id"])

    async def direct_message_alone(self) -> str:
        """Return the id of the user's direct message with the bot, whatever the channel. Raises SlackCallFailed."""
        return await self.in_channel("").direct_message()

    async def _user(self) -> Mapping[str, Any]:
        try:
            return (await self.slack.users_info(user=self.person)).get("user") or {}
        except SlackCallFailed:
            return {}


class ProviderNotConfigured(UserError):
    """The bot has no token of its own for the provider."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(
            f"{provider.label} isn't set up here. Whoever runs Buildbell has to give it a token of its own:"
            f" `{provider.upper()}_TOKEN`."
        )


def context_outside(services: Services, team: str, person: str) -> RequestContext:
    """Return a context for a user without a request, in no channel."""
    return RequestContext(services=services, person=person, team=team, channel="")


class Visibility(Enum):
    """The audience of a reply."""

    REQUESTER = "the user, in the way they made the request"
    ONE_PERSON = "the user only, since others may not be allowed to see it"
    CHANNEL = "everyone in the channel, since it concerns them"


@dataclass(frozen=True)
class Reply:
    """A reply to a request; `title` is the title of the modal if it is shown in one."""

    message: Message
    audience: Visibility = Visibility.REQUESTER
    title: str = "Buildbell"
