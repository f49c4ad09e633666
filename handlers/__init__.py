"""What Slack sends in: one module per surface."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from handlers import (
    abort_modal,
    account_modals,
    actions,
    commands,
    failing,
    home,
    leaving,
    links,
    mentions,
    picking,
    shortcuts,
    small_modals,
    start_modal,
    subscription_modal,
    workflow_steps,
)
from handlers.addresses import SlackAddresses
from handlers.artifact_index import ArtifactIndex
from handlers.buildio import modals as buildio_modals
from handlers.caller import workspace_of
from handlers.choices import Choices
from handlers.clients import Clients, ClientsAt, Settled
from handlers.desk import Departure, Desk
from handlers.directory import AppDirectory
from handlers.doing import Expiring
from handlers.expecting import UsualTimes
from handlers.following import Following
from handlers.groups import Groups
from handlers.homes import HomeNews, Homes
from handlers.late_answers import LateAnswers
from handlers.leaving import is_departure
from handlers.listening import Listening
from handlers.membership import MemberDirectory
from handlers.outsiders import Outsiders
from handlers.overview import Overview
from handlers.passing import Passing
from handlers.rulings import Rulings
from handlers.sight import Sight
from handlers.typed_tokens import FormGuard
from handlers.vanishing import Vanishing
from handlers.waiting import Waiting

__all__ = [
    "AppDirectory",
    "ArtifactIndex",
    "Choices",
    "Clients",
    "ClientsAt",
    "Departure",
    "Desk",
    "Expiring",
    "Following",
    "Groups",
    "HomeNews",
    "Homes",
    "LateAnswers",
    "Listening",
    "MemberDirectory",
    "Overview",
    "Passing",
    "Rulings",
    "Settled",
    "Sight",
    "SlackAddresses",
    "UsualTimes",
    "Vanishing",
    "Waiting",
    "is_departure",
    "register",
    "workspace_of",
]


_SURFACES = (
    commands,
    mentions,
    links,
    actions,
    shortcuts,
    picking,
    abort_modal,
    start_modal,
    subscription_modal,
    small_modals,
    account_modals,
    buildio_modals,
    workflow_steps,
    leaving,
)


def register(app: AsyncApp, desk: Desk, listening: Listening, homes: Homes) -> None:
    """Make the app listen to every surface."""

    @app.middleware
    async def once(body, next):  # type: ignore[no-untyped-def]  # noqa: A002
        return await listening.once(body, next)

    failing.register(app, desk)
    outsiders = Outsiders(desk, listening)

    @app.middleware
    async def members(body, next):  # type: ignore[no-untyped-def]  # noqa: A002
        return await outsiders.check(body, next)

    guard = FormGuard(desk)

    @app.middleware
    async def typed_tokens(body, next):  # type: ignore[no-untyped-def]  # noqa: A002
        return await guard.check(body, next)

    for surface in _SURFACES:
        surface.register(app, desk, listening)
    home.register(app, desk, listening, homes)
