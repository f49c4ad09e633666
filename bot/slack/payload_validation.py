"""Validation of Slack's payloads. Pure; no I/O.

A payload is parsed once on arrival, so that later code can rely on it: a payload that Slack's documentation
does not describe is rejected as a whole, and an error on a valid one is a bug of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from domain.control_characters import remove_nul
from domain.slack_ids import LONGEST
from messages.kit.input_elements import SlackObject
from services.slack.event_payloads import EVENTS, Event, EventPayload
from services.slack.interaction_payloads import INTERACTIONS
from services.slack.payloads import CommandPayload, IgnoredEvent, Payload, UrlCheck, UrlVerification

log = structlog.get_logger()

# Nesting levels; views have the most, about fifteen.
MAX_DEPTH = 60
RATE_LIMITED = "app_rate_limited"
_EVENT_TYPE = re.compile(r"[a-z_.]{1,80}")
_UNPAIRED_SURROGATE = re.compile("[\ud800-\udfff]")


class InvalidPayload(Exception):
    """Slack does not send payloads like this; `where` names the invalid field."""

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(f"{where} is not what Slack sends")


def parse_payload(body: object) -> Payload:
    """Return the payload, without NULs in its texts, which are removed from `body` in place. Raises InvalidPayload."""
    if not isinstance(body, dict):
        raise InvalidPayload("the payload")
    nul = _check_texts(body)
    payload = _parse(body)
    # Only now, because no ID has a NUL.
    return _parse(remove_nul(body)) if nul else payload


def _parse(body: dict[str, Any]) -> Payload:
    model: type[Payload]
    match body:
        case {"type": "app_rate_limited"}:
            return _parse_rate_limit(body)
        # Slack also sends events that the app did not subscribe to. Each must be acknowledged: Slack disables events
        # for an app that fails too many ("The Events API").
        case {"type": "event_callback", "event": {"type": str() as kind}} if kind and kind not in EVENTS:
            return IgnoredEvent(type=kind if _EVENT_TYPE.fullmatch(kind) else "an invalid type")
        case {"command": _}:
            model = CommandPayload
        case {"type": "event_callback", "event": {"type": str() as kind}} if kind:
            model = EVENTS[kind]
        case {"type": "event_callback"}:
            model = EventPayload[Event]
        case {"type": "url_verification"}:
            model = UrlVerification
        case {"type": str() as kind} if kind in INTERACTIONS:
            model = INTERACTIONS[kind]
        case {"ssl_check": "1"}:
            model = UrlCheck
        case _:
            raise InvalidPayload("type")
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise InvalidPayload(_field_name(error)) from None


def _parse_rate_limit(body: Mapping[str, Any]) -> IgnoredEvent:
    """Return Slack's report that it has dropped events; it has no envelope ("app_rate_limited", "The Events API")."""
    minute = body.get("minute_rate_limited")
    return IgnoredEvent(
        type=RATE_LIMITED,
        team=str(body.get("team_id"))[:LONGEST],
        minute_rate_limited=minute if type(minute) is int else None,
    )


def log_ignored(event: IgnoredEvent) -> None:
    """Log an ignored event; a report that Slack has dropped events is a warning."""
    if event.type == RATE_LIMITED:
        log.warning(
            "slack.events_rate_limited",
            team=event.team,
            minute=event.minute_rate_limited,
            cure="Slack has dropped events because there were too many (30,000 an hour): subscribe the app to fewer",
        )
    else:
        log.debug("slack.event_ignored", type=event.type)


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
        # The most frequent type first: a comparison with an abstract class is slow.
        if isinstance(value, str):
            if not value.isascii() and _UNPAIRED_SURROGATE.search(value):
                raise InvalidPayload("a character")
            nul = nul or "\0" in value
        elif isinstance(value, dict):
            depth += 1
            for name, item in value.items():
                remaining += ((name, depth), (item, depth))
        elif isinstance(value, list):
            depth += 1
            remaining += [(item, depth) for item in value]
    return nul


def _field_name(error: ValidationError) -> str:
    """Return the path of the invalid field, without names that only the payload contains: they must not be logged."""
    location = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
    return ".".join(str(name) for name in location if name in KNOWN_FIELDS)


def _iterate_models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for derived in model.__subclasses__():
        yield from _iterate_models(derived)


KNOWN_FIELDS = frozenset(name for model in _iterate_models(SlackObject) for name in model.model_fields)
