"""The shape of what Slack sends, as far as anything here reads it. Pure; no I/O.

A payload is checked once, where it comes in, so that whoever reads it later can rely on it: one that Slack's documents
do not describe is refused as a whole, and what breaks on one that is well-formed is a bug of ours. More than what is
named here may come, as Slack adds to its payloads; nulls and empty texts stand for "none" (docs.slack.dev, "Events",
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

# Views are the deepest that Slack sends, some fifteen levels.
DEEPEST = 60
# Slack says by it, outside of any envelope, that it has left out events.
RATE_LIMITED = "app_rate_limited"
_EVENT_TYPE = re.compile(r"[a-z_.]{1,80}")
_HALF = re.compile("[\ud800-\udfff]")


class InvalidPayload(Exception):
    """Slack does not send such a thing; `where` is the field, by its name in Slack's documents."""

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(f"{where} is not what Slack sends")


def check_payload(body: object) -> None:
    """Look whether it could be Slack's, and take NULs out of its texts, in place. Raises InvalidPayload."""
    if not isinstance(body, Mapping):
        raise InvalidPayload("the payload")
    nul = _check_texts(body)
    for name, part, model in _parts_of(body):
        try:
            model.model_validate(part)
        except ValidationError as error:
            raise InvalidPayload(name + _place_of(error)) from None
    if nul:
        remove_nul(body)


_Id = SlackId
_MaybeId: TypeAlias = _Id | Literal[""] | None
_Ts = Annotated[str, StringConstraints(pattern=re.compile(r"^\d{1,12}\.\d{1,8}\Z"))]
_MaybeTs: TypeAlias = _Ts | Literal[""] | None
# A name that Slack has given something, and takes back.
_Handle = Annotated[str, StringConstraints(pattern=re.compile(r"^[\w.:-]{1,200}\Z"))]
# One run of a step of Workflow Builder, such as Fx0123ABCDE (docs.slack.dev, "function_executed event").
_Run = Annotated[str, StringConstraints(pattern=re.compile(r"^Fx[A-Z0-9]{2,40}\Z"))]
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


class _Words(_Part):
    text: str


class _Option(_Part):
    value: _MaybeText = None
    text: _Words | None = None


class _Element(_Part):
    """What was filled in, in any kind of element."""

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
    hash: _Handle | Literal[""] | None = None
    previous_view_id: _MaybeId = None
    root_view_id: _MaybeId = None
    app_installed_team_id: _MaybeId = None


class _FilledState(_Part):
    values: dict[str, dict[str, _Element]]


class _View(_ShownView):
    """One in which something is pressed or typed; what is filled in comes along."""

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
    """The message that is pressed; it may be somebody else's, with a preview of ours."""

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
    """Whatever somebody did, wherever."""

    user: _User
    team: _NamedObject | None = None
    enterprise: _Enterprise | None = None
    is_enterprise_install: bool | None = None
    channel: _NamedObject | None = None
    container: _Container | None = None
    state: _State | None = None
    response_url: _MaybeText = None
    response_urls: list[_ResponseUrl] = []


class _Pressed(_Interaction):
    trigger_id: Annotated[str, StringConstraints(min_length=1)]
    view: _View | None = None
    message: _ShownMessage | None = None
    actions: Annotated[list[_Action], Field(min_length=1)]


class _Typed(_Interaction):
    view: _View | None = None
    action_id: str
    value: _MaybeText = None


class _Shortcut(_Interaction):
    trigger_id: Annotated[str, StringConstraints(min_length=1)]
    callback_id: str


class _MessageShortcut(_Shortcut):
    message: dict[str, Any]


class _Submitted(_Interaction):
    view: _FilledView


class _Closed(_Interaction):
    view: _ShownView


class _Inner(_Part):
    """An event of any kind, as far as Bolt reads it."""

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


class _Message(_Inner):
    """A message to the bot, or one that was changed or deleted, which has none of its own."""

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


class _LinkShared(_Inner):
    user: _Id
    channel: _Id
    message_ts: _Handle
    source: _MaybeText = None
    links: list[_SharedLink] | None = None


class _HomeOpened(_Inner):
    user: _Id
    tab: _MaybeText = None
    channel: _MaybeId = None


class _ChangedUser(_Part):
    id: _Id
    team_id: _MaybeId = None
    deleted: bool | None = None


class _UserChange(_Inner):
    user: _ChangedUser


class _Tokens(_Part):
    bot: list[str] | None = None
    oauth: list[str] | None = None


class _TokensRevoked(_Inner):
    tokens: _Tokens | None = None


class _Function(_Part):
    callback_id: str


class _Inputs(_Part):
    """A step's inputs are what the maker of a workflow has put in: texts, numbers, and a person."""

    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, str | int | float | bool | None]
    person: _MaybeId = None


class _FunctionExecuted(_Inner):
    function: _Function
    function_execution_id: _Run | SlackId
    bot_access_token: _MaybeText = None
    inputs: _Inputs | None = None


class _Event(_Part):
    """The envelope of an event."""

    team_id: _MaybeId = None
    enterprise_id: _MaybeId = None
    context_team_id: _MaybeId = None
    context_enterprise_id: _MaybeId = None
    event_id: _Handle | None = None
    authorizations: list[_Authorization] | None = None
    is_ext_shared_channel: bool | None = None
    event: _Inner


_EVENTS: Mapping[str, type[_Inner]] = {
    "app_mention": _Mention,
    "message": _Message,
    "link_shared": _LinkShared,
    "app_home_opened": _HomeOpened,
    "user_change": _UserChange,
    "tokens_revoked": _TokensRevoked,
    "app_uninstalled": _Inner,
    "function_executed": _FunctionExecuted,
}
_INTERACTIONS: Mapping[str, type[_Part]] = {
    "block_actions": _Pressed,
    "block_suggestion": _Typed,
    "shortcut": _Shortcut,
    "message_action": _MessageShortcut,
    "view_submission": _Submitted,
    "view_closed": _Closed,
}


class _Challenge(_Part):
    """Slack asks whether somebody is there."""

    challenge: str


def _parts_of(body: Mapping[str, Any]) -> Iterator[tuple[str, Any, type[BaseModel]]]:
    """What is to be looked at, each with its model; an event's own fields depend on its type."""
    kind = body.get("type")
    if ignored_event(body) is not None:
        return
    if "command" in body:
        yield "", body, _Command
    elif kind == "event_callback":
        yield "", body, _Event
        yield "event.", body["event"], _EVENTS.get(body["event"]["type"], _Inner)
    elif kind == "url_verification":
        yield "", body, _Challenge
    elif isinstance(kind, str) and kind in _INTERACTIONS:
        yield "", body, _INTERACTIONS[kind]
    elif body.get("ssl_check") != "1":
        raise InvalidPayload("type")


def ignored_event(body: Mapping[str, Any]) -> str | None:
    """Return the type of an event that nothing here listens to; None for everything else.

    An app is sent what its operator subscribes it to, and some events unasked ("app_rate_limited", "The Events API").
    Each is to be acknowledged: Slack switches events off for an app that fails too many.
    """
    if body.get("type") == RATE_LIMITED:
        return RATE_LIMITED
    event = body.get("event")
    if body.get("type") != "event_callback" or not isinstance(event, Mapping):
        return None
    kind = event.get("type")
    if not isinstance(kind, str) or not kind or kind in _EVENTS:
        return None
    return kind if _EVENT_TYPE.fullmatch(kind) else "a type of no use"


def log_ignored(kind: str, body: Mapping[str, Any]) -> None:
    """Note an event that is ignored; of one that says that others are lost, the operator must know."""
    if kind == RATE_LIMITED:
        minute = body.get("minute_rate_limited")
        log.warning(
            "slack.events_rate_limited",
            team=str(body.get("team_id"))[:LONGEST],
            minute=minute if isinstance(minute, int) else None,
            cure="Slack has left out events since there were too many (30,000 an hour): subscribe the app to fewer",
        )
    else:
        log.debug("slack.event_ignored", type=kind)


def _check_texts(body: object) -> bool:
    """Return whether there is a NUL in a text.

    Raises InvalidPayload where there are halves of characters, which have no bytes, or more levels than Slack has.
    """
    nul = False
    left = [(body, 0)]
    while left:
        value, depth = left.pop()
        if depth > DEEPEST:
            raise InvalidPayload("the depth")
        if isinstance(value, Mapping):
            left += ((one, depth + 1) for pair in value.items() for one in pair)
        elif isinstance(value, list):
            left += ((one, depth + 1) for one in value)
        elif isinstance(value, str):
            if not value.isascii() and _HALF.search(value):
                raise InvalidPayload("a character")
            nul = nul or "\0" in value
    return nul


def _place_of(error: ValidationError) -> str:
    """The field, by our own names alone: what stands in a payload's place of a name is not ours to write down."""
    place = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
    return ".".join(str(name) for name in place if name in _FIELDS)


_FIELDS = frozenset(
    name
    for model in list(vars().values())
    if isinstance(model, type) and issubclass(model, _Part)
    for name in model.model_fields
)
