"""Payloads of Slack's requests, with the fields that the bot reads (docs.slack.dev, "Events", "Interactivity").

Pure; no I/O. A request's payload is parsed once, on arrival (`bot/slack/payload_validation.py`), and the listeners get
it as `slack_payload`. Null and empty strings mean "none". Fields that only Bolt reads are validated here too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, Self, TypeAlias, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from domain.message import Block
from domain.slack_ids import SlackId
from messages.kit.input_elements import MaybeId, MaybeText, Option, SlackObject
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import NO_INPUT, FormValues

_Required = Annotated[str, StringConstraints(min_length=1)]
_Ts = Annotated[str, StringConstraints(pattern=re.compile(r"^\d{1,12}\.\d{1,8}\Z"))]
_MaybeTs: TypeAlias = _Ts | Literal[""] | None
# An identifier issued by Slack.
_OpaqueId = Annotated[str, StringConstraints(pattern=re.compile(r"^[\w.:-]{1,200}\Z"))]
# ID of a run of a Workflow Builder step, such as Fx0123ABCDE (docs.slack.dev, "function_executed event").
_FunctionRunId = Annotated[str, StringConstraints(pattern=re.compile(r"^Fx[A-Z0-9]{2,40}\Z"))]


class Payload(SlackObject):
    """A request from Slack."""

    @property
    def kind(self) -> str:
        """The type of the request, for the log."""
        return str(getattr(self, "type", "command"))

    @cached_property
    def workspace_id(self) -> str:
        """The id of the workspace whose installation of the app the request is for; "" if it is unknown.

        In a channel that two companies share, the outer `team_id` of an event may be the other company's, so the
        event's authorization comes first ("The Events API"). An organisation's authorizations and views name no
        workspace; the fields around them do ("Organization-ready apps").
        """
        # Some of these name the organisation (E…) where the app is installed in all of it.
        return next((name for name in self._workspaces if name and name.startswith("T")), "")

    @property
    def _workspaces(self) -> tuple[str | None, ...]:
        """The fields that may name the workspace, the most reliable first."""
        return ()

    @property
    def person(self) -> str:
        """The id of the user who acts; "" if Slack names none."""
        return ""

    @property
    def home_workspace(self) -> str | None:
        """The user's own workspace or organisation; None if the payload does not say.

        Events have `user_team` if the user may be from elsewhere, which can name an organisation (Bolt,
        "extract_actor_team_id"); their outer `team_id` and `event.team` may be the other company's. Interactions have
        `user.team_id`, slash commands neither.
        """
        return None


class UrlCheck(Payload):
    """Slack's test of the request URL with `ssl_check`."""


class UrlVerification(UrlCheck):
    """Slack's test of the request URL with a challenge."""

    challenge: str


class IgnoredEvent(Payload):
    """An event without a listener, or a report that Slack has dropped events (`minute_rate_limited`)."""

    type: str
    team: str | None = None
    minute_rate_limited: int | None = None


class CommandPayload(Payload):
    """A slash command."""

    command: str
    text: MaybeText = None
    user_id: SlackId
    user_name: MaybeText = None
    channel_id: SlackId
    team_id: MaybeId = None
    enterprise_id: MaybeId = None
    trigger_id: MaybeText = None
    response_url: MaybeText = None

    @property
    def _workspaces(self) -> tuple[str | None, ...]:
        return (self.team_id,)

    @property
    def person(self) -> str:
        """The id of the user who typed it."""
        return self.user_id


# Interactions.


class NamedObject(SlackObject):
    """A workspace or channel."""

    id: SlackId


class User(SlackObject):
    """The user of an interaction."""

    id: SlackId
    team_id: MaybeId = None
    username: MaybeText = None
    name: MaybeText = None


class Enterprise(SlackObject):
    """An organisation."""

    id: MaybeId = None


class MessageState(SlackObject):
    """The input of a message."""

    values: FormValues | None = None


class ViewState(SlackObject):
    """The input of a view."""

    values: FormValues


class ShownView(SlackObject):
    """A modal or Home tab."""

    id: SlackId
    type: MaybeText = None
    callback_id: MaybeText = None
    private_metadata: MaybeText = None
    hash: _OpaqueId | Literal[""] | None = None
    previous_view_id: MaybeId = None
    root_view_id: MaybeId = None
    app_installed_team_id: MaybeId = None
    team_id: MaybeId = None


class View(ShownView):
    """A view with its current input, sent when the user uses one of its elements."""

    state: ViewState

    @property
    def values(self) -> FormValues:
        """The input."""
        return self.state.values


def _find_first_input(blocks: Any) -> str | None:
    for block in blocks if isinstance(blocks, list) else ():
        if isinstance(block, Mapping) and block.get("type") == "input":
            name = block.get("block_id")
            return name if isinstance(name, str) else None
    return None


class SubmittedView(View):
    """A submitted form; `first_input` is the block id of its first field."""

    type: str
    callback_id: str
    private_metadata: str
    first_input: Annotated[str | None, BeforeValidator(_find_first_input), Field(alias="blocks")] = None


class Container(SlackObject):
    """The place of a pressed button."""

    message_ts: _MaybeTs = None
    channel_id: MaybeId = None
    is_ephemeral: bool | None = None
    app_unfurl_url: MaybeText = None


class Action(SlackObject):
    """A press of a button, or a selection in a list."""

    action_id: str
    block_id: MaybeText = None
    value: MaybeText = None
    selected_option: Option | None = None

    @property
    def chosen(self) -> str:
        """The value of the button or of the selected option."""
        picked = self.selected_option.value if self.selected_option is not None else None
        return self.value or picked or ""


class ShownMessage(SlackObject):
    """The message with the pressed button: one of ours, or a user's message with our link preview."""

    blocks: list[dict[str, Any]] | None = None


class ResponseUrl(SlackObject):
    """A channel that was picked in a form."""

    response_url: MaybeText = None


class Interaction(Payload):
    """Any interaction of a user. `trigger_id` opens a modal."""

    type: str
    user: User
    team: NamedObject | None = None
    enterprise: Enterprise | None = None
    is_enterprise_install: bool | None = None
    channel: NamedObject | None = None
    container: Container | None = None
    state: MessageState | None = None
    response_url: MaybeText = None
    response_urls: Annotated[list[ResponseUrl], Field(default_factory=list)]
    trigger_id: MaybeText = None
    view: ShownView | None = None

    @property
    def _workspaces(self) -> tuple[str | None, ...]:
        view = self.view.team_id if self.view is not None else None
        return (*self._named_workspaces, view, self.user.team_id)

    @property
    def _named_workspaces(self) -> tuple[str | None, str | None]:
        """The workspaces of the app and of the channel, which are not named as the user's own."""
        return (
            self.view.app_installed_team_id if self.view is not None else None,
            self.team.id if self.team is not None else None,
        )

    @property
    def person(self) -> str:
        """The id of the user."""
        return self.user.id

    @property
    def home_workspace(self) -> str | None:
        """The user's own workspace or organisation; one that is only named as their own proves nothing."""
        home = self.user.team_id
        return home if home and (home != self.workspace_id or home in self._named_workspaces) else None

    @property
    def channel_id(self) -> str | None:
        """The id of the channel in which it happened."""
        channel = self.channel.id if self.channel is not None else None
        return channel or (self.container.channel_id if self.container is not None else None) or None

    @property
    def metadata(self) -> ViewMetadata:
        """Where its view was opened from, and what the view is about."""
        return ViewMetadata.read(self.view.private_metadata if self.view is not None else None)

    def with_metadata(self, metadata: str) -> Self:
        """Return it with other private metadata in its view."""
        if self.view is None:
            return self
        view = self.view.model_copy(update={"private_metadata": metadata})
        return self.model_copy(update={"view": view})


class ActionPayload(Interaction):
    """A press of a button, or a selection in a list (`block_actions`)."""

    trigger_id: _Required
    view: View | None = None
    message: ShownMessage | None = None
    actions: Annotated[list[Action], Field(min_length=1)]

    @property
    def action(self) -> Action:
        """What was pressed: Bolt looks for a listener of the first one."""
        return self.actions[0]

    @property
    def shown(self) -> Sequence[Block]:
        """The blocks of the message as the user sees it."""
        return (self.message.blocks if self.message is not None else None) or ()

    @property
    def values(self) -> FormValues:
        """The input of the message or view around the button."""
        of_message = self.state.values if self.state is not None else None
        return of_message or (self.view.values if self.view is not None else NO_INPUT)


class OptionsPayload(Interaction):
    """A search in a list (`block_suggestion`)."""

    view: View | None = None
    action_id: str
    value: MaybeText = None


class ShortcutPayload(Interaction):
    """A global shortcut (`shortcut`), or one on a message."""

    trigger_id: _Required
    callback_id: str
    message: Mapping[str, Any] = {}


class MessageShortcutPayload(ShortcutPayload):
    """A shortcut on a message (`message_action`)."""

    message: dict[str, Any]


class ViewPayload(Interaction):
    """A form that was submitted or closed."""

    view: ShownView


class SubmissionPayload(ViewPayload):
    """A submitted form (`view_submission`)."""

    view: SubmittedView


# Events.


class Event(SlackObject):
    """The fields that Bolt reads from an event of any type."""

    type: _Required
    bot_id: MaybeId = None
    team: MaybeText = None
    team_id: MaybeId = None
    user_team: MaybeText = None
    enterprise: MaybeId = None
    enterprise_id: MaybeId = None
    thread_ts: _MaybeTs = None

    @property
    def person(self) -> str:
        """The id of the user whom the event is about; "" if it is about nobody."""
        return ""


class Author(SlackObject):
    """The author of a changed or deleted message."""

    user: MaybeId = None


class Message(Event):
    """A message to the bot, or a changed or deleted message, which has no user of its own."""

    user: MaybeId = None
    channel: SlackId
    channel_type: MaybeText = None
    subtype: MaybeText = None
    ts: _MaybeTs = None
    text: MaybeText = None
    message: Author | None = None
    previous_message: Author | None = None

    @property
    def person(self) -> str:
        """The id of the author."""
        return self.user or ""


class Mention(Message):
    """A message that mentions the bot."""

    ts: _Ts


class SharedLink(SlackObject):
    """A link in a message."""

    url: str


class LinkShared(Event):
    """A message with links that the app previews."""

    user: SlackId
    channel: SlackId
    message_ts: _OpaqueId
    source: MaybeText = None
    links: list[SharedLink] | None = None

    @property
    def person(self) -> str:
        """The id of the message's author."""
        return self.user


class HomeOpened(Event):
    """A user opens the Home tab, or leaves it for another tab."""

    user: SlackId
    tab: MaybeText = None
    channel: MaybeId = None

    @property
    def person(self) -> str:
        """The id of the user."""
        return self.user


class ChangedUser(SlackObject):
    """A user whose profile or membership has changed."""

    id: SlackId
    team_id: MaybeId = None
    deleted: bool | None = None


class UserChange(Event):
    """A change of a user."""

    user: ChangedUser

    @property
    def person(self) -> str:
        """The id of the changed user."""
        return self.user.id


class Departure(Event):
    """The app is uninstalled (`app_uninstalled`)."""


class Tokens(SlackObject):
    """The ids of users whose tokens were revoked."""

    bot: list[str] | None = None
    oauth: list[str] | None = None


class TokensRevoked(Departure):
    """Tokens of the app are revoked."""

    tokens: Tokens | None = None


class Function(SlackObject):
    """A step of Workflow Builder."""

    callback_id: str


class Inputs(SlackObject):
    """The inputs of a step, set by the creator of the workflow: texts, numbers and a user."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | int | float | bool | None]
    person: MaybeId = None


class FunctionExecuted(Event):
    """A workflow has reached a step of the app."""

    function: Function
    function_execution_id: _FunctionRunId | SlackId
    bot_access_token: MaybeText = None
    inputs: Inputs | None = None


class Authorization(SlackObject):
    """An installation of the app that may see the event."""

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
    event_id: _OpaqueId | None = None
    event_time: Annotated[int | None, BeforeValidator(lambda time: time if type(time) is int else None)] = (
        None
    )
    authorizations: list[Authorization] | None = None
    is_ext_shared_channel: bool | None = None
    event: EventT

    @property
    def _workspaces(self) -> tuple[str | None, ...]:
        authorized = self.authorizations[0].team_id if self.authorizations else None
        return (authorized, self.context_team_id, self.team_id)

    @property
    def person(self) -> str:
        """The id of the user whom the event is about."""
        return self.event.person

    @property
    def home_workspace(self) -> str | None:
        """The user's own workspace or organisation, if they may be from elsewhere."""
        return (self.event.user_team or None) if self.event.person else None


# By the type of the event or interaction.
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
INTERACTIONS: Mapping[str, type[Interaction]] = {
    "block_actions": ActionPayload,
    "block_suggestion": OptionsPayload,
    "shortcut": ShortcutPayload,
    "message_action": MessageShortcutPayload,
    "view_submission": SubmissionPayload,
    "view_closed": ViewPayload,
}
