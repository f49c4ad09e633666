"""Modals: private_metadata, builders for their fields, and a reader for submitted values. Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Self

from pydantic import ConfigDict, Field, RootModel, StringConstraints, ValidationError

from domain.build import App, FrozenModel
from domain.message import Block, Message
from domain.provider import Provider
from domain.redaction.redactor import redact
from domain.slack_ids import MaybeSlackId
from messages.kit.blocks import plain_text, section
from messages.kit.input_elements import InputElement
from messages.kit.mrkdwn import cut, escape, replace_surrogates, visible_text


class ViewMetadata(FrozenModel):
    """The channel that is notified of the result (`""`: only the person is notified), and what the modal is about.

    Slack returns it with the modal, and it is treated as untrusted input: everything it names is looked up again before
    anything is done.
    """

    channel: MaybeSlackId = ""
    app: Annotated[str, StringConstraints(pattern=re.compile(r"^[\w-]{0,64}\Z"))] = ""
    provider: Provider = Field(default_factory=Provider.legacy_default)

    def encode(self) -> str:
        """Encode it as private_metadata."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def read(cls, private_metadata: str | None) -> Self:
        """Read it from private_metadata; empty for a modal of another version."""
        try:
            return cls.model_validate_json(private_metadata or "{}")
        except ValidationError:
            return cls()


# Slack accepts longer ones, but not everywhere (Slack's rules, "More sizes").
LONGEST_OPTION = 75
MAX_OPTIONS = 100
MAX_BLOCKS = 100
LONGEST_TEXT = 3000
# The callback id of a modal that only shows something and is never submitted.
READING = "reading"


def modal(
    title: str,
    blocks: Sequence[Block],
    *,
    callback_id: str = READING,
    private_metadata: str = "",
    submit: str | None = None,
    close: str = "Close",
) -> Block:
    """Return a modal; without `submit` it only shows something."""
    view: Block = {
        "type": "modal",
        "callback_id": callback_id,
        "title": plain_text(title, 24),
        "close": plain_text(close, 24),
        "private_metadata": private_metadata,
        "blocks": list(blocks)[:MAX_BLOCKS],
    }
    return view | {"submit": plain_text(submit, 24)} if submit else view


def shown_in_modal(title: str, message: Message, *, private_metadata: str = "") -> Block:
    """Show a message in a modal without fields."""
    return modal(title, message.blocks or [section(message.text)], private_metadata=private_metadata)


def warning(problem: str | None) -> list[Block]:
    """Return the error above the fields; empty if there is none."""
    return [section(f"⚠️ {escape(problem, 1000)}")] if problem else []


def field(
    name: str,
    label: str,
    element: Block,
    *,
    hint: str | None = None,
    optional: bool = True,
    dispatch: bool = False,
) -> Block:
    """Return an input block; its name is the block id and, unless the element has one, the element's action id.

    With `dispatch`, Slack sends each choice at once.
    """
    block: Block = {
        "type": "input",
        "block_id": name,
        "label": plain_text(label, 2000),
        "element": {"action_id": name, **element},
        "optional": optional,
    }
    if dispatch:
        block["dispatch_action"] = True
    return block | {"hint": plain_text(hint, 2000)} if hint else block


def text_element(
    value: str | None, *, placeholder: str | None = None, most: int = LONGEST_TEXT, multiline: bool = False
) -> Block:
    """Return a text input."""
    element: Block = {"type": "plain_text_input", "max_length": most}
    if multiline:
        element["multiline"] = True
    if placeholder:
        element["placeholder"] = plain_text(placeholder, 150)
    return element | {"initial_value": replace_surrogates(value[:most])} if value else element


def select(options: Sequence[Block], placeholder: str | None = None, chosen: str | None = None) -> Block:
    """Return a select menu with one choice; the option with the `chosen` value is selected."""
    element: Block = {"type": "static_select", "options": list(options)[:MAX_OPTIONS]}
    if placeholder:
        element["placeholder"] = plain_text(placeholder, 150)
    initial = next((option for option in element["options"] if option["value"] == chosen), None)
    return element | {"initial_option": initial} if initial else element


def multi_select(options: Sequence[Block], placeholder: str, chosen: Container[str] = ()) -> Block:
    """Return a select menu with several choices; the options with the `chosen` values are selected."""
    element = select(options, placeholder) | {"type": "multi_static_select"}
    initial = [option for option in element["options"] if option["value"] in chosen]
    return element | {"initial_options": initial} if initial else element


def checkboxes(options: Sequence[Block], ticked: Container[str]) -> Block:
    """Return checkboxes; those with the `ticked` values are ticked."""
    element: Block = {"type": "checkboxes", "options": list(options)}
    initial = [option for option in options if option["value"] in ticked]
    return element | {"initial_options": initial} if initial else element


def radio_buttons(options: Sequence[Block], chosen: str) -> Block:
    """Return radio buttons; the one with the `chosen` value is selected."""
    element: Block = {"type": "radio_buttons", "options": list(options)}
    initial = next((option for option in options if option["value"] == chosen), None)
    return element | {"initial_option": initial} if initial else element


def search_select(action_id: str, placeholder: str, chosen: Block | None = None) -> Block:
    """Return a select menu with one choice, whose options are searched by typing."""
    element: Block = {
        "type": "external_select",
        "action_id": action_id,
        "min_query_length": 0,
        "placeholder": plain_text(placeholder, 150),
    }
    return element | {"initial_option": chosen} if chosen else element


def multi_search_select(action_id: str, placeholder: str, chosen: Sequence[Block] = ()) -> Block:
    """Return a select menu with several choices, whose options are searched by typing."""
    element = search_select(action_id, placeholder) | {"type": "multi_external_select"}
    return element | {"initial_options": list(chosen)} if chosen else element


def option(text: str, value: str, description: str | None = None) -> Block:
    """Return an option of a select menu or of checkboxes."""
    block: Block = {
        "text": plain_text(text if visible_text(text).strip() else "…", LONGEST_OPTION),
        "value": value,
    }
    about = visible_text(description or "").strip()
    return block | {"description": plain_text(about, LONGEST_OPTION)} if about else block


def pickable_options(names: Iterable[str]) -> list[Block]:
    """Return the options of the names that can be options unchanged."""
    return [option(name, name) for name in names if is_pickable(name)]


def option_groups(groups: Mapping[str, Sequence[Block]]) -> list[Block]:
    """Return groups of options by their labels; empty groups are left out."""
    return [
        {"label": plain_text(label, 75), "options": list(options)}
        for label, options in groups.items()
        if options
    ]


def matching_names(typed: str, names: Iterable[str], *, most: int = MAX_OPTIONS) -> list[str]:
    """Return the names that contain the typed text: those that begin with it first, otherwise in the given order."""
    query = typed.strip().casefold()
    matches = [name for name in names if query in name.casefold()]
    if query:
        matches.sort(key=lambda name: not name.casefold().startswith(query))
    return matches[:most]


def is_pickable(name: str) -> bool:
    """Return whether a name can be an option unchanged."""
    readable = bool(visible_text(name).strip()) and replace_surrogates(name) == name
    return readable and len(name) <= LONGEST_OPTION and redact(name) == name


def app_option(app: App | None) -> Block | None:
    """Return the app's option; None if there is no app, or it can't be an option."""
    if app is None or not is_pickable(app.title) or not is_pickable(app.slug):
        return None
    return option(app.title, app.slug)


class FormValues(RootModel[dict[str, dict[str, InputElement]]]):
    """The input of a view or message by block and element, as Slack sends it; missing values are empty.

    A field is identified by its block alone, since each of our blocks has one element.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    @property
    def names(self) -> Collection[str]:
        """The names of the fields."""
        return self.root.keys()

    @property
    def texts(self) -> Iterator[tuple[str, str]]:
        """Each field's name with a text typed there."""
        return (
            (name, element.value)
            for name, elements in self.root.items()
            for element in elements.values()
            if element.value
        )

    def text(self, name: str) -> str:
        """Return the typed text."""
        return replace_surrogates(self._element(name).value or "")

    def picked(self, name: str) -> str | None:
        """Return the value of the picked option; None for a value that can't have been an option."""
        option = self._element(name).selected_option
        return option.value if option and option.value and is_pickable(option.value) else None

    def picked_words(self, name: str) -> str | None:
        """Return the text of the picked option."""
        option = self._element(name).selected_option
        return cut(option.text.text, LONGEST_OPTION) if option and option.text and option.text.text else None

    def several(self, name: str) -> list[str]:
        """Return the values of the picked options."""
        options = self._element(name).selected_options or ()
        return [option.value for option in options if option.value and is_pickable(option.value)]

    def conversation(self, name: str) -> str | None:
        """Return the picked channel."""
        return self._element(name).selected_conversation or None

    def users(self, name: str) -> list[str]:
        """Return the picked users."""
        return self._element(name).selected_users or []

    def _element(self, name: str) -> InputElement:
        return next(iter(self.root.get(name, {}).values()), _EMPTY)


_EMPTY = InputElement()
NO_INPUT = FormValues({})
