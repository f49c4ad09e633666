"""The check before every listener: people of other companies use only what is open to them."""

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
from services.provider_spec import ProviderRegistry
from services.request.context import Reply, RequestContext, workspace_id
from services.request.interactions import Interactions
from services.request.request_tracker import RequestTracker
from services.request.responder import PressedMessage, Responder, ResponseUrlResponder
from services.request.view_responder import ViewResponder
from services.slack.errors import SlackCallFailed
from services.slack.workspace_members import MembershipUnknown, NotAMember, read_home_workspace

log = structlog.get_logger()

# Slack waits three seconds for the acknowledgement (Slack's rules, "Answering"), which comes after the question.
PATIENCE_SECONDS = 2.0
TITLE = "Buildbell"


def open_surfaces(interactions: Interactions, registry: ProviderRegistry) -> frozenset[str]:
    """Return what people of other companies may use, by the names of `surfaces_of`; the rest is closed to them."""
    return frozenset(
        {
            # `services.features.dispatch` knows which commands they may use.
            *(f"command {spec.provider.command}" for spec in registry),
            "event app_mention",
            "event message",
            # Their Home is closed (`services.home.refresher`), and links show only what the channel is subscribed to
            # (`services.features.builds.unfurl_rule`).
            "event app_home_opened",
            "event link_shared",
            # Nobody asks for anything by these.
            "event user_change",
            "event tokens_revoked",
            "event app_uninstalled",
            # Whom a workflow's step names is judged like anybody (`services.authorization.authorizer`).
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
    registry: ProviderRegistry,
    services: Services,
    tracker: RequestTracker,
) -> None:
    """Let people of other companies use what is open to them, and nothing else."""
    gate = ExternalUserGate(open_surfaces(interactions, registry), services, tracker)

    @app.middleware
    async def external_users(body, next):  # type: ignore[no-untyped-def]  # noqa: A002
        return await gate.check(body, next)


class ExternalUserGate:
    """Bolt middleware: notes what a payload says of whoever acts, and lets outsiders use what is open to them."""

    def __init__(self, open_to_them: frozenset[str], services: Services, tracker: RequestTracker) -> None:
        self._open = open_to_them
        self._services = services
        self._tracker = tracker
        self._saying: set[asyncio.Task[None]] = set()

    async def check(
        self, body: dict[str, Any], next_: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse | None:
        """Go on with those who belong, and with what is open; the others are told why not."""
        team = workspace_id(body)
        if (heard := read_home_workspace(body, team)) is not None:
            self._services.clients.members.note_home_workspace(team, *heard)
        if surfaces_of(body) <= self._open:
            await next_()
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._services.clients.members.check(team, _person_in(body))
        except TimeoutError:
            return self._refuse(body, MembershipUnknown())
        except NotAMember as problem:
            return self._refuse(body, problem)
        await next_()
        return None

    def _refuse(self, body: Mapping[str, Any], problem: NotAMember) -> BoltResponse:
        """The acknowledgement that says no; where it can say nothing, a message does."""
        log.info("outsider.refused", team=workspace_id(body), what=sorted(surfaces_of(body))[:5])
        match body.get("type"):
            case "view_submission":
                view = notices.notice_modal(TITLE, str(problem))
                return BoltResponse(status=200, body={"response_action": "update", "view": view})
            case "block_suggestion":
                return BoltResponse(status=200, body={"options": []})
            case "block_actions" | "shortcut" | "message_action":
                context = RequestContext.in_body(body, self._services)
                self._later(self._say(_way_to(context, body), problem))
        return BoltResponse(status=200, body="")

    def _later(self, saying: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(saying, name="refusal")
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    async def _say(self, say: Responder, problem: NotAMember) -> None:
        async with self._tracker.answering("refusal"):
            try:
                await say(Reply(notices.error_message(str(problem)), title=TITLE))
            except (SlackCallFailed, TimeoutError) as error:
                log.info("outsider.not_told", reason=type(error).__name__)


def surfaces_of(body: Mapping[str, Any]) -> frozenset[str]:
    """What a payload is for, by the names that the listeners give; several where it brings several actions."""
    if "command" in body:
        return frozenset({f"command {body['command']}"})
    match body.get("type"):
        case "event_callback":
            return frozenset({f"event {(body.get('event') or {}).get('type')}"})
        case "block_actions":
            pressed = (str(one.get("action_id") or "") for one in body.get("actions") or ())
            return frozenset(f"action {_without_its_place(one)}" for one in pressed) or frozenset({"action"})
        case "block_suggestion":
            return frozenset({f"options {body.get('action_id')}"})
        case "shortcut" | "message_action":
            return frozenset({f"shortcut {body.get('callback_id')}"})
        case other:
            return frozenset({f"{other} {(body.get('view') or {}).get('callback_id')}"})


def _without_its_place(action_id: str) -> str:
    """A button's name: two of the same name can't stand in one row, so the second has more; links are numbered."""
    if action_id.startswith(action_ids.OPEN_LINK):
        return action_ids.OPEN_LINK
    return action_id if action_id == action_ids.BUILDS_NEXT else action_id.removesuffix("_next")


def _person_in(body: Mapping[str, Any]) -> str:
    user, event = body.get("user"), body.get("event") or {}
    found = user.get("id") if isinstance(user, Mapping) else body.get("user_id") or event.get("user")
    return found if isinstance(found, str) else ""


def _way_to(context: RequestContext, body: Mapping[str, Any]) -> Responder:
    if context.view is not None or body.get("type") != "block_actions":
        return ViewResponder(context)
    return ResponseUrlResponder(context, body.get("response_url"), PressedMessage.in_body(body))
