"""Middleware that limits people of other companies to what is open to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.response import BoltResponse

from messages import notices
from messages.kit import action_ids
from services.container import Services
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.context import Reply, RequestContext, workspace_id
from services.request.interactions import Interactions
from services.request.request_tracker import RequestTracker
from services.request.responder import PressedMessage, Responder, ResponseUrlResponder
from services.request.view_responder import ViewResponder
from services.slack.errors import SlackCallFailed
from services.slack.workspace_members import MembershipUnknown, NotAMember, read_home_workspace

log = structlog.get_logger()

# Slack waits three seconds for the acknowledgement (Slack's rules, "Answering"), which is sent after this check.
PATIENCE_SECONDS = 2.0
TITLE = "Buildbell"


def open_surfaces(interactions: Interactions, registry: ProviderRegistry[ProviderSpec]) -> frozenset[str]:
    """Return what people of other companies may use, as named by `surfaces_of`; the rest is closed to them."""
    return frozenset(
        {
            # `services.features.dispatch` checks which commands they may use.
            *(f"command {spec.provider.command}" for spec in registry),
            "event app_mention",
            "event message",
            # Their Home is closed (`services.home.refresher`), and links show only what the channel is subscribed to
            # (`services.features.builds.unfurl_rule`).
            "event app_home_opened",
            "event link_shared",
            # These events are no requests of a user.
            "event user_change",
            "event tokens_revoked",
            "event app_uninstalled",
            # The user that a workflow step names is authorized like anyone (`services.authorization.authorizer`).
            "event function_executed",
            *(
                f"shortcut {name}" if name in interactions.shortcuts else f"action {name}"
                for name in interactions.open_to_external_users
            ),
        }
    )


def register(
    app: AsyncApp,
    interactions: Interactions,
    registry: ProviderRegistry[ProviderSpec],
    services: Services,
    tracker: RequestTracker,
) -> None:
    """Limit people of other companies to what is open to them."""
    gate = ExternalUserGate(open_surfaces(interactions, registry), services, tracker)

    @app.middleware
    async def check_external_users(body, next):  # type: ignore[no-untyped-def]  # noqa: A002
        return await gate.check(body, next)


class ExternalUserGate:
    """Bolt middleware that remembers a user's home workspace from the payload, and limits outsiders."""

    def __init__(
        self, open_to_outsiders: frozenset[str], services: Services, tracker: RequestTracker
    ) -> None:
        self._open_surfaces = open_to_outsiders
        self._services = services
        self._tracker = tracker
        self._tasks: set[asyncio.Task[None]] = set()

    async def check(
        self, body: dict[str, Any], next_: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse | None:
        """Continue for members and for what is open to all; refuse the rest, with the reason."""
        team = workspace_id(body)
        if (home := read_home_workspace(body, team)) is not None:
            self._services.clients.members.note_home_workspace(team, *home)
        if surfaces_of(body) <= self._open_surfaces:
            await next_()
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._services.clients.members.check(team, _user_id(body))
        except TimeoutError:
            return self._refuse(body, MembershipUnknown())
        except NotAMember as problem:
            return self._refuse(body, problem)
        await next_()
        return None

    def _refuse(self, body: Mapping[str, Any], problem: NotAMember) -> BoltResponse:
        """Return an acknowledgement with the refusal; if it can't show text, send a message too."""
        log.info("outsider.refused", team=workspace_id(body), what=sorted(surfaces_of(body))[:5])
        match body.get("type"):
            case "view_submission":
                view = notices.notice_modal(TITLE, str(problem))
                return BoltResponse(status=200, body={"response_action": "update", "view": view})
            case "block_suggestion":
                return BoltResponse(status=200, body={"options": []})
            case "block_actions" | "shortcut" | "message_action":
                context = RequestContext.in_body(body, self._services)
                self._start(self._send_refusal(_find_responder(context, body), problem))
        return BoltResponse(status=200, body="")

    def _start(self, refusal: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(refusal, name="refusal")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_refusal(self, responder: Responder, problem: NotAMember) -> None:
        async with self._tracker.answering("refusal"):
            try:
                await responder(Reply(notices.error_message(str(problem)), title=TITLE))
            except (SlackCallFailed, TimeoutError) as error:
                log.info("outsider.not_told", reason=type(error).__name__)


def surfaces_of(body: Mapping[str, Any]) -> frozenset[str]:
    """Return what a payload is for, by the listeners' names; several if it has several actions."""
    if "command" in body:
        return frozenset({f"command {body['command']}"})
    match body.get("type"):
        case "event_callback":
            return frozenset({f"event {(body.get('event') or {}).get('type')}"})
        case "block_actions":
            pressed = (str(action_id.get("action_id") or "") for action_id in body.get("actions") or ())
            return frozenset(f"action {_base_action_id(action_id)}" for action_id in pressed) or frozenset(
                {"action"}
            )
        case "block_suggestion":
            return frozenset({f"options {body.get('action_id')}"})
        case "shortcut" | "message_action":
            return frozenset({f"shortcut {body.get('callback_id')}"})
        case other:
            return frozenset({f"{other} {(body.get('view') or {}).get('callback_id')}"})


def _base_action_id(action_id: str) -> str:
    """Return a button's action_id without its suffix, which makes it unique within a row; links are numbered."""
    if action_id.startswith(action_ids.OPEN_LINK):
        return action_ids.OPEN_LINK
    return action_id if action_id == action_ids.BUILDS_NEXT else action_id.removesuffix("_next")


def _user_id(body: Mapping[str, Any]) -> str:
    user, event = body.get("user"), body.get("event") or {}
    found = user.get("id") if isinstance(user, Mapping) else body.get("user_id") or event.get("user")
    return found if isinstance(found, str) else ""


def _find_responder(context: RequestContext, body: Mapping[str, Any]) -> Responder:
    if context.view is not None or body.get("type") != "block_actions":
        return ViewResponder(context)
    return ResponseUrlResponder(context, body.get("response_url"), PressedMessage.in_body(body))
