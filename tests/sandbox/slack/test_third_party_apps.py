"""Third-party Bolt apps run unchanged in the sandbox, over both transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.slack.input_values import InvalidInteraction
from sandbox.slack.models import Post
from sandbox.slack.server import SlackSimulator
from tests.third_party_apps import block_gallery, echo
from tests.third_party_apps.bolt_runner import bolt_app, run_bolt_app

LINES = ("socket", "http")


@pytest.fixture(params=LINES)
async def echo_app(request: pytest.FixtureRequest) -> AsyncIterator[SlackSimulator]:
    slack = await SlackSimulator(echo.MANIFEST).start()
    async with bolt_app(slack) as app:
        echo.echo(app)
        async with run_bolt_app(app, slack, request.param):
            yield slack
    await slack.close()


class RunningGallery:
    def __init__(self, slack: SlackSimulator, late: asyncio.Event) -> None:
        self.slack, self.people, self.late = slack, slack.users, late


@pytest.fixture(params=LINES)
async def gallery(request: pytest.FixtureRequest) -> AsyncIterator[RunningGallery]:
    slack = await SlackSimulator(block_gallery.MANIFEST).start()
    late = asyncio.Event()
    async with bolt_app(slack) as app:
        block_gallery.block_gallery(app, let_late_go=late)
        async with run_bolt_app(app, slack, request.param):
            yield RunningGallery(slack, late)
    await slack.close()


async def test_an_echo_app_echoes(echo_app: SlackSimulator) -> None:
    done = await echo_app.users.command("anna", "random", "/echo hello &amp; goodbye")
    assert done is not None
    post = await echo_app.wait_for_post("random", "You said: hello & goodbye", viewer="anna")
    assert post.only_for == "U0ANNA"
    assert echo_app.violations == []


async def test_shortcuts_option_search_and_stacked_modals_work(gallery: RunningGallery) -> None:
    await gallery.people.shortcut("anna", "put")
    opened = await gallery.slack.wait_for_modal("anna", "Put a book")
    assert await gallery.people.options("anna", "book", "B") == []  # fewer characters than the minimum
    found = await gallery.people.options("anna", "book", "book 19")
    assert len(found) == 100
    assert found[0]["text"]["text"] == "Book 19"

    await gallery.people.submit("anna", {"book": found[0], "place": "taken"})
    assert opened.errors == {"place": "That place is taken."}
    await gallery.people.submit("anna", {"place": "more"})
    top = gallery.people.modal("anna")
    assert top is not None
    assert top.view["title"]["text"] == "Once more"
    await gallery.people.close_modal("anna")
    assert gallery.people.modal("anna") is opened
    await gallery.people.submit("anna", {"place": "again"})
    assert opened.view["title"]["text"] == "Changed"
    await gallery.people.submit("anna")
    assert gallery.people.modal("anna") is None

    await gallery.people.shortcut("anna", "put")
    await gallery.slack.wait_for_modal("anna", "Put a book")
    await gallery.people.submit("anna", {"book": found[1], "place": "row 3"})
    assert gallery.people.modal("anna") is None
    await gallery.slack.wait_for_post("builds", "Book 190 stands in row 3")
    with pytest.raises(InvalidInteraction, match="no global shortcut who"):
        await gallery.people.shortcut("anna", "who")
    assert gallery.slack.violations == []


async def test_a_message_shortcut_contains_its_message(gallery: RunningGallery) -> None:
    post = gallery.people.say("ben", "builds", "a riddle")
    await gallery.people.shortcut("anna", "who", post)
    await gallery.slack.wait_for_post("builds", "@ben wrote it", viewer="anna")


async def test_only_links_of_the_unfurl_domains_are_unfurled(gallery: RunningGallery) -> None:
    post = gallery.people.say("anna", "builds", "see https://books.example/1 and https://other.example/2")

    def unfurled() -> Post | None:
        return post if post.attachments else None

    await gallery.slack.workspace.wait_for(unfurled, 5, "an unfurl")
    [attachment] = post.attachments
    assert attachment["from_url"] == "https://books.example/1"
    assert attachment["blocks"][0]["text"]["text"] == "*A fine book*"


async def test_a_home_is_published_and_its_buttons_work(gallery: RunningGallery) -> None:
    gallery.people.open_home("anna")

    def shown(text: str) -> dict[str, Any] | None:
        home = gallery.slack.workspace.homes.get("U0ANNA")
        return home if home and text in str(home) else None

    await gallery.slack.workspace.wait_for(lambda: shown("Counted 0 times"), 5, "a Home")
    await gallery.people.set_value("anna", "count")
    await gallery.slack.workspace.wait_for(lambda: shown("Counted 1 times"), 5, "the Home, counted up")


async def test_every_element_of_a_message_sends_its_selection(gallery: RunningGallery) -> None:
    await gallery.people.command("anna", "builds", "/gallery")
    post = await gallery.slack.wait_for_post("builds", "EVERY BLOCK")
    for element, given, text in (
        ("primary", None, "primary: pressed"),
        ("over", "second", "over: second"),
        ("one", "a", "one: a"),
        ("book", block_gallery.option("Book 7"), "book: book 7"),
        ("user", "U0BEN", "user: U0BEN"),
        ("day", "2026-12-24", "day: 2026-12-24"),
        ("hour", "08:15", "hour: 08:15"),
        ("boxes", ["ticked", "not ticked"], "boxes: ticked, not ticked"),
        ("radio", "that", "radio: that"),
        ("several", ["x", "y"], "several: x, y"),
    ):
        assert await gallery.people.click("anna", post, element, given) is not None
        await gallery.slack.wait_for_post("builds", text, viewer="anna")
    with pytest.raises(InvalidInteraction, match="there is no option z"):
        await gallery.people.click("anna", post, "one", "z")
    assert gallery.slack.violations == []


async def test_a_late_acknowledgement_is_shown_to_the_user_and_is_a_violation(
    gallery: RunningGallery,
) -> None:
    gallery.slack.delivery.deadline_seconds = 0.2
    assert await gallery.people.command("anna", "builds", "/late") is None
    gallery.late.set()
    [post] = gallery.slack.posts("builds", "anna")
    assert post.text == '/late failed with the error "operation_timeout"'
    assert gallery.slack.violations == ["/late: not acknowledged within 0.2 s"]
