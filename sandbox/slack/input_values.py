"""What people choose and type in Block Kit's elements, as payloads carry it. Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Block = dict[str, Any]

# The field of a payload by the element's type, and whether it holds several.
_FIELDS = {
    "static_select": "selected_option",
    "external_select": "selected_option",
    "radio_buttons": "selected_option",
    "overflow": "selected_option",
    "multi_static_select": "selected_options",
    "multi_external_select": "selected_options",
    "checkboxes": "selected_options",
    "users_select": "selected_user",
    "multi_users_select": "selected_users",
    "channels_select": "selected_channel",
    "multi_channels_select": "selected_channels",
    "conversations_select": "selected_conversation",
    "multi_conversations_select": "selected_conversations",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "file_input": "files",
}
_TEXTS = frozenset({"plain_text_input", "email_text_input", "url_text_input", "number_input"})
_PATTERNS = {
    "email_text_input": (r"[^@\s]+@[^@\s]+\.[^@\s]+", "Please enter a valid email address."),
    "url_text_input": (r"https?://\S+", "Please enter a valid URL."),
    "number_input": (r"-?\d+(\.\d+)?", "Please enter a valid number."),
}


class InvalidInteraction(Exception):
    """Slack's own windows would not let a person do this."""


def elements(blocks: Sequence[Block]) -> Iterator[tuple[str, Block]]:
    """Everything in blocks that can be pressed, chosen or typed into, with its block's id."""
    for block in blocks:
        if "accessory" in block:
            yield block["block_id"], block["accessory"]
        if block["type"] == "input":
            yield block["block_id"], block["element"]
        if block["type"] == "actions":
            for element in block["elements"]:
                yield block["block_id"], element


def find_element(blocks: Sequence[Block], name: str, block_id: str | None = None) -> tuple[str, Block]:
    """The first element whose text, label or action_id this is. Raises InvalidInteraction."""
    for found_in, element in elements(blocks):
        names = (_text(element), element.get("action_id"), element.get("accessibility_label"))
        if name in names and block_id in (None, found_in):
            return found_in, element
    there = ", ".join(_text(element) or element["type"] for _, element in elements(blocks))
    raise InvalidInteraction(f"there is nothing called {name} to press; there is {there or 'nothing'}")


def action_of(block_id: str, element: Block, given: Any) -> dict[str, Any]:
    """What a block_actions payload says of an element that somebody used. Raises InvalidInteraction."""
    action: dict[str, Any] = {
        "type": element["type"],
        "action_id": element.get("action_id", ""),
        "block_id": block_id,
    }
    if element["type"] == "button":
        return action | {name: element[name] for name in ("text", "value", "style", "url") if name in element}
    return action | input_value(element, given)


def input_value(element: Block, given: Any) -> dict[str, Any]:
    """What an element holds: what was given, else what it holds from the start. Raises InvalidInteraction."""
    kind = element["type"]
    if kind in _TEXTS:
        return {"value": _typed(element, given)}
    if kind not in _FIELDS:
        raise InvalidInteraction(f"a field of type {kind} can't be filled in")
    field = _FIELDS[kind]
    if given is None:
        return {field: element.get(field.replace("selected", "initial"), [] if field.endswith("s") else None)}
    if field == "selected_option":
        return {field: _option(element, given)}
    if field == "selected_options":
        return {field: [_option(element, one) for one in given]}
    return {field: given}


def selected_state(
    blocks: Sequence[Block], chosen: Mapping[tuple[str, str], Any], *, with_inputs: bool = False
) -> dict[str, Any]:
    """The state of what can be chosen, as Slack sends it with a message or a view.

    `chosen` is what somebody chose, by block and element. A view's input blocks have a state of their own
    (`state_of`); a message's are held here, with `with_inputs`.
    """
    state: dict[str, Any] = {}
    inputs = {block["block_id"] for block in blocks if block["type"] == "input" and not with_inputs}
    for block_id, element in elements(blocks):
        kind = element["type"]
        if block_id in inputs or kind == "overflow" or (kind not in _FIELDS and kind not in _TEXTS):
            continue
        name = element.get("action_id", "")
        held = input_value(element, chosen.get((block_id, name)))
        state.setdefault(block_id, {})[name] = {"type": element["type"], **held}
    return state


def view_state(
    blocks: Sequence[Block], filled: Mapping[str, Any], *, submitting: bool = False
) -> dict[str, Any]:
    """A view's state as Slack sends it. Raises InvalidInteraction for what its fields refuse."""
    inputs = {block["block_id"]: block for block in blocks if block["type"] == "input"}
    state: dict[str, Any] = {}
    for block_id, block in inputs.items():
        value = input_value(block["element"], filled.get(block_id))
        if submitting and not any(value.values()) and not block.get("optional"):
            raise InvalidInteraction(f"{block['label']['text']}: please complete this required field")
        state[block_id] = {block["element"].get("action_id", ""): {"type": block["element"]["type"], **value}}
    if unknown := set(filled) - set(inputs):
        raise InvalidInteraction(f"the modal has no field {', '.join(unknown)}")
    return state


def _typed(element: Block, given: Any) -> str | None:
    text = element.get("initial_value") if given is None else str(given)
    if not text:
        return None
    if len(text) > element.get("max_length", 3000) or len(text) < element.get("min_length", 0):
        raise InvalidInteraction("the text is too long or too short for its field")
    pattern, words = _PATTERNS.get(element["type"], ("", ""))
    if pattern and not re.fullmatch(pattern, text):
        raise InvalidInteraction(words)
    return str(text)


def _option(element: Block, given: Any) -> dict[str, Any] | None:
    if isinstance(given, Mapping):
        return dict(given)  # of an external select: the app's own option
    if given == "":
        return None
    groups = element.get("option_groups") or [{"options": element.get("options") or []}]
    for option in (one for group in groups for one in group["options"]):
        if given in (option["value"], option["text"]["text"]):
            return dict(option)
    raise InvalidInteraction(f"there is no option {given}")


def _text(element: Block) -> str | None:
    text = element.get("text")
    return text.get("text") if isinstance(text, dict) else None
