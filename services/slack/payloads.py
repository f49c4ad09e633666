"""Payloads of Slack's requests, with the fields that the bot and Bolt read. Pure; no I/O.

A request's payload is parsed once, on arrival (`bot/slack/payload_validation.py`), and the listeners get it as
`slack_payload`. Null and empty strings mean "none" (docs.slack.dev, "Slash commands"; `event_payloads.py`,
`interaction_payloads.py`).
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Literal, TypeAlias

from pydantic import StringConstraints

from domain.slack_ids import SlackId
from messages.kit.input_elements import MaybeId, MaybeText, SlackObject

Required = Annotated[str, StringConstraints(min_length=1)]
Ts = Annotated[str, StringConstraints(pattern=re.compile(r"^\d{1,12}\.\d{1,8}\Z"))]
MaybeTs: TypeAlias = Ts | Literal[""] | None
# An identifier issued by Slack.
OpaqueId = Annotated[str, StringConstraints(pattern=re.compile(r"^[\w.:-]{1,200}\Z"))]


class Payload(SlackObject):
    """A request from Slack."""

    @property
    def kind(self) -> str:
        """The type of the request, for the log."""
        return str(getattr(self, "type", "command"))

    @cached_property
    def workspace_id(self) -> str:
        """The id of the workspace whose installation of the app the request is for; "" if it is unknown.

        In a channel that two companies share, the outer `team_id` of an event may be the other company's, so the
        event's authorization comes first ("The Events API"). An organisation's authorizations and views name no
        workspace; the fields around them do ("Organization-ready apps").
        """
        # Some of these name the organisation (E…) where the app is installed in all of it.
        return next((name for name in self._workspaces if name and name.startswith("T")), "")

    @property
    def _workspaces(self) -> tuple[str | None, ...]:
        """The fields that may name the workspace, the most reliable first."""
        return ()

    @property
    def person(self) -> str:
        """The id of the user who acts; "" if Slack names none."""
        return ""

    @property
    def home_workspace(self) -> str | None:
        """The user's own workspace or organisation; None if the payload does not say.

        Events have `user_team` if the user may be from elsewhere, which can name an organisation (Bolt,
        "extract_actor_team_id"); their outer `team_id` and `event.team` may be the other company's. Interactions have
        `user.team_id`, slash commands neither.
        """
        return None


class UrlCheck(Payload):
    """Slack's test of the request URL with `ssl_check`."""


class UrlVerification(UrlCheck):
    """Slack's test of the request URL with a challenge."""

    challenge: str


class IgnoredEvent(Payload):
    """An event without a listener, or a report that Slack has dropped events (`minute_rate_limited`)."""

    type: str
    team: str | None = None
    minute_rate_limited: int | None = None


class CommandPayload(Payload):
    """A slash command."""

    command: str
    text: MaybeText = None
    user_id: SlackId
    user_name: MaybeText = None
    channel_id: SlackId
    team_id: MaybeId = None
    enterprise_id: MaybeId = None
    trigger_id: MaybeText = None
    response_url: MaybeText = None

    @property
    def _workspaces(self) -> tuple[str | None, ...]:
        return (self.team_id,)

    @property
    def person(self) -> str:
        """The id of the user who typed it."""
        return self.user_id
