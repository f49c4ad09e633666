"""A button press on a message, in a modal or on the Home tab."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Self

from domain.build import App
from domain.message import Block
from messages.kit.button_values import AppButton, InvalidButtonValue
from messages.kit.views import NO_INPUT, FormValues
from services.container import Services
from services.request.context import Reply, RequestContext
from services.request.responder import PressedMessage, ReplacingResponder, ResponseUrlResponder, ViewResponder
from services.slack.interaction_payloads import ActionPayload


@dataclass(frozen=True)
class ButtonPress:
    """A button press: the button's value, who pressed it, and where the reply goes.

    For a list, `value` is the selected option. `block` is the id of the button's block, `values` are the other inputs,
    and `shown` the blocks of the message as the user sees it.
    """

    value: str
    context: RequestContext
    responder: ReplacingResponder
    message: PressedMessage | None
    response_url: str | None
    block: str = ""
    shown: Sequence[Block] = ()
    values: FormValues = NO_INPUT

    @classmethod
    def of(cls, payload: ActionPayload, services: Services, *, form: bool) -> Self:
        """Read the press; the handler of a `form` button opens its modal itself."""
        context, pressed_message = RequestContext.of(payload, services), PressedMessage.of(payload)
        responder: ReplacingResponder = (
            ViewResponder(context, waits=not form)
            if context.view is not None
            else ResponseUrlResponder(context, payload.response_url, pressed_message)
        )
        return cls(
            value=payload.action.chosen,
            context=context,
            responder=responder,
            message=pressed_message,
            response_url=payload.response_url,
            block=payload.action.block_id or "",
            shown=payload.shown,
            values=payload.values,
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
