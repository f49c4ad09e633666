"""The whole bot with the simulated Build.io: notifications."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

from pydantic import SecretStr

from domain.build import App
from domain.credentials import FixedToken
from domain.notifications.rule import NotificationRule
from providers.buildio.api.client import BuildioClient
from providers.buildio.polling.source import BuildioBuildSource
from providers.buildio.provider import BUILDIO
from providers.http.transport import HttpTransport
from sandbox.buildio.members import TOKEN
from storage.sqlite_database import SqliteDatabase
from tests.support.bot_harness import BotHarness
from tests.support.repositories import make_repositories


@asynccontextmanager
async def harness_subscribed_to_shop(folder: Path, **settings: str) -> AsyncIterator[BotHarness]:
    """Open a harness in which #builds was subscribed to shop before the bot started."""
    harness = BotHarness(folder, settings=settings)
    await harness.open()
    try:
        await subscribe(harness)
        await harness.start_bot()
        yield harness
        assert harness.slack.violations == []
        assert harness.buildio.violations == []
    finally:
        await harness.close()


async def subscribe(harness: BotHarness) -> None:
    database = await SqliteDatabase.open(harness.folder / "buildbell.db")
    async with HttpTransport() as http:
        client = BuildioClient(
            http,
            credentials=FixedToken(SecretStr(TOKEN)),
            base_url=harness.buildio.api_url,
            clock=harness.clock,
        )
        shop = App(provider=BUILDIO, slug=harness.buildio.shop.id, title="shop")
        await (
            make_repositories(database)
            .of(harness.slack.workspace.team)
            .subscriptions.add(
                channel=harness.slack.workspace.find_channel("builds").id,
                app=shop,
                terms=NotificationRule(),
                by="U0ANNA",
                at=harness.clock(),
                baseline=await BuildioBuildSource(client, clock=harness.clock).baseline(shop.slug),
            )
        )
    await database.close()


async def test_a_deployment_is_notified_beside_bitrises_builds(tmp_path: Path) -> None:
    async with harness_subscribed_to_shop(tmp_path) as harness:
        harness.buildio.deploy(harness.buildio.shop, fails="Build failed: no Procfile")
        harness.clock.skip(timedelta(minutes=5))
        post = await harness.wait_for_message("shop deployment v2 failed")
        assert "no Procfile" in harness.message_text(post)
        await harness.ask("/bitrise subscribe android", "subscribed to")
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
        await harness.wait_for_message("Sample Android #1 passed")
        assert len(harness.messages_with("shop deployment v2")) == 1


async def test_build_io_alone_is_enough(tmp_path: Path) -> None:
    async with harness_subscribed_to_shop(tmp_path, bitrise_token="") as harness:
        harness.buildio.crash(harness.buildio.dyno(harness.buildio.shop))
        await harness.wait_for_message("shop web.1 crashed")
        paths = [request.path for request in harness.bitrise.requests]
        assert paths == []
        ready = json.loads(await fetch_page(harness, "readyz"))
        assert ready["buildio_failures"] == 0
        assert "bitrise_failures" not in ready


async def test_a_revoked_token_is_counted_in_the_metrics_of_its_provider_only(
    tmp_path: Path,
) -> None:
    async with harness_subscribed_to_shop(tmp_path) as harness:
        harness.buildio.revoke(TOKEN)
        sample = harness.bot.metrics.registry.get_sample_value

        async def failed() -> tuple[float | None, float | None]:
            await fetch_page(harness, "metrics")
            at = [{"provider": name} for name in ("buildio", "bitrise")]
            one, other = (sample("buildbell_watch_failures", labels) for labels in at)
            return one, other

        while not (failures := await failed())[0]:
            pass
        assert failures[1] == 0


async def test_a_restarted_bot_notifies_everything_once(tmp_path: Path) -> None:
    async with harness_subscribed_to_shop(tmp_path) as harness:
        harness.buildio.deploy(harness.buildio.shop)
        for _ in range(4):
            await harness.stop_bot()
            harness.clock.skip(timedelta(seconds=60))
            await harness.start_bot()
        await harness.wait_for_message("shop deployment v2 succeeded")
        await harness.stop_bot()
        await harness.start_bot()
        harness.buildio.deploy(harness.buildio.shop, fails="no")
        harness.clock.skip(timedelta(minutes=5))
        await harness.wait_for_message("shop deployment v3 failed")
        assert len(harness.messages_with("shop deployment v2")) == 1


async def fetch_page(harness: BotHarness, page: str) -> str:
    def get() -> str:
        with urlopen(f"http://127.0.0.1:{harness.bot.port}/{page}") as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(get)
