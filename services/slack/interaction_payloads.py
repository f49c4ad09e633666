"""Payloads of interactions: buttons, lists, shortcuts and forms (docs.slack.dev, "Interactivity"). Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from domain.message import Block
from domain.slack_ids import SlackId
from messages.kit.input_elements import MaybeId, MaybeText, Option, SlackObject
from messages.kit.views import NO_INPUT, FormValues, ViewMetadata
from services.slack.payloads import MaybeTs, OpaqueId, Payload, Required


class _NamedObject(SlackObject):
    id: SlackId


class _User(SlackObject):
    id: SlackId
    team_id: MaybeId = None
    username: MaybeText = None
    name: MaybeText = None


class _Enterprise(SlackObject):
    id: MaybeId = None


class _MessageState(SlackObject):
    values: FormValues | None = None


class _ViewState(SlackObject):
    values: FormValues


class ShownView(SlackObject):
    """A modal or Home tab."""

    id: SlackId
    type: MaybeText = None
    callback_id: MaybeText = None
    private_metadata: MaybeText = None
    hash: OpaqueId | Literal[""] | None = None
    previous_view_id: MaybeId = None
    root_view_id: MaybeId = None
    app_installed_team_id: MaybeId = None
    team_id: MaybeId = None


class View(ShownView):
    """A view with its current input, sent when the user uses one of its elements."""

    state: _ViewState

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

    message_ts: MaybeTs = None
    channel_id: MaybeId = None
    is_ephemeral: bool | None = None
    app_unfurl_url: MaybeText = None


class _Action(SlackObject):
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


class _ShownMessage(SlackObject):
    """The message with the pressed button: one of ours, or a user's message with our link preview."""

    blocks: list[dict[str, Any]] | None = None


class _ResponseUrl(SlackObject):
    response_url: MaybeText = None


class Interaction(Payload):
    """Any interaction of a user. `trigger_id` opens a modal."""

    type: str
    user: _User
    team: _NamedObject | None = None
    enterprise: _Enterprise | None = None
    is_enterprise_install: bool | None = None
    channel: _NamedObject | None = None
    container: Container | None = None
    state: _MessageState | None = None
    response_url: MaybeText = None
    response_urls: Annotated[list[_ResponseUrl], Field(default_factory=list)]
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

    trigger_id: Required
    view: View | None = None
    message: _ShownMessage | None = None
    actions: Annotated[list[_Action], Field(min_length=1)]

    @property
    def action(self) -> _Action:
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

    trigger_id: Required
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


INTERACTIONS: Mapping[str, type[Interaction]] = {
    "block_actions": ActionPayload,
    "block_suggestion": OptionsPayload,
    "shortcut": ShortcutPayload,
    "message_action": MessageShortcutPayload,
    "view_submission": SubmissionPayload,
    "view_closed": ViewPayload,
}
