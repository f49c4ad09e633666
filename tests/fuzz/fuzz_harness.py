"""The town in which is fuzzed: over HTTP, with people who have linked their accounts, at no pace but its own."""

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

from domain.provider import Provider
from sandbox.buildio.oauth_grants import CLIENT_ID, CLIENT_SECRET
from sandbox.middleware import ResponseRewriter
from services.polling.poller import Poller
from services.polling.pollers import Pollers
from services.request.request_tracker import RequestTracker
from tests.fuzz import buildio_scenario
from tests.fuzz.buildio_scenario import PlantedSecrets
from tests.fuzz.leak_detector import LeakDetector, LogCapture, broken_lines, capture_logs
from tests.fuzz.request_sender import RequestSender
from tests.fuzz.secret_tracker import SecretTracker
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.stub_server import reserve_port

PEOPLE = ("anna", "ben", "carla")
# The others paste a token of their own.
SIGNS_IN = "ben"
_CODE = re.compile(r"[2-9A-Z]{4}(?:-[2-9A-Z]{4}){3}")
# What is started of the second app needs a second person.
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
    """A town, what its bot lets out, and how to wait for it."""

    town: BotHarness
    listening: RequestTracker
    ear: LogCapture
    evidence: LeakDetector
    sender: RequestSender
    planted: PlantedSecrets
    lookout: Pollers

    async def rest(self) -> None:
        """Wait until the bot has answered everything. Raises TimeoutError."""
        async with asyncio.timeout(30):
            await self.listening.drain()

    async def is_well(self) -> None:
        """Assert that the bot answers somebody as it always did, and put right what the examples have undone."""
        town = self.town
        for channel in town.slack.workspace.channels.values():
            del channel.posts[:-20]
        for person in PEOPLE:
            town.slack.workspace.views.pop(f"U0{person.upper()}", None)
        self.planted.put_back()
        await self._link_again()
        if not await town.rows("SELECT 1 FROM subscriptions WHERE stopped_reason IS NULL"):
            await town.ask("/bitrise subscribe android", "subscribed")
        await town.ask("/bitrise help", "What you can type")
        await town.ask("/bitrise status android", "Sample Android")
        await town.ask("/buildio app shop", "shop")

    async def link(self) -> None:
        """Let everybody link both of their accounts; one of them signs in on Build.io's own page."""
        await self.town.connect(*PEOPLE)
        others = (person for person in PEOPLE if person != SIGNS_IN)
        await self.town.connect(*others, provider=Provider.BUILDIO)
        await self.sign_in(SIGNS_IN)

    async def sign_in(self, person: str) -> None:
        """Let somebody link their account on Build.io's own page."""
        town = self.town
        await town.people.command(person, "builds", "/buildio connect")
        opened = await town.slack.wait_for_modal(person, "API token")
        [url] = [block["accessory"]["url"] for block in opened.view["blocks"] if "accessory" in block]
        status, page = await town.buildio.consent(url, person=person)
        code = _CODE.search(page)
        assert code is not None, f"{status}: {page}"
        await town.people.submit(person, {"token": code[0]})
        await town.slack.wait_for_modal(person, "with your own token")
        await town.people.close_modal(person)

    async def _link_again(self) -> None:
        rows = await self.town.rows("SELECT user_id, provider FROM accounts WHERE broken_at IS NULL")
        for person in PEOPLE:
            for provider in (Provider.BITRISE, Provider.BUILDIO):
                if (f"U0{person.upper()}", provider) in rows:
                    continue
                if provider is Provider.BUILDIO and person == SIGNS_IN:
                    await self.sign_in(person)
                else:
                    await self.town.connect(person, provider=provider)

    async def accounts(self) -> dict[str, set[str]]:
        """Who is who at Bitrise and at Build.io."""
        found: dict[str, set[str]] = {}
        for user, name in await self.town.rows("SELECT user_id, name FROM accounts"):
            found.setdefault(str(user), set()).add(str(name).partition("@")[0])
        return found

    async def look(self) -> None:
        """Let the watchers look once more, from beginning to end, whatever comes of it. Raises TimeoutError."""
        before = {one: _looks(one) for one in self.lookout.pollers.values()}
        for provider in self.lookout.pollers:
            self.lookout.poll_now(provider)
        await self.town.wait_until(lambda: all(_looks(one) != seen for one, seen in before.items()))

    def twist_answers(self, twist: ResponseRewriter) -> None:
        """Let this change what both providers answer; what Build.io hands out is kept as a secret before."""
        self.town.bitrise.twist = twist
        overhear = self.evidence.secrets.add_observed
        self.town.buildio.twist = lambda asked, body: twist(asked, overhear(asked, body))

    def nothing_is_broken(self, lines: Sequence[str]) -> None:
        """Raises AssertionError where one of the log's lines tells of something broken."""
        broken = broken_lines(lines)
        assert not broken, "\n".join(broken)[-3000:].replace("\\n", "\n")


def _looks(watcher: Poller) -> tuple[object, int]:
    """What is another with each look."""
    return watcher.last_success, watcher.failures


@contextmanager
def fuzz_harness(
    runner: asyncio.Runner, folder: Path, *, poll_interval: str = "0.2", signing: str = ""
) -> Iterator[FuzzHarness]:
    """A town in the runner's loop, without Slack's and the bot's own pace, so that much can be tried in a minute.

    The bot looks at Bitrise so often by itself, and checks its webhook's signatures with `signing` if that is given.
    """
    opening = _open_scene(folder, poll_interval, signing)
    scene = runner.run(opening.__aenter__())
    try:
        yield scene
    finally:
        runner.run(opening.__aexit__(None, None, None))


@asynccontextmanager
async def _open_scene(folder: Path, poll_interval: str, signing: str) -> AsyncIterator[FuzzHarness]:
    (folder / "bot").mkdir()
    (folder / "policy.toml").write_text(POLICY)
    made: list[RequestTracker] = []
    lookouts: list[Pollers] = []
    line = reserve_port()
    port = str(line.getsockname()[1])

    def remembered(*given: Any) -> RequestTracker:
        made.append(RequestTracker(*given))
        return made[-1]

    def watching(*given: Any) -> Pollers:
        lookouts.append(Pollers(*given))
        return lookouts[-1]

    with (
        closing(line),
        capture_logs() as ear,
        patch("bot.app.RequestTracker", remembered),
        patch("bot.providers_setup.Pollers", watching),
        patch("services.home.refresher.PUBLISHED_A_MINUTE", 1_000_000),
        # What was read a moment ago is read anew, so that each example is heard of.
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
        ) as town:
            town.slack.rates.lifted = True
            town.buildio.redirect_uris.append(f"http://127.0.0.1:{port}/buildio/oauth_redirect")
            secrets = SecretTracker()
            town.buildio.twist = secrets.add_observed
            planted = PlantedSecrets(town.buildio, secrets, town.clock())
            sender = RequestSender(town)
            scene = FuzzHarness(
                town, made[-1], ear, LeakDetector(town, ear, secrets), sender, planted, lookouts[-1]
            )
            try:
                await scene.link()
                yield scene
            finally:
                await sender.close()


class OutcomeCounter:
    """How often something came, to be printed at the end: a test that tries nothing should show it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, what: object) -> None:
        """Once more."""
        self.counts[str(what)] += 1

    def __str__(self) -> str:
        return ", ".join(f"{what}: {count}" for what, count in self.counts.most_common())
