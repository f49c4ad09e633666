"""The fuzz harness: the bot over HTTP, with connected accounts and without rate limits."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from sandbox.buildio.oauth_grants import CLIENT_ID, CLIENT_SECRET
from sandbox.middleware import ResponseRewriter
from services.polling.poller import Poller, Pollers
from services.request.request_tracker import RequestTracker
from tests.fuzz import buildio_scenario
from tests.fuzz.buildio_scenario import PlantedSecrets
from tests.fuzz.leak_detector import LeakDetector, LogCapture, capture_logs, error_lines
from tests.fuzz.request_sender import RequestSender
from tests.fuzz.secret_tracker import SecretTracker
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.stub_server import reserve_port

PEOPLE = ("anna", "ben", "carla")
# The other users paste their own token.
SIGNS_IN = "ben"
_CODE = re.compile(r"[2-9A-Z]{4}(?:-[2-9A-Z]{4}){3}")
# Starting the second app needs a second approver.
POLICY = f"""
[[rule]]
protect = ["trigger"]
apps = ["bitrise-samples/sample-ios"]
{buildio_scenario.POLICY}
"""
NO_TIME = timedelta(-1)
WEBHOOK_SECRET = "a-secret-in-the-address-of-the-webhook"


@dataclass
class FuzzHarness:
    """A bot harness, the bot's output, and waiting for the bot."""

    harness: BotHarness
    listening: RequestTracker
    log_capture: LogCapture
    leak_detector: LeakDetector
    sender: RequestSender
    planted: PlantedSecrets
    pollers: Pollers

    async def wait_until_idle(self) -> None:
        """Wait until the bot has handled all requests. Raises TimeoutError."""
        async with asyncio.timeout(30):
            await self.listening.drain()

    async def assert_healthy(self) -> None:
        """Assert that the bot still responds normally, and restore what the examples changed."""
        harness = self.harness
        for channel in harness.slack.workspace.channels.values():
            del channel.posts[:-20]
        for user in PEOPLE:
            harness.slack.workspace.views.pop(f"U0{user.upper()}", None)
        self.planted.restore()
        await self._reconnect_accounts()
        if not await harness.rows("SELECT 1 FROM subscriptions WHERE stopped_reason IS NULL"):
            await harness.ask("/bitrise subscribe android", "subscribed")
        await harness.ask("/bitrise help", "Commands")
        await harness.ask("/bitrise status android", "Sample Android")
        await harness.ask("/buildio app shop", "shop")

    async def connect_accounts(self) -> None:
        """Connect all users' accounts; one of them uses Build.io's OAuth page."""
        await self.harness.connect(*PEOPLE)
        others = (user for user in PEOPLE if user != SIGNS_IN)
        await self.harness.connect(*others, provider=BUILDIO)
        await self.connect_by_oauth(SIGNS_IN)

    async def connect_by_oauth(self, user: str) -> None:
        """Connect a user's account on Build.io's OAuth page."""
        harness = self.harness
        await harness.users.command(user, "builds", "/buildio connect")
        opened = await harness.slack.wait_for_modal(user, "API token")
        [url] = [block["accessory"]["url"] for block in opened.view["blocks"] if "accessory" in block]
        status, page = await harness.buildio.give_consent(url, user=user)
        code = _CODE.search(page)
        assert code is not None, f"{status}: {page}"
        await harness.users.submit(user, {"token": code[0]})
        await harness.slack.wait_for_modal(user, "uses your own token")
        await harness.users.close_modal(user)

    async def _reconnect_accounts(self) -> None:
        rows = await self.harness.rows("SELECT user_id, provider FROM accounts WHERE broken_at IS NULL")
        for user in PEOPLE:
            for provider in (BITRISE, BUILDIO):
                if (f"U0{user.upper()}", provider) in rows:
                    continue
                if provider is BUILDIO and user == SIGNS_IN:
                    await self.connect_by_oauth(user)
                else:
                    await self.harness.connect(user, provider=provider)

    async def accounts(self) -> dict[str, set[str]]:
        """Return the accounts of users at Bitrise and Build.io."""
        found: dict[str, set[str]] = {}
        for user, name in await self.harness.rows("SELECT user_id, name FROM accounts"):
            found.setdefault(str(user), set()).add(str(name).partition("@")[0])
        return found

    async def poll(self) -> None:
        """Run one complete poll, whatever the result. Raises TimeoutError."""
        before = {poller: _poll_state(poller) for poller in self.pollers.pollers.values()}
        for provider in self.pollers.pollers:
            await self.pollers.poll_now(provider)
        await self.harness.wait_until(
            lambda: all(_poll_state(poller) != state for poller, state in before.items())
        )

    def rewrite_responses(self, rewrite: ResponseRewriter) -> None:
        """Rewrite the responses of both providers; secrets that Build.io issues are tracked first."""
        self.harness.bitrise.response_rewriter = rewrite
        add_observed = self.leak_detector.secrets.add_observed
        self.harness.buildio.response_rewriter = lambda request_name, body: rewrite(
            request_name, add_observed(request_name, body)
        )

    def assert_no_errors(self, lines: Sequence[str]) -> None:
        """Assert that no log line reports an error. Raises AssertionError."""
        errors = error_lines(lines)
        assert not errors, "\n".join(errors)[-3000:].replace("\\n", "\n")


def _poll_state(poller: Poller) -> tuple[object, int]:
    """Return what changes with each poll."""
    return poller.last_success, poller.failures


@contextmanager
def fuzz_harness(
    runner: asyncio.Runner, folder: Path, *, poll_interval: str = "0.2", signing: str = ""
) -> Iterator[FuzzHarness]:
    """Yield a harness in the runner's loop, without rate limits of Slack and the bot, for many examples per minute.

    The bot polls Bitrise at this interval, and checks webhook signatures with `signing` if given.
    """
    context = _open_harness(folder, poll_interval, signing)
    target = runner.run(context.__aenter__())
    try:
        yield target
    finally:
        runner.run(context.__aexit__(None, None, None))


@asynccontextmanager
async def _open_harness(folder: Path, poll_interval: str, signing: str) -> AsyncIterator[FuzzHarness]:
    (folder / "bot").mkdir()
    (folder / "policy.toml").write_text(POLICY)
    trackers: list[RequestTracker] = []
    all_pollers: list[Pollers] = []
    reserved_port = reserve_port()
    port = str(reserved_port.getsockname()[1])

    def create_tracker(*arguments: Any) -> RequestTracker:
        trackers.append(RequestTracker(*arguments))
        return trackers[-1]

    def create_pollers(*arguments: Any, **options: Any) -> Pollers:
        all_pollers.append(Pollers(*arguments, **options))
        return all_pollers[-1]

    with (
        closing(reserved_port),
        capture_logs() as log_capture,
        patch("bot.app.RequestTracker", create_tracker),
        patch("bot.providers_setup.Pollers", create_pollers),
        patch("services.home.refresher.PUBLISHED_A_MINUTE", 1_000_000),
        # Caches are disabled, so that each example is read.
        patch("services.accounts.app_catalog.FRESH", NO_TIME),
        patch("services.accounts.app_catalog.FRESH_ENOUGH_FOR_A_MISS", NO_TIME),
        patch("services.request.app_visibility.FRESH", NO_TIME),
        patch("services.request.app_visibility.FRESH_ENOUGH_FOR_A_MISS", NO_TIME),
        patch("services.lookup.option_cache.FRESH", NO_TIME),
        patch("services.home.build_cache.FRESH", NO_TIME),
        patch("services.lookup.duration_estimates.FRESH", NO_TIME),
    ):
        async with bot_harness(
            folder / "bot",
            http=True,
            service_token_acts="0",
            policy_file=str(folder / "policy.toml"),
            webhook_secret=WEBHOOK_SECRET,
            bitrise_webhook_secret=signing,
            poll_interval=poll_interval,
            poll_interval_active=poll_interval,
            port=port,
            public_url=f"http://127.0.0.1:{port}",
            buildio_client_id=CLIENT_ID,
            buildio_client_secret=CLIENT_SECRET,
        ) as harness:
            harness.slack.rate_limits.disabled = True
            harness.buildio.redirect_uris.append(f"http://127.0.0.1:{port}/buildio/oauth_redirect")
            secrets = SecretTracker()
            harness.buildio.response_rewriter = secrets.add_observed
            planted = PlantedSecrets(harness.buildio, secrets, harness.clock())
            sender = RequestSender(harness)
            target = FuzzHarness(
                harness,
                trackers[-1],
                log_capture,
                LeakDetector(harness, log_capture, secrets),
                sender,
                planted,
                all_pollers[-1],
            )
            try:
                await target.connect_accounts()
                yield target
            finally:
                await sender.close()


class OutcomeCounter:
    """Counts outcomes to print at the end; a test that tries nothing should show it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, outcome: object) -> None:
        """Count one outcome."""
        self.counts[str(outcome)] += 1

    def __str__(self) -> str:
        return ", ".join(f"{outcome}: {count}" for outcome, count in self.counts.most_common())
