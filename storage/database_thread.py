"""The thread of a database: runs functions one after another, apart from the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class DatabaseThread:
    """A thread that runs one function at a time, in the order of the calls.

    An executor of the standard library does the same with two futures and four callbacks for each call, which takes
    twice the CPU of a lookup by primary key.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="sqlite", daemon=True)
        self._thread.start()

    def run(self, function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Run a function in the thread. If the future is cancelled before it begins, it is not run."""
        call = _Call(asyncio.get_running_loop(), function, arguments)
        self._calls.put(call)
        return call.future

    def close(self) -> None:
        """Finish the calls so far, and end the thread."""
        self._calls.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call.run()
            # What a call has read must not stay in memory until the next one.
            del call


class _Call:
    """One call, and the future for its result."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> None:
        self.future = loop.create_future()
        self._loop = loop
        self._function = function
        self._arguments = arguments

    def run(self) -> None:
        """Run the function, and hand its result or error to the event loop."""
        if self.future.cancelled():
            return
        result = error = None
        try:
            result = self._function(*self._arguments)
        except BaseException as raised:  # noqa: BLE001 - it is raised where the future is awaited
            error = raised
        # The loop may have been closed, and with it whoever waited.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._finish, result, error)

    def _finish(self, result: Any, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)
