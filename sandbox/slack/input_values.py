"""Values of Block Kit elements in payloads. Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Block = dict[str, Any]

# The payload field by element type, and whether it is a list.
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
    """An interaction that Slack's own client does not allow."""


def iterate_elements(blocks: Sequence[Block]) -> Iterator[tuple[str, Block]]:
    """Yield every interactive element of the blocks with its block id."""
    for block in blocks:
        if "accessory" in block:
            yield block["block_id"], block["accessory"]
        if block["type"] == "input":
            yield block["block_id"], block["element"]
        if block["type"] == "actions":
            for element in block["elements"]:
                yield block["block_id"], element


def find_element(blocks: Sequence[Block], name: str, block_id: str | None = None) -> tuple[str, Block]:
    """Return the first element with this text, label or action_id. Raises InvalidInteraction."""
    for found_in, element in iterate_elements(blocks):
        names = (_text(element), element.get("action_id"), element.get("accessibility_label"))
        if name in names and block_id in (None, found_in):
            return found_in, element
    options = ", ".join(_text(element) or element["type"] for _, element in iterate_elements(blocks))
    raise InvalidInteraction(f"no button named {name}; choose from {options or 'none'}")


def action_payload(block_id: str, element: Block, value: Any) -> dict[str, Any]:
    """Return an element's entry in a block_actions payload. Raises InvalidInteraction."""
    action: dict[str, Any] = {
        "type": element["type"],
        "action_id": element.get("action_id", ""),
        "block_id": block_id,
    }
    if element["type"] == "button":
        return action | {name: element[name] for name in ("text", "value", "style", "url") if name in element}
    return action | input_value(element, value)


def input_value(element: Block, value: Any) -> dict[str, Any]:
    """Return the value of an input: the given one, or its initial value. Raises InvalidInteraction."""
    kind = element["type"]
    if kind in _TEXTS:
        return {"value": _typed(element, value)}
    if kind not in _FIELDS:
        raise InvalidInteraction(f"a field of type {kind} can't be filled in")
    field = _FIELDS[kind]
    if value is None:
        return {field: element.get(field.replace("selected", "initial"), [] if field.endswith("s") else None)}
    if field == "selected_option":
        return {field: _option(element, value)}
    if field == "selected_options":
        return {field: [_option(element, item) for item in value]}
    return {field: value}


def selected_state(
    blocks: Sequence[Block], chosen: Mapping[tuple[str, str], Any], *, with_inputs: bool = False
) -> dict[str, Any]:
    """Return the state of selected elements, as Slack sends it with a message or a view.

    `chosen` has the selections by block and element. Input blocks of a view have their own state (`view_state`); those
    of a message are included with `with_inputs`.
    """
    state: dict[str, Any] = {}
    inputs = {block["block_id"] for block in blocks if block["type"] == "input" and not with_inputs}
    for block_id, element in iterate_elements(blocks):
        kind = element["type"]
        if block_id in inputs or kind == "overflow" or (kind not in _FIELDS and kind not in _TEXTS):
            continue
        name = element.get("action_id", "")
        selected = input_value(element, chosen.get((block_id, name)))
        state.setdefault(block_id, {})[name] = {"type": element["type"], **selected}
    return state


def view_state(
    blocks: Sequence[Block], filled: Mapping[str, Any], *, submitting: bool = False
) -> dict[str, Any]:
    """Return the state of a view. Raises InvalidInteraction for invalid input."""
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


def _typed(element: Block, value: Any) -> str | None:
    text = element.get("initial_value") if value is None else str(value)
    if not text:
        return None
    if len(text) > element.get("max_length", 3000) or len(text) < element.get("min_length", 0):
        raise InvalidInteraction("the text is too long or too short for its field")
    pattern, texts = _PATTERNS.get(element["type"], ("", ""))
    if pattern and not re.fullmatch(pattern, text):
        raise InvalidInteraction(texts)
    return str(text)


def _option(element: Block, value: Any) -> dict[str, Any] | None:
    if isinstance(value, Mapping):
        return dict(value)  # an option of an external select
    if value == "":
        return None
    groups = element.get("option_groups") or [{"options": element.get("options") or []}]
    for option in (option for group in groups for option in group["options"]):
        if value in (option["value"], option["text"]["text"]):
            return dict(option)
    raise InvalidInteraction(f"there is no option {value}")


def _text(element: Block) -> str | None:
    text = element.get("text")
    return text.get("text") if isinstance(text, dict) else None
