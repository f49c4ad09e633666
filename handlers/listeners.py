"""All Slack listeners of the bot: one module per kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from slack_bolt.app.async_app import AsyncApp

from handlers import (
    actions,
    commands,
    error_handler,
    external_users,
    functions,
    home,
    lifecycle_events,
    links,
    mentions,
    middleware,
    options,
    shortcuts,
    views,
)
from services.container import Services
from services.features.interactions import INTERACTIONS
from services.home.refresher import HomeRefresher
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.interactions import Interactions
from services.request.request_tracker import RequestTracker
from services.slack.workspace_clients import Uninstallation


def register(
    app: AsyncApp,
    registry: ProviderRegistry[ProviderSpec],
    services: Services,
    tracker: RequestTracker,
    home_refresher: HomeRefresher,
    handle_uninstallation: Callable[[Uninstallation], Awaitable[None]],
) -> None:
    """Register the listeners for everything that users can do with the bot and its providers."""
    interactions = Interactions.merged((INTERACTIONS, *(spec.interactions for spec in registry)))
    middleware.ignore_repetitions(app, tracker)
    middleware.prepare_acknowledgements(app, services)
    external_users.register(app, interactions, registry, services, tracker)
    middleware.refuse_pasted_tokens(app, registry, services)
    error_handler.register(app)
    commands.register(app, registry, services, tracker)
    mentions.register(app, registry, services, tracker)
    links.register(app, interactions, services, tracker)
    actions.register(app, interactions, services, tracker)
    shortcuts.register(app, interactions, services, tracker)
    options.register(app, interactions, services)
    views.register(app, interactions, services, tracker)
    functions.register(app, interactions, services, tracker)
    lifecycle_events.register(app, services, tracker, handle_uninstallation)
    home.register(app, services, tracker, home_refresher)
