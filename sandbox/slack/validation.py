"""What Slack refuses, in Slack's own words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from sandbox.slack.block_kit import Home, MessageBlocks, OptionsResponse, View

MOST_BLOCK_CHARACTERS = 13_200
LARGEST_VIEW = 250_000
MOST_MARKDOWN = 12_000
MOST_ATTACHMENTS = 100
# Names of union members stand in pydantic's path, but in no JSON pointer.
_NOT_IN_POINTERS = frozenset(
    """
    section header context divider actions image input rich_text markdown table button overflow checkboxes
    radio_buttons static_select multi_static_select external_select multi_external_select users_select
    multi_users_select channels_select multi_channels_select conversations_select multi_conversations_select
    alert card carousel container context_actions data_table data_visualization file plan task_card video
    datepicker timepicker datetimepicker plain_text_input email_text_input url_text_input number_input file_input
    mrkdwn plain_text
    """.split()  # noqa: SIM905 - forty quotes would hide the names
)


class SlackError(Exception):
    """An answer `{"ok": false, "error": …}`."""

    def __init__(self, error: str, *messages: str, **more: Any) -> None:
        self.error = error
        self.body: dict[str, Any] = {"ok": False, "error": error, **more}
        if messages:
            self.body["errors"] = list(messages)
            self.body["response_metadata"] = {"messages": [f"[ERROR] {message}" for message in messages]}
        super().__init__(f"{error}: {'; '.join(messages)}")


def validate_blocks(blocks: Any) -> list[dict[str, Any]]:
    """A message's blocks, each with a block_id. Raises SlackError."""
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    _validate(MessageBlocks, {"blocks": blocks}, "invalid_blocks")
    if sum(_length(block) for block in blocks if block["type"] != "markdown") > MOST_BLOCK_CHARACTERS:
        raise SlackError("msg_blocks_too_long")
    if sum(len(block["text"]) for block in blocks if block["type"] == "markdown") > MOST_MARKDOWN:
        raise SlackError(
            "invalid_blocks", f"must be less than {MOST_MARKDOWN + 1} characters in all markdown blocks"
        )
    if sum(block["type"] == "table" for block in blocks) > 1:
        raise SlackError("invalid_attachments", "only_one_table_allowed")
    return _with_block_ids(blocks)


def check_attachments(attachments: Any) -> list[dict[str, Any]]:
    """A message's attachments, or the previews of links. Raises SlackError."""
    if not isinstance(attachments, list) or not all(isinstance(one, dict) for one in attachments):
        raise SlackError("invalid_attachments")
    if len(attachments) > MOST_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    return [
        one | ({"blocks": validate_blocks(one["blocks"])} if one.get("blocks") else {}) for one in attachments
    ]


# What a parameter's type means in JSON; every other one, such as a person's, is a text.
_TYPES: dict[str, type | tuple[type, ...]] = {
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "slack#/types/timestamp": int,
    "slack#/types/rich_text": (dict, list),
    "slack#/types/message_context": dict,
    "slack#/types/user_context": dict,
}


def parameters_of(declared: Any) -> dict[str, dict[str, Any]]:
    """A step's parameters by name, each with `is_required`.

    A manifest has them in `properties` beside a list of those that are `required` (the published schema), or as they
    are, each with its own `is_required` (the manifests of Slack's templates).
    """
    declared = declared or {}
    nested = declared.get("properties")
    if not isinstance(nested, dict) or isinstance(nested.get("type"), str):
        return {name: {"is_required": False, **one} for name, one in declared.items()}
    required = declared.get("required") or []
    return {name: {"is_required": name in required, **one} for name, one in nested.items()}


def check_parameters(given: Any, declared: Any) -> None:
    """What a workflow's step is given, or gives, against the manifest. Raises SlackError."""
    parameters = parameters_of(declared)
    problems = [
        f"missing required parameter {name}"
        for name, one in parameters.items()
        if one["is_required"] and name not in given
    ]
    for name, value in given.items():
        wanted = parameters.get(name, {}).get("type")
        if wanted is None:
            problems.append(f"unknown parameter {name}")
        elif not isinstance(value, _TYPES.get(wanted, str)) or (
            isinstance(value, bool) and wanted != "boolean"
        ):
            problems.append(f"{name} is no {wanted}")
    if problems:
        raise SlackError("parameter_validation_failed", *problems)


def validate_view(view: Any, *, home: bool = False) -> dict[str, Any]:
    """A modal's view, or a Home's, with block_ids. Raises SlackError."""
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments", "must be a valid view [json-pointer:/view]")
    if len(json.dumps(view).encode()) > LARGEST_VIEW:
        raise SlackError("view_too_large")
    _validate(Home if home else View, view, "invalid_arguments", "/view")
    return {**view, "blocks": _with_block_ids(view["blocks"])}


def check_options(answer: Any) -> list[Any]:
    """What an external select is to offer: options, or groups of them. Raises SlackError."""
    _validate(OptionsResponse, answer, "invalid_options")
    return list(answer.get("options") or answer.get("option_groups") or [])


def _validate(model: type[BaseModel], value: Any, error: str, prefix: str = "") -> None:
    try:
        model.model_validate(value)
    except ValidationError as problem:
        raise SlackError(error, *(_in_words(one, prefix) for one in problem.errors())) from problem


def _in_words(problem: Any, prefix: str) -> str:
    places = [str(place) for place in problem["loc"] if place not in _NOT_IN_POINTERS]
    limits = problem.get("ctx") or {}
    match problem["type"]:
        case "string_too_long":
            words = f"must be less than {limits['max_length'] + 1} characters"
        case "text_too_long":
            words = f"must be less than {limits['max_length'] + 1} characters"
            places.append("text")
        case "string_too_short":
            words = f"must be more than {limits['min_length'] - 1} characters"
        case "too_long":
            words = f"no more than {limits['max_length']} items allowed"
        case "too_short":
            words = f"no fewer than {limits['min_length']} items allowed"
        case "missing":
            words = f"missing required field: {places.pop()}"
        case "extra_forbidden":
            words = f"invalid additional property: {places.pop()}"
        case "union_tag_invalid":
            words = f"unsupported type: {limits.get('tag')}"
        case "image_not_found":
            words = "downloading image failed"
            places.append("image_url")
        case "value_error":
            words = str(problem["msg"]).removeprefix("Value error, ")
        case _:
            words = "failed to match all allowed schemas"
    return f"{words} [json-pointer:{prefix}/{'/'.join(places)}]"


def _with_block_ids(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    named = [
        {**block, "block_id": block.get("block_id") or f"b{place}"} for place, block in enumerate(blocks)
    ]
    if len({block["block_id"] for block in named}) < len(named):
        raise SlackError("invalid_blocks", "`block_id` must be unique")
    return named


def _length(value: Any) -> int:
    """The characters of all texts in a block."""
    if isinstance(value, dict):
        return sum(
            len(inner) if name == "text" and isinstance(inner, str) else _length(inner)
            for name, inner in value.items()
        )
    return sum(_length(inner) for inner in value) if isinstance(value, list) else 0
