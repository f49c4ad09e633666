"""Messages are hidden when their time is over, after failures too."""

from __future__ import annotations

import asyncio

from services.jobs.hidden_messages import MessageExpiry


class ShownMessage:
    """A shown message; hiding it has the given outcomes in turn, then succeeds."""

    def __init__(self, *outcomes: bool | Exception) -> None:
        self._outcomes = list(outcomes)
        self.tries = 0

    async def hide(self) -> bool:
        self.tries += 1
        outcome = self._outcomes.pop(0) if self._outcomes else True
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def test_hiding_a_message_is_tried_again_a_few_times() -> None:
    expiry = MessageExpiry(seconds=0, again_seconds=0)
    later, never = ShownMessage(False, OSError("no network")), ShownMessage(*[False] * 9)
    expiry.stop()
    for message in (later, never):
        await expiry.hide_later("T1", message.hide)
    assert (later.tries, never.tries) == (3, 4)


async def test_all_messages_are_hidden_on_stop_and_later_ones_at_once() -> None:
    expiry = MessageExpiry(seconds=3600)
    running = asyncio.create_task(expiry.run())
    before, after = ShownMessage(), ShownMessage()
    await expiry.hide_later("T1", before.hide)
    assert before.tries == 0
    expiry.stop()
    await running
    assert before.tries == 1
    await expiry.hide_later("T1", after.hide)
    assert after.tries == 1


async def test_a_workspaces_messages_are_forgotten_with_it() -> None:
    expiry = MessageExpiry(seconds=3600)
    running = asyncio.create_task(expiry.run())
    theirs, others = ShownMessage(), ShownMessage()
    await expiry.hide_later("T1", theirs.hide)
    await expiry.hide_later("T2", others.hide)
    await asyncio.sleep(0)
    expiry.forget("T1")
    expiry.stop()
    await running
    assert (theirs.tries, others.tries) == (0, 1)
