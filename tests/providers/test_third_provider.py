"""A provider that nobody has heard of, in one folder (tests/tiny): all else is there already."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.app import utc_now
from bot.manifest import manifest
from bot.providers_setup import SPECS
from domain.build import App
from domain.notifications.rule import DeliveryStyle, NotificationRule, Result
from domain.provider_errors import ProviderDown
from sandbox.clock import Clock
from sandbox.slack.transcript import home_text
from services.provider_description import ProviderRegistry
from storage.repositories import Repositories
from tests.support.bot_harness import BotHarness
from tests.support.factories import NOON
from tests.support.notification_harness import NotificationHarness, notification_harness
from tests.tiny.provider import TINY
from tests.tiny.simulator import Job, TinySimulator
from tests.tiny.source import TinyBuildSource
from tests.tiny.spec import SERVICE_TOKEN, tiny_spec

LIBRARY = App(provider=TINY, slug="library", title="Library")


class TinyHarness:
    def __init__(self, service: TinySimulator, clock: Clock, watch: NotificationHarness) -> None:
        self.service, self.clock, self.watch = service, clock, watch

    def run(self) -> Job:
        self.clock.skip(timedelta(minutes=1))
        return self.service.run(LIBRARY.slug, self.clock())

    def end(self, job: Job, *, passed: bool) -> None:
        self.clock.skip(timedelta(minutes=1))
        job.passed, job.ended_at = passed, self.clock()


@pytest.fixture
async def harness(repositories: Repositories) -> AsyncIterator[TinyHarness]:
    clock, service = Clock(lambda: NOON), TinySimulator()
    async with notification_harness(repositories, lambda: TinyBuildSource(service), clock) as watch:
        yield TinyHarness(service, clock, watch)


async def test_its_builds_are_told_once_whatever_was_there_before(harness: TinyHarness) -> None:
    harness.end(harness.run(), passed=False)
    open_ = harness.run()
    await harness.watch.subscribe(LIBRARY)
    harness.end(open_, passed=True)
    harness.end(harness.run(), passed=False)
    for _ in range(3):
        await harness.watch.poll_and_deliver()
    assert harness.watch.first_lines == ["✅ Library #2 passed", "❌ Library #3 failed"]


async def test_its_cards_lead_to_its_own_page_and_offer_nothing_that_it_can_not_do(
    harness: TinyHarness,
) -> None:
    await harness.watch.subscribe(LIBRARY)
    harness.end(harness.run(), passed=False)
    await harness.watch.poll_and_deliver()
    [post] = harness.watch.slack.posts("builds")
    pressed = [one for block in post.blocks for one in block.get("elements", []) if one["type"] == "button"]
    assert [(one["text"]["text"], one["url"]) for one in pressed] == [
        ("Open in Tiny CI", "https://tiny.example/library/1")
    ]


async def test_its_builds_are_told_after_an_outage_and_a_restart(harness: TinyHarness) -> None:
    await harness.watch.subscribe(LIBRARY)
    job = harness.run()
    assert (await harness.watch.poll_and_deliver()).running
    harness.end(job, passed=True)
    harness.service.away = True
    with pytest.raises(ProviderDown, match="Tiny CI can't be reached"):
        await harness.watch.poll_and_deliver()
    harness.service.away = False
    harness.watch.restart()
    await harness.watch.poll_and_deliver()
    assert harness.watch.first_lines == ["✅ Library #1 passed"]


async def test_filters_series_and_styles_are_those_of_everybody(harness: TinyHarness) -> None:
    await harness.watch.subscribe(LIBRARY, NotificationRule(results=frozenset({Result.BROKEN, Result.FIXED})))
    for passed in (True, False, False, True):
        harness.end(harness.run(), passed=passed)
    await harness.watch.poll_and_deliver()
    assert harness.watch.first_lines == ["❌ Library #2 failed", "✅ Library #4 passed"]


async def test_a_series_is_one_card_that_changes(harness: TinyHarness) -> None:
    await harness.watch.subscribe(LIBRARY, NotificationRule(style=DeliveryStyle.CARD))
    for passed in (True, False, False):
        harness.end(harness.run(), passed=passed)
        await harness.watch.poll_and_deliver()
    [broken] = harness.watch.first_lines
    assert broken == "🔴 Library on `main` is failing"
    harness.end(harness.run(), passed=True)
    await harness.watch.poll_and_deliver()
    [mended] = harness.watch.first_lines
    assert mended.startswith("🟢 Library on `main` is fixed")


def home_of(harness: BotHarness, person: str) -> str:
    workspace = harness.slack.workspace
    view = workspace.homes.get(workspace.find_user(person).id)
    return home_text(view, workspace.mention_names) if view else ""


@pytest.fixture
async def whole_bot(tmp_path: Path) -> AsyncIterator[tuple[BotHarness, TinySimulator]]:
    """The whole bot in the sandbox, with Tiny CI as its third provider."""
    tiny = TinySimulator(users={SERVICE_TOKEN: "bot", "tiny-anna": "anna", "tiny-ben": "ben"})
    with_tiny = copy.deepcopy(dict(manifest()))
    commands = with_tiny["features"]["slash_commands"]
    commands.append({**commands[0], "command": "/tiny"})
    (tmp_path / "policy.toml").write_text(
        '[[rule]]\nprotect = ["trigger"]\nproviders = ["tiny"]\nwho = ["U0BEN"]\n'
    )
    settings = {"policy_file": str(tmp_path / "policy.toml")}
    harness = BotHarness(
        tmp_path,
        manifest_=with_tiny,
        settings=settings,
        registry=ProviderRegistry([*SPECS, tiny_spec(tiny, utc_now)]),
    )
    tiny.run("library", utc_now())
    await harness.open()
    try:
        await harness.start_bot()
        yield harness, tiny
    finally:
        await harness.close()


async def test_the_whole_bot_serves_it_from_the_command_to_the_approved_action(
    whole_bot: tuple[BotHarness, TinySimulator],
) -> None:
    harness, tiny = whole_bot
    for user in ("anna", "ben"):
        await harness.connect(user, token=f"tiny-{user}", provider=TINY)
    await harness.ask("/tiny jobs library", "Library #1 is running")
    await harness.ask("/tiny subscribe library", "subscribed to")

    # A job that ends is notified, with the provider's own button.
    [job] = tiny.jobs["library"]
    job.passed, job.ended_at = False, utc_now()
    failed = await harness.wait_for_message("❌ Library #1 failed", person=None)

    # The operator's rule asks for a second person.
    await harness.users.click("anna", failed, "Retry")
    question = await harness.wait_for_message("requests approval to retry Library #1", person=None)
    assert len(tiny.jobs["library"]) == 1
    await harness.users.click("ben", question, "Approve")
    await harness.wait_for_message("anna started Library #2", person=None)
    assert tiny.jobs["library"][-1].started_by == "anna"

    # The form starts another one, as whoever submits it.
    listed = await harness.ask("/tiny jobs library", "Library #2", person="ben")
    await harness.users.click("ben", listed, "Start a job…")
    await harness.slack.wait_for_modal("ben", "Start a job")
    await harness.users.submit("ben", {"project": "library"})

    # Home knows the account.
    harness.users.open_home("anna")
    await harness.wait_until(lambda: "YOUR TINY CI ACCOUNT\nConnected as `anna`." in home_of(harness, "anna"))
    assert harness.slack.violations == []
