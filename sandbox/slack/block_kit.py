"""Block Kit as Slack checks it: every size and every allowed place, as models that allow nothing else.

Sizes: docs.slack.dev's block and element pages. Blocks and elements that no message of ours has are left to later.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

Action = Annotated[str, StringConstraints(min_length=1, max_length=255)]
BlockId = Annotated[str, StringConstraints(max_length=255)]
Url = Annotated[str, StringConstraints(max_length=3000, pattern=r"^[a-zA-Z][a-zA-Z0-9+.-]*:")]


class Strict(BaseModel):
    """Nothing beyond what is named."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PlainText(Strict):
    """Text without markup."""

    type: Literal["plain_text"]
    text: Annotated[str, StringConstraints(min_length=1)]
    emoji: bool | None = None


class MrkdwnText(Strict):
    """Text with Slack's markup."""

    type: Literal["mrkdwn"]
    text: Annotated[str, StringConstraints(min_length=1)]
    verbatim: bool | None = None


AnyText = Annotated[PlainText | MrkdwnText, Field(discriminator="type")]
TextT = TypeVar("TextT", PlainText, MrkdwnText)


def at_most(characters: int) -> AfterValidator:
    """A text object's size."""

    def check(value: TextT) -> TextT:
        if len(value.text) > characters:
            raise PydanticCustomError("text_too_long", "too long", {"max_length": characters})
        return value

    return AfterValidator(check)


class Confirm(Strict):
    """A question before something is done."""

    title: Annotated[PlainText, at_most(100)]
    text: Annotated[PlainText, at_most(300)]
    confirm: Annotated[PlainText, at_most(30)]
    deny: Annotated[PlainText, at_most(30)]
    style: Literal["primary", "danger"] | None = None


class Option(Strict):
    """One choice; 75 characters of value are what Slack's own types allow."""

    text: Annotated[AnyText, at_most(75)]
    value: Annotated[str, StringConstraints(min_length=1, max_length=150)]
    description: Annotated[AnyText, at_most(75)] | None = None
    url: Url | None = None


class Button(Strict):
    """A button, or a link that looks like one."""

    type: Literal["button"]
    text: Annotated[PlainText, at_most(75)]
    action_id: Action | None = None
    url: Url | None = None
    value: Annotated[str, StringConstraints(max_length=2000)] | None = None
    style: Literal["primary", "danger"] | None = None
    confirm: Confirm | None = None
    accessibility_label: Annotated[str, StringConstraints(max_length=75)] | None = None


class Image(Strict):
    """A picture with words for those who can't see it."""

    type: Literal["image"]
    image_url: Url
    alt_text: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    title: Annotated[PlainText, at_most(2000)] | None = None
    block_id: BlockId | None = None


class Select(Strict):
    """A list to choose one or several from."""

    type: Literal["static_select", "multi_static_select"]
    action_id: Action | None = None
    placeholder: Annotated[PlainText, at_most(150)] | None = None
    options: Annotated[list[Option], Field(min_length=1, max_length=100)]
    initial_option: Option | None = None
    initial_options: list[Option] | None = None
    confirm: Confirm | None = None
    focus_on_load: bool | None = None

    @model_validator(mode="after")
    def _initial_is_an_option(self) -> Select:
        _among(self.options, [self.initial_option, *(self.initial_options or [])])
        return self


class Choices(Strict):
    """Boxes to tick, or one of several."""

    type: Literal["checkboxes", "radio_buttons"]
    action_id: Action | None = None
    options: Annotated[list[Option], Field(min_length=1, max_length=10)]
    initial_option: Option | None = None
    initial_options: Annotated[list[Option], Field(min_length=1)] | None = None
    confirm: Confirm | None = None
    focus_on_load: bool | None = None

    @model_validator(mode="after")
    def _initial_is_an_option(self) -> Choices:
        _among(self.options, [self.initial_option, *(self.initial_options or [])])
        return self


class Overflow(Strict):
    """A menu behind three dots."""

    type: Literal["overflow"]
    action_id: Action | None = None
    options: Annotated[list[Option], Field(min_length=1, max_length=5)]
    confirm: Confirm | None = None


class PlainTextInput(Strict):
    """A field to type into."""

    type: Literal["plain_text_input"]
    action_id: Action | None = None
    initial_value: Annotated[str, StringConstraints(max_length=3000)] | None = None
    multiline: bool | None = None
    min_length: Annotated[int, Field(ge=0, le=3000)] | None = None
    max_length: Annotated[int, Field(ge=1, le=3000)] | None = None
    placeholder: Annotated[PlainText, at_most(150)] | None = None
    focus_on_load: bool | None = None


Accessory = Annotated[Button | Image | Select | Choices | Overflow, Field(discriminator="type")]
ActionElement = Annotated[Button | Select | Choices | Overflow, Field(discriminator="type")]
InputElement = Annotated[PlainTextInput | Select | Choices, Field(discriminator="type")]


class ContextText(Strict):
    """Small words."""

    type: Literal["mrkdwn", "plain_text"]
    text: Annotated[str, StringConstraints(min_length=1, max_length=3000)]
    verbatim: bool | None = None
    emoji: bool | None = None


class Section(Strict):
    """A paragraph."""

    type: Literal["section"]
    block_id: BlockId | None = None
    text: Annotated[AnyText, at_most(3000)] | None = None
    fields: Annotated[list[Annotated[AnyText, at_most(2000)]], Field(min_length=1, max_length=10)] | None = (
        None
    )
    accessory: Accessory | None = None
    expand: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Section:
        if self.text is None and self.fields is None:
            raise ValueError("missing required field: text")
        return self


class Header(Strict):
    """A headline."""

    type: Literal["header"]
    block_id: BlockId | None = None
    text: Annotated[PlainText, at_most(150)]


class Context(Strict):
    """Small words and pictures."""

    type: Literal["context"]
    block_id: BlockId | None = None
    elements: Annotated[
        list[Annotated[ContextText | Image, Field(discriminator="type")]], Field(min_length=1, max_length=10)
    ]


class Divider(Strict):
    """A line."""

    type: Literal["divider"]
    block_id: BlockId | None = None


class Actions(Strict):
    """Things to press."""

    type: Literal["actions"]
    block_id: BlockId | None = None
    elements: Annotated[list[ActionElement], Field(min_length=1, max_length=25)]

    @model_validator(mode="after")
    def _distinct(self) -> Actions:
        names = [element.action_id for element in self.elements if element.action_id]
        if len(set(names)) < len(names):
            raise ValueError("`action_id` already exists for this block")
        return self


class Input(Strict):
    """A field with its label; only modals have it."""

    type: Literal["input"]
    block_id: BlockId | None = None
    label: Annotated[PlainText, at_most(2000)]
    element: InputElement
    hint: Annotated[PlainText, at_most(2000)] | None = None
    optional: bool | None = None
    dispatch_action: bool | None = None


MessageBlock = Annotated[Section | Header | Context | Divider | Actions | Image, Field(discriminator="type")]
ViewBlock = Annotated[
    Section | Header | Context | Divider | Actions | Image | Input, Field(discriminator="type")
]


class MessageBlocks(Strict):
    """The blocks of a message."""

    blocks: Annotated[list[MessageBlock], Field(max_length=50)]


class View(Strict):
    """A modal."""

    type: Literal["modal"]
    title: Annotated[PlainText, at_most(24)]
    blocks: Annotated[list[ViewBlock], Field(max_length=100)]
    submit: Annotated[PlainText, at_most(24)] | None = None
    close: Annotated[PlainText, at_most(24)] | None = None
    private_metadata: Annotated[str, StringConstraints(max_length=3000)] | None = None
    callback_id: Annotated[str, StringConstraints(max_length=255)] | None = None
    external_id: Annotated[str, StringConstraints(max_length=255)] | None = None
    clear_on_close: bool | None = None
    notify_on_close: bool | None = None
    submit_disabled: bool | None = None

    @model_validator(mode="after")
    def _can_be_submitted(self) -> View:
        if self.submit is None and any(isinstance(block, Input) for block in self.blocks):
            raise ValueError("missing required field: submit")
        return self


def _among(options: list[Option], initial: list[Option | None]) -> None:
    if any(one is not None and one not in options for one in initial):
        raise ValueError("initial option must exactly match one of the provided options")
