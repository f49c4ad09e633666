"""Validation of the fields of Slack's payloads that the bot reads. Pure; no I/O.

A payload is checked once on arrival, so that later code can rely on it: a payload that Slack's documentation
does not describe is rejected as a whole, and an error on a valid one is a bug of ours. Unknown fields are
allowed, because Slack adds fields; null and empty strings mean "none" (docs.slack.dev, "Events",
"Interactivity", "Slash commands").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

import structlog
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from domain.nul import remove_nul
from domain.slack_ids import LONGEST, SlackId

log = structlog.get_logger()

# Nesting levels; views have the most, about fifteen.
MAX_DEPTH = 60
# Sent by Slack without an envelope when it has dropped events.
RATE_LIMITED = "app_rate_limited"
_EVENT_TYPE = re.compile(r"[a-z_.]{1,80}")
_UNPAIRED_SURROGATE = re.compile("[\ud800-\udfff]")


class InvalidPayload(Exception):
    """Slack does not send payloads like this; `where` names the invalid field."""

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(f"{where} is not what Slack sends")


def check_payload(body: object) -> None:
    """Check that Slack could have sent the payload, and remove NULs from its texts in place. Raises InvalidPayload."""
    if not isinstance(body, Mapping):
        raise InvalidPayload("the payload")
    nul = _check_texts(body)
    for name, part, model in _iterate_parts(body):
        try:
            model.model_validate(part)
        except ValidationError as error:
            raise InvalidPayload(name + _field_name(error)) from None
    if nul:
        remove_nul(body)


_Id = SlackId
_MaybeId: TypeAlias = _Id | Literal[""] | None
_Ts = Annotated[str, StringConstraints(pattern=re.compile(r"^\d{1,12}\.\d{1,8}\Z"))]
_MaybeTs: TypeAlias = _Ts | Literal[""] | None
# An identifier issued by Slack.
_OpaqueId = Annotated[str, StringConstraints(pattern=re.compile(r"^[\w.:-]{1,200}\Z"))]
# ID of a run of a Workflow Builder step, such as Fx0123ABCDE (docs.slack.dev, "function_executed event").
_FunctionRunId = Annotated[str, StringConstraints(pattern=re.compile(r"^Fx[A-Z0-9]{2,40}\Z"))]
_MaybeText: TypeAlias = str | None


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _NamedObject(_Part):
    id: _Id


class _User(_Part):
    id: _Id
    team_id: _MaybeId = None
    username: _MaybeText = None
    name: _MaybeText = None


class _Enterprise(_Part):
    id: _MaybeId = None


class _Authorization(_Part):
    enterprise_id: _MaybeId = None
    team_id: _MaybeId = None
    user_id: _MaybeId = None
    is_enterprise_install: bool | None = None


class _TextObject(_Part):
    text: str


class _Option(_Part):
    value: _MaybeText = None
    text: _TextObject | None = None


class _Element(_Part):
    """State of an input element of any type."""

    value: _MaybeText = None
    selected_option: _Option | None = None
    selected_options: list[_Option] | None = None
    selected_conversation: _MaybeId = None
    selected_users: list[_Id] | None = None


class _State(_Part):
    values: dict[str, dict[str, _Element]] | None = None


class _ShownView(_Part):
    id: _Id
    type: _MaybeText = None
    callback_id: _MaybeText = None
    private_metadata: _MaybeText = None
    hash: _OpaqueId | Literal[""] | None = None
    previous_view_id: _MaybeId = None
    root_view_id: _MaybeId = None
    app_installed_team_id: _MaybeId = None


class _FilledState(_Part):
    values: dict[str, dict[str, _Element]]


class _View(_ShownView):
    """View with its current input, sent when the user uses one of its elements."""

    state: _FilledState


class _FilledView(_View):
    type: str
    callback_id: str
    private_metadata: str


class _Container(_Part):
    message_ts: _MaybeTs = None
    channel_id: _MaybeId = None
    is_ephemeral: bool | None = None
    app_unfurl_url: _MaybeText = None


class _Action(_Part):
    action_id: str
    block_id: _MaybeText = None
    value: _MaybeText = None
    selected_option: _Option | None = None


class _ShownMessage(_Part):
    """Message that contains the pressed button: one of ours, or a user's message with our link preview."""

    blocks: list[dict[str, Any]] | None = None


class _ResponseUrl(_Part):
    response_url: _MaybeText = None


class _Command(_Part):
    command: str
    text: _MaybeText = None
    user_id: _Id
    user_name: _MaybeText = None
    channel_id: _Id
    team_id: _MaybeId = None
    enterprise_id: _MaybeId = None
    trigger_id: _MaybeText = None
    response_url: _MaybeText = None


class _Interaction(_Part):
    """Any interaction of a user."""

    user: _User
    team: _NamedObject | None = None
    enterprise: _Enterprise | None = None
    is_enterprise_install: bool | None = None
    channel: _NamedObject | None = None
    container: _Container | None = None
    state: _State | None = None
    response_url: _MaybeText = None
    response_urls: list[_ResponseUrl] = []


class _BlockActions(_Interaction):
    trigger_id: Annotated[str, StringConstraints(min_length=1)]
    view: _View | None = None
    message: _ShownMessage | None = None
    actions: Annotated[list[_Action], Field(min_length=1)]


class _BlockSuggestion(_Interaction):
    view: _View | None = None
    action_id: str
    value: _MaybeText = None


class _Shortcut(_Interaction):
    trigger_id: Annotated[str, StringConstraints(min_length=1)]
    callback_id: str


class _MessageShortcut(_Shortcut):
    message: dict[str, Any]


class _ViewSubmission(_Interaction):
    view: _FilledView


class _ViewClosed(_Interaction):
    view: _ShownView


class _InnerEvent(_Part):
    """Fields that Bolt reads from an event of any type."""

    type: Annotated[str, StringConstraints(min_length=1)]
    bot_id: _MaybeId = None
    team: _MaybeText = None
    team_id: _MaybeId = None
    user_team: _MaybeText = None
    enterprise: _MaybeId = None
    enterprise_id: _MaybeId = None
    thread_ts: _MaybeTs = None


class _Author(_Part):
    user: _MaybeId = None


class _Message(_InnerEvent):
    """Message to the bot, or a changed or deleted message, which has no user of its own."""

    user: _MaybeId = None
    channel: _Id
    channel_type: _MaybeText = None
    ts: _MaybeTs = None
    text: _MaybeText = None
    message: _Author | None = None
    previous_message: _Author | None = None


class _Mention(_Message):
    ts: _Ts


class _SharedLink(_Part):
    url: str


class _LinkShared(_InnerEvent):
    user: _Id
    channel: _Id
    message_ts: _OpaqueId
    source: _MaybeText = None
    links: list[_SharedLink] | None = None


class _HomeOpened(_InnerEvent):
    user: _Id
    tab: _MaybeText = None
    channel: _MaybeId = None


class _ChangedUser(_Part):
    id: _Id
    team_id: _MaybeId = None
    deleted: bool | None = None


class _UserChange(_InnerEvent):
    user: _ChangedUser


class _Tokens(_Part):
    bot: list[str] | None = None
    oauth: list[str] | None = None


class _TokensRevoked(_InnerEvent):
    tokens: _Tokens | None = None


class _Function(_Part):
    callback_id: str


class _Inputs(_Part):
    """Inputs of a step, set by the creator of the workflow: texts, numbers and a user."""

    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, str | int | float | bool | None]
    person: _MaybeId = None


class _FunctionExecuted(_InnerEvent):
    function: _Function
    function_execution_id: _FunctionRunId | SlackId
    bot_access_token: _MaybeText = None
    inputs: _Inputs | None = None


class _Event(_Part):
    """Envelope of an event."""

    team_id: _MaybeId = None
    enterprise_id: _MaybeId = None
    context_team_id: _MaybeId = None
    context_enterprise_id: _MaybeId = None
    event_id: _OpaqueId | None = None
    authorizations: list[_Authorization] | None = None
    is_ext_shared_channel: bool | None = None
    event: _InnerEvent


_EVENTS: Mapping[str, type[_InnerEvent]] = {
    "app_mention": _Mention,
    "message": _Message,
    "link_shared": _LinkShared,
    "app_home_opened": _HomeOpened,
    "user_change": _UserChange,
    "tokens_revoked": _TokensRevoked,
    "app_uninstalled": _InnerEvent,
    "function_executed": _FunctionExecuted,
}
_INTERACTIONS: Mapping[str, type[_Part]] = {
    "block_actions": _BlockActions,
    "block_suggestion": _BlockSuggestion,
    "shortcut": _Shortcut,
    "message_action": _MessageShortcut,
    "view_submission": _ViewSubmission,
    "view_closed": _ViewClosed,
}


class _Challenge(_Part):
    """Slack's test of the request URL."""

    challenge: str


def _iterate_parts(body: Mapping[str, Any]) -> Iterator[tuple[str, Any, type[BaseModel]]]:
    """Yield the parts to validate with their models; the fields of an event depend on its type."""
    kind = body.get("type")
    if ignored_event(body) is not None:
        return
    if "command" in body:
        yield "", body, _Command
    elif kind == "event_callback":
        yield "", body, _Event
        yield "event.", body["event"], _EVENTS.get(body["event"]["type"], _InnerEvent)
    elif kind == "url_verification":
        yield "", body, _Challenge
    elif isinstance(kind, str) and kind in _INTERACTIONS:
        yield "", body, _INTERACTIONS[kind]
    elif body.get("ssl_check") != "1":
        raise InvalidPayload("type")


def ignored_event(body: Mapping[str, Any]) -> str | None:
    """Return the type of an event without a listener; None for everything else.

    Slack also sends events that the app did not subscribe to ("app_rate_limited", "The Events API").
    Each must be acknowledged: Slack disables events for an app that fails too many.
    """
    if body.get("type") == RATE_LIMITED:
        return RATE_LIMITED
    event = body.get("event")
    if body.get("type") != "event_callback" or not isinstance(event, Mapping):
        return None
    kind = event.get("type")
    if not isinstance(kind, str) or not kind or kind in _EVENTS:
        return None
    return kind if _EVENT_TYPE.fullmatch(kind) else "an invalid type"


def log_ignored(kind: str, body: Mapping[str, Any]) -> None:
    """Log an ignored event; a report that Slack has dropped events is a warning."""
    if kind == RATE_LIMITED:
        minute = body.get("minute_rate_limited")
        log.warning(
            "slack.events_rate_limited",
            team=str(body.get("team_id"))[:LONGEST],
            minute=minute if isinstance(minute, int) else None,
            cure="Slack has dropped events because there were too many (30,000 an hour): subscribe the app to fewer",
        )
    else:
        log.debug("slack.event_ignored", type=kind)


def _check_texts(body: object) -> bool:
    """Check all texts and the nesting; return whether a text contains NUL.

    Raises InvalidPayload for unpaired surrogates, which can't be encoded, and for nesting deeper than Slack's.
    """
    nul = False
    remaining = [(body, 0)]
    while remaining:
        value, depth = remaining.pop()
        if depth > MAX_DEPTH:
            raise InvalidPayload("the depth")
        if isinstance(value, Mapping):
            remaining += ((item, depth + 1) for pair in value.items() for item in pair)
        elif isinstance(value, list):
            remaining += ((item, depth + 1) for item in value)
        elif isinstance(value, str):
            if not value.isascii() and _UNPAIRED_SURROGATE.search(value):
                raise InvalidPayload("a character")
            nul = nul or "\0" in value
    return nul


def _field_name(error: ValidationError) -> str:
    """Return the path of the invalid field, without names that only the payload contains: they must not be logged."""
    location = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
    return ".".join(str(name) for name in location if name in _FIELDS)


_FIELDS = frozenset(
    name
    for model in list(vars().values())
    if isinstance(model, type) and issubclass(model, _Part)
    for name in model.model_fields
)
