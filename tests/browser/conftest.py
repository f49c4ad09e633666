"""Chromium with the sandbox's page."""

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
from sandbox.control_api import ControlApi
from sandbox.environment import SandboxEnvironment
from sandbox.example_data import seed_builds
from sandbox.page.routes import add_page
from tests.support.forked_bot import forked_environment

Picture = Callable[[Page, str], Awaitable[None]]

# A busy machine may be slow.
expect.set_options(timeout=30_000)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Chromium uses only the last such option, so this repeats what Playwright disables.
PLAYWRIGHT_DISABLED = (
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,"
    "HttpsFirstBalancedModeAutoEnable,LensOverlay,MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,"
    "AvoidCorsURLLoaderRestartOnRedirect,TcpPortRandomizationWin,OptimizationHints,NetworkTimeServiceQuerying,"
    "AimEnabled,PreconnectToSearch,msForceBrowserSignIn,msEdgeUpdateLaunchServicesPreferredVersion"
)
# Without these, each page starts pages of the browser's own address bar, and a spare process.
DISABLED = "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,SpareRendererForSitePerProcess"


def add_routes(environment: SandboxEnvironment) -> Callable[[web.Application], None]:
    """Add the page and the control API."""

    def add(app: web.Application) -> None:
        ControlApi(environment).add_routes(app)
        add_page(app, environment)

    return add


@pytest_asyncio.fixture(loop_scope="session")
async def environment() -> AsyncIterator[SandboxEnvironment]:
    """Start the environment with the real bot."""
    opened = forked_environment(manifest())
    async with opened:
        await opened.start(
            add_routes=add_routes(opened),
            settings={"POLL_INTERVAL": "0.3", "POLL_INTERVAL_ACTIVE": "0.2"},
        )
        await opened.connect_accounts("anna")
        seed_builds(opened)
        yield opened
        assert opened.slack.violations == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all browser tests in one event loop, that of the browser, which is started once."""
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
            args=["--no-sandbox", f"--disable-features={PLAYWRIGHT_DISABLED},{DISABLED}"],
        )
        yield opened
        await opened.close()


@asynccontextmanager
async def open_page(environment: SandboxEnvironment, browser: Browser) -> AsyncIterator[Page]:
    """Open the page as Anna in #builds; fails on console errors and on requests to other hosts."""
    wrong: list[str] = []
    opened = await browser.new_page(viewport={"width": 1280, "height": 800})
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on(
        "request",
        lambda asked: (
            wrong.append(asked.url) if not asked.url.startswith((environment.slack.url, "data:")) else None
        ),
    )
    try:
        await opened.goto(environment.slack.url)
        await opened.get_by_role("button", name="builds").wait_for()
        yield opened
    finally:
        await opened.close()
    # The sandbox uses this status for refused commands; the page shows the reason.
    assert [item for item in wrong if "400 (Bad Request)" not in item] == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(environment: SandboxEnvironment, browser: Browser) -> AsyncIterator[Page]:
    async with open_page(environment, browser) as opened:
        yield opened


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Picture:
    """Take a screenshot for README and docs with `make pictures`."""
    folder: Path | None = request.config.getoption("--pictures")

    async def keep(page: Page, name: str) -> None:
        if folder is not None:
            await page.evaluate("document.fonts.ready")
            await page.screenshot(path=folder / f"{name}.png")

    return keep
