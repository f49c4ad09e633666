"""Validation rules of Block Kit's text objects and elements: strict models with every size limit.

Sizes: docs.slack.dev's block and element pages.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

Action = Annotated[str, StringConstraints(min_length=1, max_length=255)]
BlockId = Annotated[str, StringConstraints(max_length=255)]
Url = Annotated[str, StringConstraints(max_length=3000, pattern=r"^[a-zA-Z][a-zA-Z0-9+.-]*:")]


class StrictModel(BaseModel):
    """A model that refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PlainText(StrictModel):
    """Text without markup."""

    type: Literal["plain_text"]
    text: Annotated[str, StringConstraints(min_length=1)]
    emoji: bool | None = None


class MrkdwnText(StrictModel):
    """Text with Slack's markup."""

    type: Literal["mrkdwn"]
    text: Annotated[str, StringConstraints(min_length=1)]
    verbatim: bool | None = None


AnyText = Annotated[PlainText | MrkdwnText, Field(discriminator="type")]
TextT = TypeVar("TextT", PlainText, MrkdwnText)


def at_most(characters: int) -> AfterValidator:
    """Limit the length of a text object."""

    def check(value: TextT) -> TextT:
        if len(value.text) > characters:
            raise PydanticCustomError("text_too_long", "too long", {"max_length": characters})
        return value

    return AfterValidator(check)


class Confirm(StrictModel):
    """A confirmation dialog."""

    title: Annotated[PlainText, at_most(100)]
    text: Annotated[PlainText, at_most(300)]
    confirm: Annotated[PlainText, at_most(30)]
    deny: Annotated[PlainText, at_most(30)]
    style: Literal["primary", "danger"] | None = None


class Option(StrictModel):
    """An option; values of up to 150 characters, as in Slack's own types."""

    text: Annotated[AnyText, at_most(75)]
    value: Annotated[str, StringConstraints(min_length=1, max_length=150)]
    description: Annotated[AnyText, at_most(75)] | None = None
    url: Url | None = None


class Button(StrictModel):
    """A button, or a link that looks like one."""

    type: Literal["button"]
    text: Annotated[PlainText, at_most(75)]
    action_id: Action | None = None
    url: Url | None = None
    value: Annotated[str, StringConstraints(max_length=2000)] | None = None
    style: Literal["primary", "danger"] | None = None
    confirm: Confirm | None = None
    accessibility_label: Annotated[str, StringConstraints(max_length=75)] | None = None


class SlackFile(StrictModel):
    """A file that was uploaded to Slack."""

    id: str | None = None
    url: Url | None = None


class Image(StrictModel):
    """An image with alternative text; Slack fetches it at once (docs.slack.dev, "Image block")."""

    type: Literal["image"]
    image_url: Url | None = None
    slack_file: SlackFile | None = None
    alt_text: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    title: Annotated[PlainText, at_most(2000)] | None = None
    block_id: BlockId | None = None

    @model_validator(mode="after")
    def _can_be_fetched(self) -> Image:
        if (self.image_url is None) == (self.slack_file is None):
            raise ValueError("missing required field: image_url")
        if self.image_url is not None and not is_reachable(self.image_url):
            raise PydanticCustomError("image_not_found", "downloading image failed")
        return self


def is_reachable(url: str) -> bool:
    """Return whether Slack could fetch this address: HTTP on a public host.

    The sandbox does not try to fetch it; nothing leaves the machine.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host:
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and host.rpartition(".")[2] not in _NOWHERE


# Top-level domains that do not exist on the Internet (RFC 2606, RFC 6761, RFC 6762, and those of private networks).
_NOWHERE = frozenset({"example", "internal", "invalid", "lan", "local", "localhost", "test"})


class OptionGroup(StrictModel):
    """A group of options with a label."""

    label: Annotated[PlainText, at_most(75)]
    options: Annotated[list[Option], Field(min_length=1, max_length=100)]


class Select(StrictModel):
    """A select menu with fixed options, single or multiple."""

    type: Literal["static_select", "multi_static_select"]
    action_id: Action | None = None
    placeholder: Annotated[PlainText, at_most(150)] | None = None
    options: Annotated[list[Option], Field(min_length=1, max_length=100)] | None = None
    option_groups: Annotated[list[OptionGroup], Field(min_length=1, max_length=100)] | None = None
    initial_option: Option | None = None
    initial_options: list[Option] | None = None
    max_selected_items: Annotated[int, Field(ge=1)] | None = None
    confirm: Confirm | None = None
    focus_on_load: bool | None = None

    @model_validator(mode="after")
    def _initial_is_an_option(self) -> Select:
        if (self.options is None) == (self.option_groups is None):
            raise ValueError("missing required field: options")
        offered = self.options or [option for group in self.option_groups or [] for option in group.options]
        _among(offered, [self.initial_option, *(self.initial_options or [])])
        return self


class ExternalSelect(StrictModel):
    """A select menu whose options the app loads while the user types."""

    type: Literal["external_select", "multi_external_select"]
    action_id: Action | None = None
    placeholder: Annotated[PlainText, at_most(150)] | None = None
    min_query_length: Annotated[int, Field(ge=0)] | None = None
    initial_option: Option | None = None
    initial_options: list[Option] | None = None
    max_selected_items: Annotated[int, Field(ge=1)] | None = None
    confirm: Confirm | None = None
    focus_on_load: bool | None = None


class UserOrChannelSelect(StrictModel):
    """A select menu of users, channels or conversations."""

    type: Literal[
        "users_select",
        "multi_users_select",
        "channels_select",
        "multi_channels_select",
        "conversations_select",
        "multi_conversations_select",
    ]
    action_id: Action | None = None
    placeholder: Annotated[PlainText, at_most(150)] | None = None
    initial_user: str | None = None
    initial_users: list[str] | None = None
    initial_channel: str | None = None
    initial_channels: list[str] | None = None
    initial_conversation: str | None = None
    initial_conversations: list[str] | None = None
    default_to_current_conversation: bool | None = None
    response_url_enabled: bool | None = None
    filter: dict[str, Any] | None = None
    max_selected_items: Annotated[int, Field(ge=1)] | None = None
    confirm: Confirm | None = None
    focus_on_load: bool | None = None


class DateTimePicker(StrictModel):
    """A date picker, a time picker, or both."""

    type: Literal["datepicker", "timepicker", "datetimepicker"]
    action_id: Action | None = None
    placeholder: Annotated[PlainText, at_most(150)] | None = None
    initial_date: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    initial_time: Annotated[str, StringConstraints(pattern=r"^\d{2}:\d{2}$")] | None = None
    initial_date_time: int | None = None
    timezone: str | None = None
    confirm: Confirm | None = None
    focus_on_load: bool | None = None


class ChoiceInput(StrictModel):
    """Checkboxes or radio buttons."""

    type: Literal["checkboxes", "radio_buttons"]
    action_id: Action | None = None
    options: Annotated[list[Option], Field(min_length=1, max_length=10)]
    initial_option: Option | None = None
    initial_options: Annotated[list[Option], Field(min_length=1)] | None = None
    confirm: Confirm | None = None
    focus_on_load: bool | None = None

    @model_validator(mode="after")
    def _initial_is_an_option(self) -> ChoiceInput:
        _among(self.options, [self.initial_option, *(self.initial_options or [])])
        return self


class Overflow(StrictModel):
    """An overflow menu."""

    type: Literal["overflow"]
    action_id: Action | None = None
    options: Annotated[list[Option], Field(min_length=2, max_length=5)]
    confirm: Confirm | None = None


class DispatchActionConfig(StrictModel):
    """When typing in a text input sends block_actions, if its block has dispatch_action."""

    trigger_actions_on: Annotated[
        list[Literal["on_enter_pressed", "on_character_entered"]], Field(min_length=1, max_length=2)
    ]


class PlainTextInput(StrictModel):
    """A text input."""

    type: Literal["plain_text_input"]
    action_id: Action | None = None
    initial_value: Annotated[str, StringConstraints(max_length=3000)] | None = None
    multiline: bool | None = None
    min_length: Annotated[int, Field(ge=0, le=3000)] | None = None
    max_length: Annotated[int, Field(ge=1, le=3000)] | None = None
    dispatch_action_config: DispatchActionConfig | None = None
    placeholder: Annotated[PlainText, at_most(150)] | None = None
    focus_on_load: bool | None = None


class SpecialInput(StrictModel):
    """An input for an e-mail address, a URL or a number."""

    type: Literal["email_text_input", "url_text_input", "number_input"]
    action_id: Action | None = None
    initial_value: str | None = None
    placeholder: Annotated[PlainText, at_most(150)] | None = None
    is_decimal_allowed: bool | None = None
    min_value: str | None = None
    max_value: str | None = None
    dispatch_action_config: DispatchActionConfig | None = None
    focus_on_load: bool | None = None


class FileInput(StrictModel):
    """A file input."""

    type: Literal["file_input"]
    action_id: Action | None = None
    filetypes: list[str] | None = None
    max_files: Annotated[int, Field(ge=1, le=10)] | None = None


Pressable = Button | Select | ExternalSelect | UserOrChannelSelect | DateTimePicker | ChoiceInput | Overflow
Accessory = Annotated[Pressable | Image, Field(discriminator="type")]
ActionElement = Annotated[Pressable, Field(discriminator="type")]
InputElement = Annotated[
    PlainTextInput
    | SpecialInput
    | FileInput
    | Select
    | ExternalSelect
    | UserOrChannelSelect
    | DateTimePicker
    | ChoiceInput,
    Field(discriminator="type"),
]


def _among(options: list[Option], initial: list[Option | None]) -> None:
    if any(item is not None and item not in options for item in initial):
        raise ValueError("initial option must exactly match one of the provided options")
