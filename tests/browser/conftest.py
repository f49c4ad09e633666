"""A real Chromium before the sandbox's page, with the real bot behind it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright

from bot.manifest import manifest
from sandbox.control import Control
from sandbox.live import seed
from sandbox.page import add_page
from sandbox.stage import Stage

Picture = Callable[[str], Awaitable[None]]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    opened = Stage(manifest())
    async with opened:

        def add_routes(app: web.Application) -> None:
            Control(opened).add_routes(app)
            add_page(app, opened)

        await opened.start(also=add_routes, settings={"POLL_INTERVAL": "0.3", "POLL_INTERVAL_ACTIVE": "0.2"})
        seed(opened)
        yield opened
        assert opened.slack.violations == []


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium on this machine; .ci/run installs it")
        pytest.skip("no Chromium on this machine: install it to run the browser tests")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        await opened.close()


@pytest.fixture
async def page(stage: Stage, browser: Browser) -> AsyncIterator[Page]:
    """The page, as Anna in #builds; nothing may go wrong in it unnoticed, and nothing may leave the machine."""
    wrong: list[str] = []
    opened = await browser.new_page(viewport={"width": 1280, "height": 800})
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on(
        "request",
        lambda asked: (
            wrong.append(asked.url) if not asked.url.startswith((stage.slack.url, "data:")) else None
        ),
    )
    await opened.goto(stage.slack.url)
    await opened.get_by_role("button", name="builds").wait_for()
    yield opened
    assert [one for one in wrong if "400 (Bad Request)" not in one] == []


@pytest.fixture
def picture(request: pytest.FixtureRequest, page: Page) -> Picture:
    """Keeps a picture of the page for README and docs, where `make pictures` asks for it."""
    folder: Path | None = request.config.getoption("--pictures")

    async def keep(name: str) -> None:
        if folder is not None:
            await page.evaluate("document.fonts.ready")
            await page.screenshot(path=folder / f"{name}.png")

    return keep
