"""A button that was pressed, wherever it stands."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from domain.build import App
from domain.message import Block
from messages.kit.button_values import AppButton, InvalidButtonValue
from services.container import Services
from services.request.context import Reply, RequestContext
from services.request.responder import PressedMessage, ReplacingResponder, ResponseUrlResponder
from services.request.view_responder import ViewResponder


@dataclass(frozen=True)
class ButtonPress:
    """A button that somebody pressed: what it carries, who pressed it, and where the answer goes.

    Of a list `value` is what was picked; `block` is the block that it stands in, and `state` what else is picked;
    `shown` is the message that it stands on, as the person sees it.
    """

    value: str
    context: RequestContext
    responder: ReplacingResponder
    message: PressedMessage | None
    response_url: str | None
    block: str = ""
    shown: Sequence[Block] = ()
    state: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def in_body(
        cls, body: Mapping[str, Any], action: Mapping[str, Any], services: Services, *, form: bool
    ) -> Self:
        """The press that Slack tells of; what opens a `form` does so by itself."""
        context, on, url = (
            RequestContext.in_body(body, services),
            PressedMessage.in_body(body),
            body.get("response_url"),
        )
        to_pane = context.view is not None
        say: ReplacingResponder = (
            ViewResponder(context, waits=not form) if to_pane else ResponseUrlResponder(context, url, on)
        )
        picked = (action.get("selected_option") or {}).get("value")
        state = (body.get("state") or (body.get("view") or {}).get("state") or {}).get("values") or {}
        message = body.get("message") or {}
        return cls(
            value=str(action.get("value") or picked or ""),
            context=context,
            say=say,
            on=on,
            response_url=url,
            block=str(action.get("block_id") or ""),
            shown=message.get("blocks") or (),
            state=state,
        )


ButtonHandler = Callable[[ButtonPress], Coroutine[Any, Any, Reply | None]]


def read_numbers(press: ButtonPress) -> list[int]:
    """The numbers that a pressed button names, of things that have one. Raises InvalidButtonValue."""
    parts = press.value.split(" ")
    if not all(one.isdecimal() and len(one) <= 15 for one in parts):
        raise InvalidButtonValue
    return [int(one) for one in parts]


def read_app(press: ButtonPress) -> App | None:
    """The app that a pressed button names; None where the person will say. Raises InvalidButtonValue."""
    button = AppButton.decode(press.value)
    if not button.app:
        return None
    return App(provider=button.provider, slug=button.app, title=button.title or button.app)
