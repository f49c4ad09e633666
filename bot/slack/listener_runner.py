"""Bolt's listener runner without its polling: a request is answered at once when its listener has acknowledged it."""

from __future__ import annotations

import asyncio

from slack_bolt.listener.async_listener import AsyncListener
from slack_bolt.listener.asyncio_runner import AsyncioListenerRunner
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from handlers.error_handler import PermanentAck


class PromptListenerRunner(AsyncioListenerRunner):
    """Runs a listener in a task of its own, and returns its acknowledgement as soon as there is one.

    Bolt (1.30) looks every ten milliseconds whether there is one, so that every acknowledgement takes as long, and
    waits for all that the listener does meanwhile. Lazy listeners are not supported; the bot has none.
    """

    def __init__(self, runner: AsyncioListenerRunner) -> None:
        """Take the handlers of Bolt's own runner."""
        super().__init__(
            logger=runner.logger,
            process_before_response=runner.process_before_response,
            listener_error_handler=runner.listener_error_handler,
            listener_start_handler=runner.listener_start_handler,
            listener_completion_handler=runner.listener_completion_handler,
            lazy_listener_runner=runner.lazy_listener_runner,
        )
        # The event loop itself holds tasks only weakly.
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(
        self,
        request: AsyncBoltRequest,
        response: BoltResponse | None,
        listener_name: str,
        listener: AsyncListener,
        starting_time: float | None = None,
    ) -> BoltResponse | None:
        """Start the listener; return its acknowledgement, or None if it does not acknowledge in time."""
        del response, listener_name, starting_time
        ack = request.context.ack
        assert isinstance(ack, PermanentAck)  # noqa: S101 - set by the middleware of handlers.error_handler
        if listener.auto_acknowledgement:
            await ack()
        task = asyncio.create_task(self._run_listener(request, ack, listener))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            async with asyncio.timeout(listener.ack_timeout):
                await ack.wait()
        except TimeoutError:
            return None
        return ack.response

    async def _run_listener(
        self, request: AsyncBoltRequest, ack: PermanentAck, listener: AsyncListener
    ) -> None:
        try:
            await listener.run_ack_function(request=request, response=None)  # type: ignore[arg-type] # as Bolt does
        except Exception as error:  # noqa: BLE001 - the app's error handler logs it
            failure = None if ack.response is not None else BoltResponse(status=500)
            await self.listener_error_handler.handle(error=error, request=request, response=failure)
            ack.response = failure
