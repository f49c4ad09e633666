"""Validation with Slack's own error messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from sandbox.slack.block_kit import Home, MessageBlocks, OptionsResponse, View

MAX_BLOCK_CHARACTERS = 13_200
MAX_VIEW_BYTES = 250_000
MAX_MARKDOWN = 12_000
MAX_ATTACHMENTS = 100
# pydantic's paths contain names of union members, JSON pointers do not.
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
    """A response `{"ok": false, "error": …}`."""

    def __init__(self, error: str, *messages: str, **more: Any) -> None:
        self.error = error
        self.body: dict[str, Any] = {"ok": False, "error": error, **more}
        if messages:
            self.body["errors"] = list(messages)
            self.body["response_metadata"] = {"messages": [f"[ERROR] {message}" for message in messages]}
        super().__init__(f"{error}: {'; '.join(messages)}")


def validate_blocks(blocks: Any) -> list[dict[str, Any]]:
    """Return a message's blocks, each with a block_id. Raises SlackError."""
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    _validate(MessageBlocks, {"blocks": blocks}, "invalid_blocks")
    if sum(_length(block) for block in blocks if block["type"] != "markdown") > MAX_BLOCK_CHARACTERS:
        raise SlackError("msg_blocks_too_long")
    if sum(len(block["text"]) for block in blocks if block["type"] == "markdown") > MAX_MARKDOWN:
        raise SlackError(
            "invalid_blocks", f"must be less than {MAX_MARKDOWN + 1} characters in all markdown blocks"
        )
    if sum(block["type"] == "table" for block in blocks) > 1:
        raise SlackError("invalid_attachments", "only_one_table_allowed")
    return _with_block_ids(blocks)


def validate_attachments(attachments: Any) -> list[dict[str, Any]]:
    """Return a message's attachments, or the previews of links. Raises SlackError."""
    if not isinstance(attachments, list) or not all(
        isinstance(attachment, dict) for attachment in attachments
    ):
        raise SlackError("invalid_attachments")
    if len(attachments) > MAX_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    return [
        attachment | ({"blocks": validate_blocks(attachment["blocks"])} if attachment.get("blocks") else {})
        for attachment in attachments
    ]


# The JSON type by parameter type; all others, for example a user's, are strings.
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


def declared_parameters(declared: Any) -> dict[str, dict[str, Any]]:
    """Return a step's parameters by name, each with `is_required`.

    A manifest has them in `properties` beside a list `required` (the published schema), or directly, each with its own
    `is_required` (the manifests of Slack's templates).
    """
    declared = declared or {}
    nested = declared.get("properties")
    if not isinstance(nested, dict) or isinstance(nested.get("type"), str):
        return {name: {"is_required": False, **value} for name, value in declared.items()}
    required = declared.get("required") or []
    return {name: {"is_required": name in required, **value} for name, value in nested.items()}


def validate_parameters(values: Any, declared: Any) -> None:
    """Check a workflow step's inputs or outputs against the manifest. Raises SlackError."""
    parameters = declared_parameters(declared)
    problems = [
        f"missing required parameter {name}"
        for name, one in parameters.items()
        if one["is_required"] and name not in values
    ]
    for name, value in values.items():
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
    """Return the view of a modal or Home with block_ids. Raises SlackError."""
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments", "must be a valid view [json-pointer:/view]")
    if len(json.dumps(view).encode()) > MAX_VIEW_BYTES:
        raise SlackError("view_too_large")
    _validate(Home if home else View, view, "invalid_arguments", "/view")
    return {**view, "blocks": _with_block_ids(view["blocks"])}


def validate_options(response: Any) -> list[Any]:
    """Return the options or option groups of an external select. Raises SlackError."""
    _validate(OptionsResponse, response, "invalid_options")
    return list(response.get("options") or response.get("option_groups") or [])


def _validate(model: type[BaseModel], value: Any, error: str, prefix: str = "") -> None:
    try:
        model.model_validate(value)
    except ValidationError as problem:
        raise SlackError(error, *(_describe_error(error, prefix) for error in problem.errors())) from problem


def _describe_error(problem: Any, prefix: str) -> str:
    places = [str(index) for index in problem["loc"] if index not in _NOT_IN_POINTERS]
    limits = problem.get("ctx") or {}
    match problem["type"]:
        case "string_too_long":
            message = f"must be less than {limits['max_length'] + 1} characters"
        case "text_too_long":
            message = f"must be less than {limits['max_length'] + 1} characters"
            places.append("text")
        case "string_too_short":
            message = f"must be more than {limits['min_length'] - 1} characters"
        case "too_long":
            message = f"no more than {limits['max_length']} items allowed"
        case "too_short":
            message = f"no fewer than {limits['min_length']} items allowed"
        case "missing":
            message = f"missing required field: {places.pop()}"
        case "extra_forbidden":
            message = f"invalid additional property: {places.pop()}"
        case "union_tag_invalid":
            message = f"unsupported type: {limits.get('tag')}"
        case "image_not_found":
            message = "downloading image failed"
            places.append("image_url")
        case "value_error":
            message = str(problem["msg"]).removeprefix("Value error, ")
        case _:
            message = "failed to match all allowed schemas"
    return f"{message} [json-pointer:{prefix}/{'/'.join(places)}]"


def _with_block_ids(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    named = [
        {**block, "block_id": block.get("block_id") or f"b{index}"} for index, block in enumerate(blocks)
    ]
    if len({block["block_id"] for block in named}) < len(named):
        raise SlackError("invalid_blocks", "`block_id` must be unique")
    return named


def _length(value: Any) -> int:
    """Return the total length of all texts in a block."""
    if isinstance(value, dict):
        return sum(
            len(inner) if name == "text" and isinstance(inner, str) else _length(inner)
            for name, inner in value.items()
        )
    return sum(_length(inner) for inner in value) if isinstance(value, list) else 0
