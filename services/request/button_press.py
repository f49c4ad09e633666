"""A button that was pressed, wherever it stands."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from domain.build import App, Build
from domain.message import Block
from messages.kit.button_values import AppButton, BuildButton, NotAButton
from services.container import Desk
from services.request.context import Answer, Caller
from services.request.finder import by_slugs
from services.request.responder import Pressed, Replacing, ToResponseUrl
from services.request.view_responder import ToPane


@dataclass(frozen=True)
class Press:
    """A button that somebody pressed: what it carries, who pressed it, and where the answer goes.

    Of a list `value` is what was picked; `block` is the block that it stands in, and `state` what else is picked;
    `shown` is the message that it stands on, as the person sees it.
    """

    value: str
    caller: Caller
    say: Replacing
    on: Pressed | None
    response_url: str | None
    block: str = ""
    shown: Sequence[Block] = ()
    state: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def in_body(cls, body: Mapping[str, Any], action: Mapping[str, Any], desk: Desk, *, form: bool) -> Self:
        """The press that Slack tells of; what opens a `form` does so by itself."""
        caller, on, url = Caller.in_body(body, desk), Pressed.in_body(body), body.get("response_url")
        to_pane = caller.pane is not None
        say: Replacing = ToPane(caller, waits=not form) if to_pane else ToResponseUrl(caller, url, on)
        picked = (action.get("selected_option") or {}).get("value")
        state = (body.get("state") or (body.get("view") or {}).get("state") or {}).get("values") or {}
        message = body.get("message") or {}
        return cls(
            value=str(action.get("value") or picked or ""),
            caller=caller,
            say=say,
            on=on,
            response_url=url,
            block=str(action.get("block_id") or ""),
            shown=message.get("blocks") or (),
            state=state,
        )


Respond = Callable[[Press], Coroutine[Any, Any, Answer | None]]


async def found_build(press: Press) -> tuple[App, Build]:
    """The build that a pressed button names. Raises NotAButton, ProviderError."""
    button = BuildButton.decode(press.value)
    return await by_slugs(press.caller, button.app, button.build)


def numbers_in(press: Press) -> list[int]:
    """The numbers that a pressed button names, of things that have one. Raises NotAButton."""
    parts = press.value.split(" ")
    if not all(one.isdecimal() and len(one) <= 15 for one in parts):
        raise NotAButton
    return [int(one) for one in parts]


def app_in(press: Press) -> App | None:
    """The app that a pressed button names; None where the person will say. Raises NotAButton."""
    button = AppButton.decode(press.value)
    if not button.app:
        return None
    return App(provider=button.provider, slug=button.app, title=button.title or button.app)
