"""A button press on a message, in a modal or on the Home tab."""

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
    """A button press: the button's value, who pressed it, and where the reply goes.

    For a list, `value` is the selected option. `block` is the id of the button's block, `state` the values of the
    other inputs, and `shown` the blocks of the message as the user sees it.
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
        """Read a block_actions payload; the handler of a `form` button opens its modal itself."""
        context, pressed_message, url = (
            RequestContext.in_body(body, services),
            PressedMessage.in_body(body),
            body.get("response_url"),
        )
        in_view = context.view is not None
        responder: ReplacingResponder = (
            ViewResponder(context, waits=not form)
            if in_view
            else ResponseUrlResponder(context, url, pressed_message)
        )
        picked = (action.get("selected_option") or {}).get("value")
        state = (body.get("state") or (body.get("view") or {}).get("state") or {}).get("values") or {}
        message = body.get("message") or {}
        return cls(
            value=str(action.get("value") or picked or ""),
            context=context,
            responder=responder,
            message=pressed_message,
            response_url=url,
            block=str(action.get("block_id") or ""),
            shown=message.get("blocks") or (),
            state=state,
        )


ButtonHandler = Callable[[ButtonPress], Coroutine[Any, Any, Reply | None]]


def read_numbers(press: ButtonPress) -> list[int]:
    """Return the ids in the button's value. Raises InvalidButtonValue."""
    parts = press.value.split(" ")
    if not all(part.isdecimal() and len(part) <= 15 for part in parts):
        raise InvalidButtonValue
    return [int(part) for part in parts]


def read_app(press: ButtonPress) -> App | None:
    """Return the app in the button's value; None if the user will choose one. Raises InvalidButtonValue."""
    button = AppButton.decode(press.value)
    if not button.app:
        return None
    return App(provider=button.provider, slug=button.app, title=button.title or button.app)
