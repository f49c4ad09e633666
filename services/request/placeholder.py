"""In time or a placeholder: what a user waits for is shown at once if it is quick, else after a placeholder.

Slack wants an acknowledgement, and the modal of a trigger_id, within three seconds (Slack's rules, "Answering").
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


async def show_if_slow(
    task: asyncio.Future[Any], seconds: float, show: Callable[[], Awaitable[object]]
) -> bool:
    """Wait for the task; if it takes longer than `seconds`, show a placeholder. Return whether it was shown.

    Raises what `show` raises, after the end of the task.
    """
    await asyncio.wait({task}, timeout=max(seconds, 0.0))
    if task.done():
        return False
    try:
        await show()
    finally:
        await asyncio.wait({task})
    return True
