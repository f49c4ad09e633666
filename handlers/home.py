"""Opening and leaving of the Home tab."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp

from services.container import Services
from services.home.refresher import HomeRefresher
from services.request.context import RequestContext, workspace_id
from services.request.request_tracker import RequestTracker, wait_for_place


def register(
    app: AsyncApp, services: Services, tracker: RequestTracker, home_refresher: HomeRefresher
) -> None:
    """Listen to the Home tab."""

    @app.event("app_home_opened")
    async def handle_home_opened(event: dict[str, Any], body: dict[str, Any]) -> None:
        context = RequestContext(services=services, person=event["user"], team=workspace_id(body), channel="")
        if event.get("tab") != "home":
            home_refresher.close_home(context)
            return
        async with tracker.answering("home"):
            await wait_for_place()
            await home_refresher.open_home(context)
