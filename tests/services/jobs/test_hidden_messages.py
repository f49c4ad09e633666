"""What is taken away when its time is over, however often that fails."""

from __future__ import annotations

import asyncio

from services.jobs.hidden_messages import MessageExpiry


class ShownMessages:
    """Something that is shown; taking it away ends as it is told to, and then well."""

    def __init__(self, *outcomes: bool | Exception) -> None:
        self._outcomes = list(outcomes)
        self.tries = 0

    async def hide(self) -> bool:
        self.tries += 1
        outcome = self._outcomes.pop(0) if self._outcomes else True
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def test_it_is_tried_again_a_few_times() -> None:
    vanishing = MessageExpiry(seconds=0, again_seconds=0)
    later, never = ShownMessages(False, OSError("no network")), ShownMessages(*[False] * 9)
    vanishing.stop()
    for one in (later, never):
        await vanishing.hide_later("T1", one.hide)
    assert (later.tries, never.tries) == (3, 4)


async def test_nothing_is_left_when_it_stops_nor_shown_after_that() -> None:
    vanishing = MessageExpiry(seconds=3600)
    running = asyncio.create_task(vanishing.run())
    before, after = ShownMessages(), ShownMessages()
    await vanishing.hide_later("T1", before.hide)
    assert before.tries == 0
    vanishing.stop()
    await running
    assert before.tries == 1
    await vanishing.hide_later("T1", after.hide)
    assert after.tries == 1


async def test_what_a_workspace_was_shown_is_forgotten_with_it() -> None:
    vanishing = MessageExpiry(seconds=3600)
    running = asyncio.create_task(vanishing.run())
    theirs, others = ShownMessages(), ShownMessages()
    await vanishing.hide_later("T1", theirs.hide)
    await vanishing.hide_later("T2", others.hide)
    await asyncio.sleep(0)
    vanishing.forget("T1")
    vanishing.stop()
    await running
    assert (theirs.tries, others.tries) == (0, 1)
