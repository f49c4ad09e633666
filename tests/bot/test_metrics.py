"""What /metrics says while the whole bot works, and while Slack, a provider or the database fails."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from services.metrics import Metrics
from tests.services.outbox.test_delivery_styles import start_build
from tests.support.bot_harness import BotHarness, bot_harness

TEAM_OR_PERSON = re.compile(r"\b[TUCE]0[A-Z0-9]{3,}")


class MetricsPage:
    """The page as Prometheus reads it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self.samples[sample.name, frozenset(sample.labels.items())] = sample.value

    def value(self, name: str, **labels: str) -> float:
        """Return a sample's value, 0 if it is missing, as `rate` in PromQL treats it."""
        return self.samples.get((f"buildbell_{name}", frozenset(labels.items())), 0)


async def read_metrics(harness: BotHarness) -> MetricsPage:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{harness.bot.port}/metrics") as response,
    ):
        return MetricsPage(await response.text())


async def wait_for_metrics(harness: BotHarness, condition: Callable[[MetricsPage], bool]) -> MetricsPage:
    """Read the metrics until they fulfil the condition."""
    page = await read_metrics(harness)
    try:
        async with asyncio.timeout(60):
            while not condition(page):
                await asyncio.sleep(0.05)
                page = await read_metrics(harness)
    except TimeoutError:
        raise TimeoutError(f"not within a minute; the last page was\n{page.text}") from None
    return page


async def test_metrics_follow_notifications_polls_and_homes(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as harness:
        await harness.ask("/bitrise subscribe android", "subscribed")
        await harness.wait_for_poll()
        before = await wait_for_metrics(harness, lambda page: page.value("ready") == 1)
        assert before.value("database_available") == 1
        assert before.value("polls_total", provider="bitrise", outcome="succeeded") > 0
        assert before.value("notification_lag_seconds_count") == before.value("outbox_age_seconds") == 0
        harness.users.open_home("anna")
        await harness.wait_for_commands("home")
        start_build(harness, "success")
        page = await wait_for_metrics(
            harness, lambda page: page.value("homes_open") == page.value("notifications_told_total") == 1
        )
        assert page.value("notification_lag_seconds_count") == 1
        # The page before may have been rendered between the two.
        page = await read_metrics(harness)
        assert page.value("outbox_depth") == page.value("outbox_age_seconds") == 0

        # While Slack does not accept it, a notification grows older.
        harness.slack.fault("chat.postMessage", "error", times=10**6)
        start_build(harness, "error")
        page = await wait_for_metrics(harness, lambda page: page.value("outbox_age_seconds") > 0.5)
        assert page.value("outbox_depth") == 1
        older = await wait_for_metrics(
            harness,
            lambda later: later.value("outbox_age_seconds") > page.value("outbox_age_seconds"),
        )
        assert not TEAM_OR_PERSON.search(older.text)


async def test_metrics_count_a_providers_errors_and_pauses(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as harness:
        await harness.ask("/bitrise subscribe android", "subscribed")
        await harness.wait_for_poll()
        before = await read_metrics(harness)
        assert not [name for name, _ in before.samples if name == "buildbell_provider_pauses_total"]
        harness.bitrise.fault("*", "status", times=10**6, status=401)
        page = await wait_for_metrics(
            harness,
            lambda page: page.value("polls_total", provider="bitrise", outcome="token_refused") > 0,
        )
        assert page.value("provider_errors_total", provider="bitrise", kind="invalid_token") > 0
        harness.bitrise.faults.clear()
        await harness.wait_for_poll()
        harness.bitrise.fault("*", "ratelimited", seconds=60)
        page = await wait_for_metrics(
            harness,
            lambda page: page.value("polls_total", provider="bitrise", outcome="rate_limited") == 1,
        )
        # Waiting for the end of the pause is no error of the provider's.
        assert page.value("provider_errors_total", provider="bitrise", kind="rate_limited") == 1
        assert page.value("provider_pauses_total", provider="bitrise") == 1


def test_each_metric_says_how_to_aggregate_it() -> None:
    families = list(text_string_to_metric_families(Metrics().render().decode()))
    assert len(families) > 15
    for family in families:
        if family.name.endswith("_created"):
            continue
        assert re.search(
            r"\((of this process: (sum|min)|shared by all bots: max)\)$", family.documentation
        ), family.name
        # A rate of a counter that all bots shared would count everything several times, and the other way round.
        is_gauge = family.type == "gauge"
        assert is_gauge or "of this process: sum" in family.documentation


def test_the_buckets_of_the_lag_enclose_the_promise_at_the_default_interval() -> None:
    bounds = [
        float(sample.labels["le"])
        for family in Metrics().registry.collect()
        for sample in family.samples
        if sample.name == "buildbell_notification_lag_seconds_bucket"
    ]
    assert 30.5 in bounds
    assert bounds[-1] == math.inf
