"""Middleware that limits people of other companies to what is open to them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from handlers.middleware import NextCall, RequestMiddleware
from messages import notices
from messages.kit import action_ids
from services.container import Services
from services.provider_description import ProviderRegistry
from services.provider_spec import ProviderSpec
from services.request.button_press import ButtonPress
from services.request.context import Reply, RequestContext
from services.request.interactions import Interactions
from services.request.request_tracker import RequestTracker
from services.request.responder import Responder, ViewResponder
from services.slack.errors import SlackCallFailed
from services.slack.event_payloads import EventPayload
from services.slack.interaction_payloads import (
    ActionPayload,
    OptionsPayload,
    ShortcutPayload,
    SubmissionPayload,
    ViewPayload,
)
from services.slack.payloads import CommandPayload, Payload
from services.slack.workspace_members import MembershipUnknown, NotAMember

log = structlog.get_logger()

# Slack waits three seconds for the acknowledgement (Slack's rules, "Answering"), which is sent after this check.
PATIENCE_SECONDS = 2.0
TITLE = "Buildbell"


def open_surfaces(interactions: Interactions, registry: ProviderRegistry[ProviderSpec]) -> frozenset[str]:
    """Return what people of other companies may use, as named by `surfaces_of`; the rest is closed to them."""
    return frozenset(
        {
            # `handlers.commands` checks which commands they may use.
            *(f"command {spec.provider.command}" for spec in registry),
            "event app_mention",
            "event message",
            # Their Home is closed (`services.home.refresher`), and links show only what the channel is subscribed to
            # (`services.request.user_channels`).
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
    app.middleware(RequestMiddleware(gate.check))


class ExternalUserGate:
    """Bolt middleware that remembers a user's home workspace from the payload, and limits outsiders."""

    def __init__(
        self, open_to_outsiders: frozenset[str], services: Services, tracker: RequestTracker
    ) -> None:
        self._open_surfaces = open_to_outsiders
        self._services = services
        self._tracker = tracker
        self._tasks: set[asyncio.Task[None]] = set()

    async def check(self, request: AsyncBoltRequest, next_: NextCall) -> BoltResponse | None:
        """Continue for members and for what is open to all; refuse the rest, with the reason."""
        payload: Payload = request.context["slack_payload"]
        team, members = payload.workspace_id, self._services.clients.members
        if payload.home_workspace is not None:
            members.note_home_workspace(team, payload.person, payload.home_workspace)
        if surfaces_of(payload) <= self._open_surfaces:
            await next_()
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await members.check(team, payload.person)
        except TimeoutError:
            return self._refuse(payload, MembershipUnknown())
        except NotAMember as problem:
            return self._refuse(payload, problem)
        await next_()
        return None

    def _refuse(self, payload: Payload, problem: NotAMember) -> BoltResponse:
        """Return an acknowledgement with the refusal; if it can't show text, send a message too."""
        log.info("outsider.refused", team=payload.workspace_id, what=sorted(surfaces_of(payload))[:5])
        match payload:
            case SubmissionPayload():
                view = notices.notice_modal(TITLE, str(problem))
                return BoltResponse(status=200, body={"response_action": "update", "view": view})
            case OptionsPayload():
                return BoltResponse(status=200, body={"options": []})
            case ActionPayload():
                responder = ButtonPress.of(payload, self._services, form=False).responder
                self._start(self._send_refusal(responder, problem))
            case ShortcutPayload():
                responder = ViewResponder(RequestContext.of(payload, self._services))
                self._start(self._send_refusal(responder, problem))
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


def surfaces_of(payload: Payload) -> frozenset[str]:
    """Return what a payload is for, by the listeners' names; several if it has several actions."""
    match payload:
        case CommandPayload():
            return frozenset({f"command {payload.command}"})
        case EventPayload():
            return frozenset({f"event {payload.event.type}"})
        case ActionPayload():
            return frozenset(f"action {_base_action_id(action.action_id)}" for action in payload.actions)
        case OptionsPayload():
            return frozenset({f"options {payload.action_id}"})
        case ShortcutPayload():
            return frozenset({f"shortcut {payload.callback_id}"})
        case ViewPayload():
            return frozenset({f"{payload.type} {payload.view.callback_id}"})
    return frozenset({payload.kind})


def _base_action_id(action_id: str) -> str:
    """Return a button's action_id without its suffix, which makes it unique within a row; links are numbered."""
    if action_id.startswith(action_ids.OPEN_LINK):
        return action_ids.OPEN_LINK
    return action_id if action_id == action_ids.BUILDS_NEXT else action_id.removesuffix("_next")
