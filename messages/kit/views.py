"""What all modals are made of, and how what was filled in is read back. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain.build import App
from domain.message import Block, Message
from domain.redaction.redactor import redact
from messages.kit.blocks import plain_text, section
from messages.kit.mrkdwn import cut, escape, replace_surrogates, visible_text

# Slack takes longer ones, but not everywhere (Slack's rules, "More sizes").
LONGEST_OPTION = 75
MOST_OPTIONS = 100
MOST_BLOCKS = 100
LONGEST_TEXT = 3000
# What only shows something is never submitted.
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
    """A modal; without `submit` it only shows something."""
    view: Block = {
        "type": "modal",
        "callback_id": callback_id,
        "title": plain_text(title, 24),
        "close": plain_text(close, 24),
        "private_metadata": private_metadata,
        "blocks": list(blocks)[:MOST_BLOCKS],
    }
    return view | {"submit": plain_text(submit, 24)} if submit else view


def shown_in_modal(title: str, message: Message, *, private_metadata: str = "") -> Block:
    """A message as a modal that can be read and closed."""
    return modal(title, message.blocks or [section(message.text)], private_metadata=private_metadata)


def warning(problem: str | None) -> list[Block]:
    """What went wrong, above the fields."""
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
    """A field with its label; its name is its block's and, where the element brings none, the element's too.

    With `dispatch` the bot hears of a choice at once.
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
    """A field to type into."""
    element: Block = {"type": "plain_text_input", "max_length": most}
    if multiline:
        element["multiline"] = True
    if placeholder:
        element["placeholder"] = plain_text(placeholder, 150)
    return element | {"initial_value": replace_surrogates(value[:most])} if value else element


def search_select(action_id: str, placeholder: str, chosen: Block | None = None) -> Block:
    """One of many, found by typing."""
    element: Block = {
        "type": "external_select",
        "action_id": action_id,
        "min_query_length": 0,
        "placeholder": plain_text(placeholder, 150),
    }
    return element | {"initial_option": chosen} if chosen else element


def multi_search_select(action_id: str, placeholder: str, chosen: Sequence[Block] = ()) -> Block:
    """Several of many, found by typing."""
    element = search_select(action_id, placeholder) | {"type": "multi_external_select"}
    return element | {"initial_options": list(chosen)} if chosen else element


def option(text: str, value: str, description: str | None = None) -> Block:
    """Something to pick."""
    made: Block = {
        "text": plain_text(text if visible_text(text).strip() else "…", LONGEST_OPTION),
        "value": value,
    }
    about = visible_text(description or "").strip()
    return made | {"description": plain_text(about, LONGEST_OPTION)} if about else made


def matching_names(typed: str, names: Iterable[str], *, most: int = MOST_OPTIONS) -> list[str]:
    """The names with what was typed in them: those that begin with it first, else in their own order."""
    wanted = typed.strip().casefold()
    having = [name for name in names if wanted in name.casefold()]
    if wanted:
        having.sort(key=lambda name: not name.casefold().startswith(wanted))
    return having[:most]


def is_pickable(name: str) -> bool:
    """Whether a name can be offered as an option as it is."""
    readable = bool(visible_text(name).strip()) and replace_surrogates(name) == name
    return readable and len(name) <= LONGEST_OPTION and redact(name) == name


def app_option(app: App | None) -> Block | None:
    """The app as it was picked; None where none was, or it can't be offered."""
    if app is None or not is_pickable(app.title) or not is_pickable(app.slug):
        return None
    return option(app.title, app.slug)


class FormValues:
    """What was filled in: a view's or message's state, as Slack sends it; whatever is not there is empty.

    A field is known by its block alone: each of ours has one element.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """What was typed."""
        return replace_surrogates(str(self._element(name).get("value") or ""))

    def picked(self, name: str) -> str | None:
        """The value of the option that was picked; one that can't have been offered is none."""
        value = str((self._element(name).get("selected_option") or {}).get("value") or "")
        return value if is_pickable(value) else None

    def picked_words(self, name: str) -> str | None:
        """The words of the option that was picked."""
        text = (self._element(name).get("selected_option") or {}).get("text") or {}
        return cut(str(text["text"]), LONGEST_OPTION) if text.get("text") else None

    def several(self, name: str) -> list[str]:
        """The values of the options that were picked."""
        picked = [str(one.get("value") or "") for one in self._element(name).get("selected_options") or []]
        return [value for value in picked if is_pickable(value)]

    def conversation(self, name: str) -> str | None:
        """The channel that was picked."""
        return self._element(name).get("selected_conversation") or None

    def users(self, name: str) -> list[str]:
        """The people who were picked."""
        return [str(one) for one in self._element(name).get("selected_users") or []]

    def _element(self, name: str) -> Mapping[str, Any]:
        block = self._values.get(name)
        elements = list(block.values()) if isinstance(block, Mapping) else []
        return elements[0] if elements and isinstance(elements[0], Mapping) else {}
