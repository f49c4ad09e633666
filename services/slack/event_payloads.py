"""Payloads of events (docs.slack.dev, "The Events API"). Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from domain.slack_ids import SlackId
from messages.kit.input_elements import MaybeId, MaybeText, SlackObject
from services.slack.payloads import MaybeTs, OpaqueId, Payload, Required, Ts

# In seconds; anything else counts as no time.
_MaybeTime = Annotated[int | None, BeforeValidator(lambda time: time if type(time) is int else None)]
# ID of a run of a Workflow Builder step, such as Fx0123ABCDE (docs.slack.dev, "function_executed event").
_FunctionRunId = Annotated[str, StringConstraints(pattern=re.compile(r"^Fx[A-Z0-9]{2,40}\Z"))]


class Event(SlackObject):
    """The fields that Bolt reads from an event of any type."""

    type: Required
    bot_id: MaybeId = None
    team: MaybeText = None
    team_id: MaybeId = None
    user_team: MaybeText = None
    enterprise: MaybeId = None
    enterprise_id: MaybeId = None
    thread_ts: MaybeTs = None


class _Author(SlackObject):
    user: MaybeId = None


class Message(Event):
    """A message to the bot, or a changed or deleted message, which has no user of its own."""

    user: MaybeId = None
    channel: SlackId
    channel_type: MaybeText = None
    subtype: MaybeText = None
    ts: MaybeTs = None
    text: MaybeText = None
    message: _Author | None = None
    previous_message: _Author | None = None


class Mention(Message):
    """A message that mentions the bot."""

    ts: Ts


class _SharedLink(SlackObject):
    url: str


class LinkShared(Event):
    """A message with links that the app previews."""

    user: SlackId
    channel: SlackId
    message_ts: OpaqueId
    source: MaybeText = None
    links: list[_SharedLink] | None = None


class HomeOpened(Event):
    """A user opens the Home tab, or leaves it for another tab."""

    user: SlackId
    tab: MaybeText = None
    channel: MaybeId = None


class _ChangedUser(SlackObject):
    id: SlackId
    team_id: MaybeId = None
    deleted: bool | None = None


class UserChange(Event):
    """A change of a user."""

    user: _ChangedUser


class Departure(Event):
    """The app is uninstalled (`app_uninstalled`)."""


class _Tokens(SlackObject):
    bot: list[str] | None = None
    oauth: list[str] | None = None


class TokensRevoked(Departure):
    """Tokens of the app are revoked."""

    tokens: _Tokens | None = None


class _Function(SlackObject):
    callback_id: str


class Inputs(SlackObject):
    """The inputs of a step, set by the creator of the workflow: texts, numbers and a user."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | int | float | bool | None]
    person: MaybeId = None


class FunctionExecuted(Event):
    """A workflow has reached a step of the app."""

    function: _Function
    function_execution_id: _FunctionRunId | SlackId
    bot_access_token: Annotated[MaybeText, Field(repr=False)] = None
    inputs: Inputs | None = None


class _Authorization(SlackObject):
    enterprise_id: MaybeId = None
    team_id: MaybeId = None
    user_id: MaybeId = None
    is_enterprise_install: bool | None = None


EventT = TypeVar("EventT", bound=Event)


class EventPayload(Payload, Generic[EventT]):
    """An event with its envelope."""

    type: str
    team_id: MaybeId = None
    enterprise_id: MaybeId = None
    context_team_id: MaybeId = None
    context_enterprise_id: MaybeId = None
    event_id: OpaqueId | None = None
    event_time: _MaybeTime = None
    authorizations: list[_Authorization] | None = None
    is_ext_shared_channel: bool | None = None
    event: EventT

    @property
    def _workspaces(self) -> tuple[str | None, ...]:
        authorized = self.authorizations[0].team_id if self.authorizations else None
        return (authorized, self.context_team_id, self.team_id)

    @property
    def person(self) -> str:
        """The id of the user whom the event is about; "" if it is about nobody."""
        match self.event:
            case UserChange(user=user):
                return user.id
            case Message(user=user) | LinkShared(user=user) | HomeOpened(user=user):
                return user or ""
        return ""

    @property
    def home_workspace(self) -> str | None:
        """The user's own workspace or organisation, if they may be from elsewhere."""
        return (self.event.user_team or None) if self.person else None


EVENTS: Mapping[str, type[EventPayload[Any]]] = {
    "app_mention": EventPayload[Mention],
    "message": EventPayload[Message],
    "link_shared": EventPayload[LinkShared],
    "app_home_opened": EventPayload[HomeOpened],
    "user_change": EventPayload[UserChange],
    "tokens_revoked": EventPayload[TokensRevoked],
    "app_uninstalled": EventPayload[Departure],
    "function_executed": EventPayload[FunctionExecuted],
}
