"""Features of Slack that Buildbell does not use, on the page, with a third-party app."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from sandbox.environment import SandboxEnvironment
from tests.browser.conftest import Picture, add_routes, open_page
from tests.browser.page_actions import find_message, send_message
from tests.sandbox.slack.web_api_call import call_web_api
from tests.support.forked_bot import forked_environment
from tests.third_party_apps import block_gallery
from tests.third_party_apps.bolt_runner import bolt_app, run_bolt_app

pytestmark = pytest.mark.browser


@pytest_asyncio.fixture(loop_scope="session")
async def environment() -> AsyncIterator[SandboxEnvironment]:
    """Start Slack with a third-party app whose `/late` never acknowledges."""
    async with forked_environment(block_gallery.MANIFEST) as opened:
        await opened.start_simulators(add_routes=add_routes(opened))
        async with bolt_app(opened.slack) as app:
            block_gallery.block_gallery(app, let_late_go=asyncio.Event())
            async with run_bolt_app(app, opened.slack, "socket"):
                yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def page(environment: SandboxEnvironment, browser: Browser) -> AsyncIterator[Page]:
    async with open_page(environment, browser) as opened:
        yield opened


async def test_every_block_and_element_is_rendered_and_works(page: Page, screenshot: Picture) -> None:
    await page.set_viewport_size({"width": 1280, "height": 1300})
    await send_message(page, "/gallery")
    gallery = find_message(page, "Every block")
    await expect(gallery.get_by_role("heading", name="Every block")).to_contain_text("📚")
    await expect(gallery.locator("strong", has_text="bold")).to_be_visible()
    await expect(gallery.get_by_text("@ben")).to_be_visible()
    await expect(gallery.get_by_role("link", name="a link")).to_have_attribute(
        "href", "https://books.example/1"
    )
    await expect(gallery.locator("blockquote")).to_have_text("quoted")
    await expect(gallery.get_by_role("listitem").filter(has_text="a rich point")).to_be_visible()
    # HTML in Markdown is text, and unknown blocks are shown as JSON.
    await expect(gallery.get_by_role("heading", name="Markdown")).to_be_visible()
    await expect(gallery.get_by_text("<b>raw</b>")).to_be_visible()
    await expect(gallery.get_by_role("row", name="clone 3 s")).to_be_visible()
    await gallery.get_by_text("Not shown in the sandbox: card").click()
    await expect(gallery.get_by_text("A block that is not drawn")).to_be_visible()
    await screenshot(page, "blocks")

    async def answered(text: str) -> None:
        await expect(find_message(page, text)).to_contain_text("Only visible to you")

    await gallery.get_by_role("button", name="Primary").click()
    await answered("primary: pressed")
    await gallery.get_by_label("More actions").click()
    await gallery.get_by_role("button", name="Second").click()
    await answered("over: second")
    await gallery.get_by_label("One").select_option("A")
    await answered("one: a")
    await gallery.get_by_label("Somebody").select_option("Carla Ruiz")
    await answered("user: U0CARLA")
    await gallery.get_by_label("Choose a date").fill("2026-12-24")
    await answered("day: 2026-12-24")
    await gallery.get_by_label("Not ticked").check()
    await answered("boxes: ticked, not ticked")
    await gallery.get_by_label("That").check()
    await answered("radio: that")
    await gallery.get_by_label("Several").select_option(["X", "Y"])
    await answered("several: x, y")


async def test_an_external_select_is_searched_by_typing(page: Page) -> None:
    await send_message(page, "/gallery")
    field = find_message(page, "Every block").get_by_role("combobox", name="A book")
    await field.press_sequentially("book 77")
    await expect(page.get_by_role("option", name="Book 777")).to_be_visible()
    await field.press("ArrowDown")
    await field.press("ArrowDown")
    await field.press("Enter")
    await expect(field).to_have_value("Book 770")
    await expect(find_message(page, "book: book 770")).to_be_visible()


async def test_shortcuts_open_stacked_modals_that_keep_their_input(page: Page, screenshot: Picture) -> None:
    await page.get_by_role("button", name="Put a book").click()
    dialog = page.get_by_role("dialog", name="Put a book")
    book, place = dialog.get_by_role("combobox", name="Book"), dialog.get_by_label("Place")
    await place.fill("taken")
    await dialog.get_by_role("button", name="Put").click()
    await expect(
        dialog.get_by_role("alert").filter(has_text="please complete this required field")
    ).to_be_visible()
    await book.press_sequentially("Book 12")
    await page.get_by_role("option", name="Book 123", exact=True).click()
    await dialog.get_by_role("button", name="Put").click()
    await expect(dialog.get_by_role("alert").filter(has_text="That place is taken.")).to_be_visible()
    await expect(book).to_have_value("Book 123")
    await expect(place).to_have_value("taken")
    await screenshot(page, "modal")
    await place.fill("more")
    await dialog.get_by_role("button", name="Put").click()
    pushed = page.get_by_role("dialog", name="Once more")
    await expect(pushed).to_contain_text("2 deep")
    await page.keyboard.press("Escape")
    await expect(place).to_have_value("more")
    await place.fill("row 3")
    await dialog.get_by_role("button", name="Put").click()
    await expect(find_message(page, "Book 123 stands in row 3")).to_be_visible()


async def test_a_message_shortcut_and_an_unfurled_link_work(page: Page) -> None:
    await send_message(page, "look: https://books.example/1")
    post = find_message(page, "look:")
    await expect(post).to_contain_text("A fine book")
    await post.hover()
    await post.get_by_role("button", name="Who wrote this?").click()
    await expect(find_message(page, "@anna wrote it")).to_be_visible()


async def test_the_home_opens_and_its_button_asks_for_confirmation(page: Page) -> None:
    await page.get_by_role("navigation").get_by_role("button", name="Home").click()
    await expect(page.get_by_text("Counted 0 times")).to_be_visible()
    await page.get_by_role("button", name="Count").click()
    await page.get_by_role("dialog", name="Sure?").get_by_role("button", name="No").click()
    await page.get_by_role("button", name="Count").click()
    await page.get_by_role("dialog", name="Sure?").get_by_role("button", name="Yes").click()
    await expect(page.get_by_text("Counted 1 times")).to_be_visible()


async def test_a_late_app_shows_the_error_of_slack_and_a_violation_in_the_inspector(
    environment: SandboxEnvironment, page: Page
) -> None:
    environment.slack.delivery.deadline_seconds = 0.3
    await send_message(page, "/late")
    await expect(find_message(page, '/late failed with the error "operation_timeout"')).to_be_visible()
    await page.get_by_role("button", name="Inspector 1 violations").click()
    await expect(page.get_by_text("/late: not acknowledged within 0.3 s")).to_be_visible()


async def test_an_uploaded_image_is_shown(page: Page) -> None:
    await send_message(page, "/picture")
    shown = page.get_by_role("img", name="A cover")
    await expect(shown).to_be_visible()
    assert await shown.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1


async def test_the_page_works_by_keyboard_and_restores_the_focus(
    page: Page, environment: SandboxEnvironment
) -> None:
    composer = page.get_by_role("combobox", name="Message")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the message field")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(composer).to_be_focused()

    await page.keyboard.type("/")
    chosen = page.get_by_role("listbox", name="Commands").get_by_role("option", selected=True)
    await expect(chosen).to_contain_text("/gallery")
    for key, command in (("ArrowDown", "/picture"), ("ArrowUp", "/gallery"), ("ArrowUp", "/late")):
        await page.keyboard.press(key)
        await expect(chosen).to_contain_text(command)
        assert await composer.get_attribute("aria-activedescendant") == await chosen.get_attribute("id")
    await page.keyboard.type("g")
    await page.keyboard.press("Enter")
    await expect(composer).to_have_value("/gallery ")
    await page.keyboard.press("Enter")
    await expect(find_message(page, "Every block")).to_be_visible()

    shortcut = page.get_by_role("button", name="⚡ Put a book")
    await shortcut.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="Put a book")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(shortcut).to_be_focused()

    # If the message was rendered again meanwhile, the focus returns to its new button, or to the field if there is none.
    button = {"type": "button", "action_id": "put", "text": block_gallery.plain("Put one")}
    blocks = json.dumps([{"type": "actions", "elements": [button]}])
    post = {"channel": "C0BUILDS", "text": "A shelf", "blocks": blocks}
    ts = (await call_web_api(environment.slack, "chat.postMessage", **post))["ts"]
    message, put = page.locator(f'[data-ts="{ts}"]'), page.get_by_role("button", name="Put one")
    for text, now, focused in (("Rendered again", blocks, put), ("Without a button", "[]", composer)):
        await put.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog", name="Put a book")).to_be_visible()
        assert (
            await call_web_api(
                environment.slack, "chat.update", channel="C0BUILDS", ts=ts, text=text, blocks=now
            )
        )["ok"]
        await expect(message).to_have_attribute("aria-label", f"shelf: {text}")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(focused).to_be_focused()


async def test_broadcast_replies_reactions_and_message_inputs_are_shown(
    page: Page, environment: SandboxEnvironment
) -> None:
    slack = environment.slack
    head = slack.users.say("ben", "builds", "Is it green?")
    for broadcast, text in (("", "A quiet reply"), ("1", "A reply for everybody")):
        reply = {"channel": "C0BUILDS", "thread_ts": head.ts, "text": text, "reply_broadcast": broadcast}
        assert (await call_web_api(slack, "chat.postMessage", **reply))["ok"]
    loud = find_message(page, "A reply for everybody")
    await expect(loud).to_be_visible()
    await expect(page.get_by_text("A quiet reply")).to_have_count(0)
    await loud.get_by_role("button", name="replied to a thread").click()
    await expect(page.get_by_text("A quiet reply")).to_be_visible()
    await page.get_by_role("button", name="Back to the channel").click()

    question = find_message(page, "Is it green?")
    slack.users.react("carla", head, "eyes")
    eyes = question.get_by_role("button", name="eyes, 1 reaction")
    await eyes.click()
    mine = question.get_by_role("button", name="eyes, 2 reactions")
    await expect(mine).to_have_attribute("aria-pressed", "true")

    blocks = [
        block_gallery.field("why", "Why", {"type": "plain_text_input"}),
        {
            "type": "actions",
            "elements": [{"type": "button", "action_id": "primary", "text": block_gallery.plain("Go")}],
        },
    ]
    post = {"channel": "C0BUILDS", "text": "Say why", "blocks": json.dumps(blocks)}
    assert (await call_web_api(slack, "chat.postMessage", **post))["ok"]
    await page.get_by_role("textbox", name="Why").fill("Because")
    await page.get_by_role("textbox", name="Why").blur()
    await page.get_by_role("button", name="Go", exact=True).click()
    await expect(find_message(page, "primary: pressed")).to_be_visible()
    pressed = [entry.request for entry in slack.request_log.entries if entry.title == "block_actions"]
    assert pressed[-1]["state"]["values"]["why"]["why"]["value"] == "Because"
