"""A real Chromium before the sandbox's page."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright

from bot.manifest import manifest
from sandbox.control import Control
from sandbox.live import seed
from sandbox.page import add_page
from sandbox.stage import Stage

Picture = Callable[[Page, str], Awaitable[None]]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def add_routes(stage: Stage) -> Callable[[web.Application], None]:
    """The page, and what it asks the sandbox to do."""

    def add(app: web.Application) -> None:
        Control(stage).add_routes(app)
        add_page(app, stage)

    return add


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Both services, with the real bot between them."""
    opened = Stage(manifest())
    async with opened:
        await opened.start(
            also=add_routes(opened),
            settings={"POLL_INTERVAL": "0.3", "POLL_INTERVAL_ACTIVE": "0.2"},
        )
        await opened.link("anna")
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


@asynccontextmanager
async def open_page(stage: Stage, browser: Browser) -> AsyncIterator[Page]:
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
    # What the sandbox refuses, it refuses with this status; the page shows why.
    assert [one for one in wrong if "400 (Bad Request)" not in one] == []


@pytest.fixture
async def page(stage: Stage, browser: Browser) -> AsyncIterator[Page]:
    async with open_page(stage, browser) as opened:
        yield opened


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Picture:
    """Keeps a picture of the page for README and docs, where `make pictures` asks for it."""
    folder: Path | None = request.config.getoption("--pictures")

    async def keep(page: Page, name: str) -> None:
        if folder is not None:
            await page.evaluate("document.fonts.ready")
            await page.screenshot(path=folder / f"{name}.png")

    return keep
