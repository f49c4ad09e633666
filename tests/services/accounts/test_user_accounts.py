"""A request reads a person's accounts once, and uses none that was disconnected before it began."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from domain.provider_errors import NotConnected
from providers.bitrise.provider import BITRISE
from providers.buildio.api.access import own_client
from providers.buildio.provider import BUILDIO
from services.features.accounts.commands import wipe
from storage.accounts import Accounts
from tests.services.actions.action_harness import ActionHarness, action_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ActionHarness]:
    async with action_harness(tmp_path) as opened:
        await opened.connect("anna")
        yield opened


@contextmanager
def count_reads() -> Iterator[list[str]]:
    """Yield the people whose accounts are read meanwhile, one for each read."""
    reads: list[str] = []

    def counted(read: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def read_and_count(accounts: Accounts, user: str, *arguments: Any) -> Any:
            reads.append(user)
            return await read(accounts, user, *arguments)

        return read_and_count

    with (
        mock.patch.object(Accounts, "of", counted(Accounts.of)),
        mock.patch.object(Accounts, "find", counted(Accounts.find)),
    ):
        yield reads


async def test_a_request_reads_the_accounts_once(harness: ActionHarness) -> None:
    bot = harness.harness
    await bot.connect("anna")
    bot.bitrise.start_running(bot.bitrise.start_build(bot.bitrise.android))
    # None of them makes a subscription, for which the access checker would read the account, too.
    for command, expected in (
        ("builds android", "newest first"),
        ("log android #1 a-word-that-is-long-enough-for-a-token", "a-word-that-is-long"),
        ("abort android #1 wrong branch", "aborted Sample Android #1"),
    ):
        with count_reads() as reads:
            await bot.ask(f"/bitrise {command}", expected)
        assert reads == ["U0ANNA"], command


async def test_only_a_request_under_way_still_uses_a_disconnected_account(harness: ActionHarness) -> None:
    under_way, later = harness.context(), harness.context()
    assert await under_way.is_linked(BUILDIO)
    await harness.harness.disconnect("anna", BUILDIO)

    assert (await own_client(under_way).me()).email
    with pytest.raises(NotConnected):
        await own_client(later).me()
    assert not await later.is_linked(BUILDIO)


async def test_a_request_that_disconnects_an_account_does_not_use_it_any_more(harness: ActionHarness) -> None:
    context = harness.context()
    assert await context.is_linked(BUILDIO)
    assert not await context.is_linked(BITRISE)
    in_channel = context.in_channel("")
    assert await in_channel.is_linked(BUILDIO)
    await wipe(context, BUILDIO)

    for each in (context, in_channel):
        assert not await each.is_linked(BUILDIO)
        with pytest.raises(NotConnected):
            await own_client(each).me()
