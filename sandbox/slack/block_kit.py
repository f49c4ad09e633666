"""Block Kit's validation rules for blocks, messages and views: strict models with every size limit and allowed place.

Sizes: docs.slack.dev's block and element pages.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from sandbox.slack.block_elements import (
    Accessory,
    ActionElement,
    AnyText,
    BlockId,
    FileInput,
    Image,
    InputElement,
    Option,
    OptionGroup,
    PlainText,
    StrictModel,
    at_most,
)


class ContextText(StrictModel):
    """A text of a context block."""

    type: Literal["mrkdwn", "plain_text"]
    text: Annotated[str, StringConstraints(min_length=1, max_length=3000)]
    verbatim: bool | None = None
    emoji: bool | None = None


class Section(StrictModel):
    """A section block."""

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


class Header(StrictModel):
    """A header block."""

    type: Literal["header"]
    block_id: BlockId | None = None
    text: Annotated[PlainText, at_most(150)]


class Context(StrictModel):
    """A context block."""

    type: Literal["context"]
    block_id: BlockId | None = None
    elements: Annotated[
        list[Annotated[ContextText | Image, Field(discriminator="type")]], Field(min_length=1, max_length=10)
    ]


class Divider(StrictModel):
    """A divider block."""

    type: Literal["divider"]
    block_id: BlockId | None = None


class Actions(StrictModel):
    """An actions block."""

    type: Literal["actions"]
    block_id: BlockId | None = None
    elements: Annotated[list[ActionElement], Field(min_length=1, max_length=25)]

    @model_validator(mode="after")
    def _distinct(self) -> Actions:
        names = [element.action_id for element in self.elements if element.action_id]
        if len(set(names)) < len(names):
            raise ValueError("`action_id` already exists for this block")
        return self


class Input(StrictModel):
    """An input block."""

    type: Literal["input"]
    block_id: BlockId | None = None
    label: Annotated[PlainText, at_most(2000)]
    element: InputElement
    hint: Annotated[PlainText, at_most(2000)] | None = None
    optional: bool | None = None
    dispatch_action: bool | None = None

    @model_validator(mode="after")
    def _can_dispatch(self) -> Input:
        # docs.slack.dev, "Input block": dispatch_action is incompatible with file_input.
        if self.dispatch_action and isinstance(self.element, FileInput):
            raise ValueError("unsupported type: file_input")
        return self


class RichText(StrictModel):
    """A rich text block, as Slack's editor makes it; only known inner elements are rendered."""

    type: Literal["rich_text"]
    block_id: BlockId | None = None
    elements: list[dict[str, Any]]

    @model_validator(mode="after")
    def _known(self) -> RichText:
        known = {"rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote"}
        if any(element.get("type") not in known for element in self.elements):
            raise ValueError("unsupported type in rich_text")
        return self


class Markdown(StrictModel):
    """A markdown block; 12,000 characters in all per message."""

    type: Literal["markdown"]
    block_id: BlockId | None = None
    text: Annotated[str, StringConstraints(min_length=1, max_length=12_000)]


class Table(StrictModel):
    """A table block; one per message."""

    type: Literal["table"]
    block_id: BlockId | None = None
    rows: Annotated[
        list[Annotated[list[dict[str, Any]], Field(max_length=20)]], Field(min_length=1, max_length=100)
    ]
    column_settings: Annotated[list[dict[str, Any] | None], Field(max_length=20)] | None = None


class UnrenderedBlock(BaseModel):
    """Blocks that Slack has and the sandbox does not validate; they are shown as JSON."""

    model_config = ConfigDict(extra="allow", strict=True)

    type: Literal[
        "alert",
        "card",
        "carousel",
        "container",
        "context_actions",
        "data_table",
        "data_visualization",
        "file",
        "plan",
        "task_card",
        "video",
    ]
    block_id: BlockId | None = None


Common = Section | Header | Context | Divider | Actions | Image | Input | RichText | UnrenderedBlock
MessageBlock = Annotated[Common | Markdown | Table, Field(discriminator="type")]
ViewBlock = Annotated[Common, Field(discriminator="type")]


class OptionsResponse(StrictModel):
    """The response of an app to block_suggestion."""

    options: Annotated[list[Option], Field(max_length=100)] | None = None
    option_groups: Annotated[list[OptionGroup], Field(max_length=100)] | None = None


class MessageBlocks(StrictModel):
    """The blocks of a message."""

    blocks: Annotated[list[MessageBlock], Field(max_length=50)]


class Home(StrictModel):
    """A Home tab view."""

    type: Literal["home"]
    blocks: Annotated[list[ViewBlock], Field(max_length=100)]
    private_metadata: Annotated[str, StringConstraints(max_length=3000)] | None = None
    callback_id: Annotated[str, StringConstraints(max_length=255)] | None = None
    external_id: Annotated[str, StringConstraints(max_length=255)] | None = None


class View(StrictModel):
    """A modal view."""

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
