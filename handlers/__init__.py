"""What Slack sends in: one module per surface."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from handlers import abort_modal, actions, commands, mentions, subscription_modal
from handlers.choices import Choices
from handlers.desk import Desk
from handlers.directory import AppDirectory
from handlers.expecting import UsualTimes
from handlers.listening import Listening

__all__ = ["AppDirectory", "Choices", "Desk", "Listening", "UsualTimes", "register"]


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Make the app listen to every surface."""

    @app.middleware
    async def once(body, next):  # type: ignore[no-untyped-def]  # noqa: A002
        return await listening.once(body, next)

    for surface in (commands, mentions, actions, abort_modal, subscription_modal):
        surface.register(app, desk, listening)
