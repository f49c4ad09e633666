"""A real Chromium before the sandbox's page."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright, expect

from bot.manifest import manifest
from sandbox.control import Control
from sandbox.live import seed
from sandbox.page import add_page
from sandbox.stage import Stage
from tests.forked_bot import forked_stage

Picture = Callable[[Page, str], Awaitable[None]]

# A busy machine may take its time.
expect.set_options(timeout=30_000)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Of several such options the last holds, so this begins with what Playwright turns off.
PLAYWRIGHT_OFF = (
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,"
    "HttpsFirstBalancedModeAutoEnable,LensOverlay,MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,"
    "AvoidCorsURLLoaderRestartOnRedirect,TcpPortRandomizationWin,OptimizationHints,NetworkTimeServiceQuerying,"
    "AimEnabled,PreconnectToSearch,msForceBrowserSignIn,msEdgeUpdateLaunchServicesPreferredVersion"
)
# Else each page brings pages of the browser's own, for an address bar that nobody sees, and a spare process.
OURS_OFF = "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,SpareRendererForSitePerProcess"


def add_routes(stage: Stage) -> Callable[[web.Application], None]:
    """The page, and what it asks the sandbox to do."""

    def add(app: web.Application) -> None:
        Control(stage).add_routes(app)
        add_page(app, stage)

    return add


@pytest_asyncio.fixture(loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """Both services, with the real bot between them."""
    opened = forked_stage(manifest())
    async with opened:
        await opened.start(
            also=add_routes(opened),
            settings={"POLL_INTERVAL": "0.3", "POLL_INTERVAL_ACTIVE": "0.2"},
        )
        await opened.link("anna")
        seed(opened)
        yield opened
        assert opened.slack.violations == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Play everything here in one event loop, that of the browser, which is started once."""
    here = f"{Path(__file__).parent}{os.sep}"
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium on this machine; .ci/run installs it")
        pytest.skip("no Chromium on this machine: install it to run the browser tests")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", f"--disable-features={PLAYWRIGHT_OFF},{OURS_OFF}"],
        )
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
    try:
        await opened.goto(stage.slack.url)
        await opened.get_by_role("button", name="builds").wait_for()
        yield opened
    finally:
        await opened.close()
    # What the sandbox refuses, it refuses with this status; the page shows why.
    assert [one for one in wrong if "400 (Bad Request)" not in one] == []


@pytest_asyncio.fixture(loop_scope="session")
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
