"""Listeners run in tasks of their own: Slack has the acknowledgement as soon as it is given, whatever follows."""

from __future__ import annotations

import asyncio
from typing import Any

from slack_bolt.async_app import AsyncAck
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot.slack.bolt_app import PromptApp
from handlers.middleware import NextCall, PermanentAck, RequestMiddleware

# Far more passes of the event loop than Bolt needs for a request, in far less time than ten milliseconds.
PASSES = 60


def make_app() -> PromptApp:
    async def authorize(**_: Any) -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=None, team_id="T1", bot_token="xoxb-1", bot_id="B", bot_user_id="U"
        )

    async def prepare_ack(request: AsyncBoltRequest, next_: NextCall) -> BoltResponse | None:
        request.context["ack"] = PermanentAck()
        await next_()
        return None

    app = PromptApp(signing_secret="", authorize=authorize)
    app.middleware(RequestMiddleware(prepare_ack))
    return app


def send(app: PromptApp) -> asyncio.Task[BoltResponse]:
    body = {"command": "/bitrise", "text": "help", "team_id": "T1", "user_id": "U1"}
    return asyncio.create_task(app.async_dispatch(AsyncBoltRequest(body=body, mode="socket_mode")))


async def test_a_request_is_acknowledged_while_its_listener_goes_on() -> None:
    app, go_on, ended = make_app(), asyncio.Event(), asyncio.Event()

    @app.command("/bitrise")
    async def answer(ack: AsyncAck) -> None:
        await ack("soon")
        await go_on.wait()
        ended.set()

    response = send(app)
    for _ in range(PASSES):
        await asyncio.sleep(0)
    assert response.done()
    assert "soon" in response.result().body
    assert not ended.is_set()
    go_on.set()
    await ended.wait()


async def test_an_error_before_the_acknowledgement_is_the_response_and_one_after_it_is_not() -> None:
    app, after = make_app(), asyncio.Event()
    errors: list[tuple[str, bool]] = []

    @app.error
    async def handle_error(error: Exception, response: BoltResponse | None) -> BoltResponse | None:
        errors.append((str(error), response is not None))
        return BoltResponse(status=400, body="") if response is not None else None

    @app.command("/bitrise")
    async def answer(ack: AsyncAck) -> None:
        if after.is_set():
            await ack()
        raise ValueError("broken")

    assert (await send(app)).status == 400
    after.set()
    assert (await send(app)).status == 200
    assert errors == [("broken", True), ("broken", False)]
