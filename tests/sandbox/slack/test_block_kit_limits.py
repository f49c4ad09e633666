"""Each size limit of Slack: accepted at the limit, refused one over it with Slack's error."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bot.manifest import manifest
from sandbox.slack.server import SlackSimulator
from tests.sandbox.slack.web_api_call import call_web_api

Json = dict[str, Any]
Given = Callable[[int], Json]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def section(**more: Any) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": "x"}, **more}


def button(**more: Any) -> Json:
    return {"type": "button", "text": plain("Go"), "action_id": "go", **more}


def option(number: int = 0, **more: Any) -> Json:
    return {"text": plain(f"option {number}"), "value": f"{number}", **more}


def options(count: int) -> list[Json]:
    return [option(number) for number in range(count)]


def select(**more: Any) -> Json:
    return {"type": "static_select", "action_id": "s", "options": options(1), **more}


def confirm(**more: Any) -> Json:
    return {"title": plain("t"), "text": plain("x"), "confirm": plain("y"), "deny": plain("n"), **more}


def field(**more: Any) -> Json:
    return {"type": "input", "label": plain("Why"), "element": typed(), **more}


def typed(**more: Any) -> Json:
    return {"type": "plain_text_input", "action_id": "t", **more}


def section_with_accessory(element: Json) -> Json:
    return {"blocks": [section(accessory=element)]}


def modal(**more: Any) -> Json:
    return {"type": "modal", "title": plain("t"), "submit": plain("Go"), "blocks": [field()], **more}


def view_of_size(size: int) -> Json:
    """Return a view of this many bytes."""
    error = [section(text=plain("x" * 2900), block_id=f"b{number}") for number in range(83)]
    error += [section(text=plain("x"), block_id="last"), section(text=plain("x"), block_id="beyond")]
    view = modal(blocks=error)
    for block in error[-2:]:
        missing = size - len(json.dumps(view).encode())
        block["text"]["text"] += "x" * min(missing, 2999)
    assert len(json.dumps(view).encode()) == size
    return view


MESSAGES: dict[str, tuple[int, Given, str]] = {
    "blocks": (50, lambda n: {"blocks": [section()] * n}, "invalid_blocks"),
    "text": (40_000, lambda n: {"text": "x" * n}, "msg_too_long"),
    "attachments": (100, lambda n: {"attachments": [{"text": "x"}] * n}, "too_many_attachments"),
    "block_id": (255, lambda n: {"blocks": [section(block_id="x" * n)]}, "invalid_blocks"),
    "action_id": (255, lambda n: section_with_accessory(button(action_id="x" * n)), "invalid_blocks"),
    "section text": (3000, lambda n: {"blocks": [section(text=plain("x" * n))]}, "invalid_blocks"),
    "fields": (10, lambda n: {"blocks": [section(fields=[plain("x")] * n)]}, "invalid_blocks"),
    "field text": (2000, lambda n: {"blocks": [section(fields=[plain("x" * n)])]}, "invalid_blocks"),
    "header": (150, lambda n: {"blocks": [{"type": "header", "text": plain("x" * n)}]}, "invalid_blocks"),
    "context": (
        10,
        lambda n: {"blocks": [{"type": "context", "elements": [plain("x")] * n}]},
        "invalid_blocks",
    ),
    "actions": (
        25,
        lambda n: {
            "blocks": [{"type": "actions", "elements": [button(action_id=f"a{item}") for item in range(n)]}]
        },
        "invalid_blocks",
    ),
    "button text": (75, lambda n: section_with_accessory(button(text=plain("x" * n))), "invalid_blocks"),
    "button value": (2000, lambda n: section_with_accessory(button(value="x" * n)), "invalid_blocks"),
    "button url": (
        3000,
        lambda n: section_with_accessory(button(url="https://a.b/".ljust(n, "x"))),
        "invalid_blocks",
    ),
    "button label": (
        75,
        lambda n: section_with_accessory(button(accessibility_label="x" * n)),
        "invalid_blocks",
    ),
    "placeholder": (
        150,
        lambda n: section_with_accessory(select(placeholder=plain("x" * n))),
        "invalid_blocks",
    ),
    "options": (100, lambda n: section_with_accessory(select(options=options(n))), "invalid_blocks"),
    "option groups": (
        100,
        lambda n: section_with_accessory(
            {
                "type": "static_select",
                "option_groups": [{"label": plain("g"), "options": options(1)} for _ in range(n)],
            }
        ),
        "invalid_blocks",
    ),
    "group label": (
        75,
        lambda n: section_with_accessory(
            {
                "type": "static_select",
                "option_groups": [{"label": plain("x" * n), "options": options(1)}],
            }
        ),
        "invalid_blocks",
    ),
    "option text": (
        75,
        lambda n: section_with_accessory(select(options=[option(text=plain("x" * n))])),
        "invalid_blocks",
    ),
    "option value": (
        150,
        lambda n: section_with_accessory(select(options=[option(value="x" * n)])),
        "invalid_blocks",
    ),
    "option description": (
        75,
        lambda n: section_with_accessory(select(options=[option(description=plain("x" * n))])),
        "invalid_blocks",
    ),
    "overflow": (
        5,
        lambda n: section_with_accessory({"type": "overflow", "options": options(n)}),
        "invalid_blocks",
    ),
    "checkboxes": (
        10,
        lambda n: section_with_accessory({"type": "checkboxes", "options": options(n)}),
        "invalid_blocks",
    ),
    "radio buttons": (
        10,
        lambda n: section_with_accessory({"type": "radio_buttons", "options": options(n)}),
        "invalid_blocks",
    ),
    "confirm title": (
        100,
        lambda n: section_with_accessory(button(confirm=confirm(title=plain("x" * n)))),
        "invalid_blocks",
    ),
    "confirm text": (
        300,
        lambda n: section_with_accessory(button(confirm=confirm(text=plain("x" * n)))),
        "invalid_blocks",
    ),
    "confirm yes": (
        30,
        lambda n: section_with_accessory(button(confirm=confirm(confirm=plain("x" * n)))),
        "invalid_blocks",
    ),
    "confirm no": (
        30,
        lambda n: section_with_accessory(button(confirm=confirm(deny=plain("x" * n)))),
        "invalid_blocks",
    ),
    "image url": (
        3000,
        lambda n: section_with_accessory(
            {"type": "image", "alt_text": "x", "image_url": "https://a.b/".ljust(n, "x")}
        ),
        "invalid_blocks",
    ),
    "alternative text": (
        2000,
        lambda n: section_with_accessory({"type": "image", "alt_text": "x" * n, "image_url": "https://a.b/"}),
        "invalid_blocks",
    ),
    "markdown in all": (
        12_000,
        lambda n: {
            "blocks": [
                {"type": "markdown", "text": "x" * 6000},
                {"type": "markdown", "text": "x" * (n - 6000)},
            ]
        },
        "invalid_blocks",
    ),
    "tables": (
        1,
        lambda n: {"blocks": [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]}] * n},
        "invalid_attachments",
    ),
    "rows": (
        100,
        lambda n: {"blocks": [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]] * n}]},
        "invalid_blocks",
    ),
    "cells": (
        20,
        lambda n: {"blocks": [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * n]}]},
        "invalid_blocks",
    ),
    "characters in all": (
        13_200,
        lambda n: {
            "blocks": [section(text=plain("x" * 2640))] * 4 + [section(text=plain("x" * (n - 10_560)))]
        },
        "msg_blocks_too_long",
    ),
}

VIEWS: dict[str, tuple[int, Given, str]] = {
    "blocks": (100, lambda n: modal(blocks=[section()] * n), "invalid_arguments"),
    "title": (24, lambda n: modal(title=plain("x" * n)), "invalid_arguments"),
    "submit": (24, lambda n: modal(submit=plain("x" * n)), "invalid_arguments"),
    "close": (24, lambda n: modal(close=plain("x" * n)), "invalid_arguments"),
    "private_metadata": (3000, lambda n: modal(private_metadata="x" * n), "invalid_arguments"),
    "callback_id": (255, lambda n: modal(callback_id="x" * n), "invalid_arguments"),
    "external_id": (255, lambda n: modal(external_id="x" * n), "invalid_arguments"),
    "label": (2000, lambda n: modal(blocks=[field(label=plain("x" * n))]), "invalid_arguments"),
    "hint": (2000, lambda n: modal(blocks=[field(hint=plain("x" * n))]), "invalid_arguments"),
    "first text": (
        3000,
        lambda n: modal(blocks=[field(element=typed(initial_value="x" * n))]),
        "invalid_arguments",
    ),
    "longest text": (
        3000,
        lambda n: modal(blocks=[field(element=typed(max_length=n))]),
        "invalid_arguments",
    ),
    "bytes": (250_000, view_of_size, "view_too_large"),
}


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    opened = await SlackSimulator(manifest()).start()
    yield opened
    await opened.close()


def has_json_pointer(response: Json) -> bool:
    """Return whether an error names its place as a JSON pointer, as Slack's do."""
    return "json-pointer:/" in str(response.get("response_metadata"))


async def post(slack: SlackSimulator, given: Json) -> Json:
    arguments = {name: one if isinstance(one, str) else json.dumps(one) for name, one in given.items()}
    return await call_web_api(slack, "chat.postMessage", channel="C0BUILDS", **arguments)


@pytest.mark.parametrize("name", MESSAGES)
async def test_a_message_at_the_limit_is_accepted_and_one_over_is_refused(
    slack: SlackSimulator, name: str
) -> None:
    limit, given, error = MESSAGES[name]
    taken = await post(slack, given(limit))
    assert taken["ok"] is True, taken
    refused = await post(slack, given(limit + 1))
    assert refused["error"] == error
    if error == "invalid_blocks" and name != "markdown in all":
        assert has_json_pointer(refused)
    # The app's violation is shown to the operator.
    assert slack.violations


@pytest.mark.parametrize("name", VIEWS)
async def test_a_modal_at_the_limit_is_accepted_and_one_over_is_refused(
    slack: SlackSimulator, name: str
) -> None:
    limit, given, error = VIEWS[name]

    async def show(view: Json) -> Json:
        trigger = slack.users.handles.create_trigger("U0ANNA")
        return await call_web_api(slack, "views.open", trigger_id=trigger, view=json.dumps(view))

    taken = await show(given(limit))
    assert taken["ok"] is True, taken
    refused = await show(given(limit + 1))
    assert refused["error"] == error
    if error == "invalid_arguments":
        assert has_json_pointer(refused)


async def test_a_fourth_stacked_modal_is_refused(slack: SlackSimulator) -> None:
    async def show(method: str) -> Json:
        trigger = slack.users.handles.create_trigger("U0ANNA")
        return await call_web_api(slack, method, trigger_id=trigger, view=json.dumps(modal()))

    assert (await show("views.open"))["ok"] is True
    assert (await show("views.push"))["ok"] is True
    assert (await show("views.push"))["ok"] is True
    assert (await show("views.push"))["error"] == "push_limit_reached"


async def test_an_overflow_menu_needs_at_least_two_options(slack: SlackSimulator) -> None:
    refused = await post(slack, section_with_accessory({"type": "overflow", "options": options(1)}))
    assert refused["error"] == "invalid_blocks"


async def test_blocks_that_the_sandbox_cannot_render_are_accepted(
    slack: SlackSimulator,
) -> None:
    card = {"type": "card", "title": plain("x")}
    assert (await post(slack, {"blocks": [card]}))["ok"] is True
    assert slack.posts("builds")[-1].blocks[0]["type"] == "card"
