"""Opening and leaving of the Home tab."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from services.container import Services
from services.home.refresher import HomeRefresher
from services.request.context import context_outside
from services.request.request_tracker import RequestTracker, wait_for_place
from services.slack.event_payloads import EventPayload, HomeOpened


def register(
    app: AsyncApp, services: Services, tracker: RequestTracker, home_refresher: HomeRefresher
) -> None:
    """Listen to the Home tab."""

    @app.event("app_home_opened")
    async def handle_home_opened(slack_payload: EventPayload[HomeOpened]) -> None:
        context = context_outside(services, slack_payload.workspace_id, slack_payload.person)
        if slack_payload.event.tab != "home":
            home_refresher.close_home(context)
            return
        async with tracker.answering("home"):
            await wait_for_place()
            await home_refresher.open_home(context)
