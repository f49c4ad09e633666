"""What is done when somebody uses a button, form, list, shortcut, link or workflow function: by Slack's identifiers.

Features list theirs, and the listeners in `handlers` ask here, so that a listener knows no feature.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from domain.message import Message
from messages.kit.button_values import InvalidButtonValue
from messages.kit.view_metadata import ViewMetadata
from services.request.button_press import ButtonHandler
from services.request.context import Reply, RequestContext
from services.request.finder import SearchLimits
from services.request.form_submission import FormHandler


@dataclass(frozen=True)
class ViewAction:
    """Something pressed or picked in a view that changes the view itself; `value` is what it carries."""

    context: RequestContext
    view: Mapping[str, Any]
    value: str

    @property
    def view_id(self) -> str:
        """The view's id at Slack."""
        return str(self.view["id"])

    @property
    def state(self) -> dict[str, Any]:
        """What is filled in so far, as Slack sends it."""
        values: dict[str, Any] = self.view["state"]["values"]
        return values

    @property
    def metadata(self) -> str | None:
        """What was sent along with the view."""
        return self.view.get("private_metadata")

    @classmethod
    def in_body(
        cls, body: Mapping[str, Any], action: Mapping[str, Any], context: RequestContext
    ) -> ViewAction:
        """Read a block_actions payload. Raises InvalidButtonValue where it comes from no view."""
        view = body.get("view")
        if view is None:
            raise InvalidButtonValue
        picked = (action.get("selected_option") or {}).get("value")
        return cls(context=context, view=view, value=str(action.get("value") or picked or ""))


@dataclass(frozen=True)
class Shortcut:
    """A shortcut of the manifest, given the message that it was used on (`{}` for a global one).

    One that `opens_form` has three seconds for it; another one shows that it is under way.
    """

    run: Callable[[Mapping[str, Any], RequestContext], Coroutine[Any, Any, Reply | None]]
    opens_form: bool = True


OptionsHandler = Callable[[str, ViewMetadata, RequestContext], Awaitable[dict[str, Any]]]
ViewActionHandler = Callable[[ViewAction], Awaitable[None]]
# Takes the step's inputs and the id of its execution; None where the outputs come later.
FunctionHandler = Callable[[Mapping[str, Any], str, RequestContext], Awaitable[Mapping[str, Any] | None]]
# Takes a link; `outside` says that the channel is shared with another company. None where there is nothing to show.
LinkPreview = Callable[[str, RequestContext, SearchLimits, bool], Awaitable[Message | None]]


@dataclass(frozen=True)
class Interactions:
    """What one feature, one provider or the whole bot answers to.

    `buttons` and `form_buttons` by action_id; the latter open a modal at once. `view_actions` by action_id: they change
    the view that they stand in. `forms` by callback_id. `options` by action_id; `options_in` by callback_id and
    action_id, where a view offers others. `app_selections` by the callback_id of the view in which an app was picked.
    `selections` are the action_ids of what is read only once the form is submitted. `shortcuts` and `functions` by
    callback_id. `link_previews` are asked in turn. `open_to_external_users` are the action_ids and callback_ids of
    shortcuts that people of other companies may use, too.
    """

    buttons: Mapping[str, ButtonHandler] = field(default_factory=dict)
    form_buttons: Mapping[str, ButtonHandler] = field(default_factory=dict)
    view_actions: Mapping[str, ViewActionHandler] = field(default_factory=dict)
    forms: Mapping[str, FormHandler] = field(default_factory=dict)
    options: Mapping[str, OptionsHandler] = field(default_factory=dict)
    options_in: Mapping[tuple[str, str], OptionsHandler] = field(default_factory=dict)
    app_selections: Mapping[str, ViewActionHandler] = field(default_factory=dict)
    selections: frozenset[str] = frozenset()
    shortcuts: Mapping[str, Shortcut] = field(default_factory=dict)
    functions: Mapping[str, FunctionHandler] = field(default_factory=dict)
    link_previews: tuple[LinkPreview, ...] = ()
    open_to_external_users: frozenset[str] = frozenset()

    @classmethod
    def merged(cls, several: Iterable[Interactions]) -> Interactions:
        """Join those of several features. Raises ValueError where two of them claim one identifier."""
        joined: dict[str, Any] = {}
        for interactions in several:
            for name in (one.name for one in fields(cls)):
                value, so_far = getattr(interactions, name), joined.get(name)
                if so_far is None:
                    joined[name] = dict(value) if isinstance(value, Mapping) else value
                elif isinstance(value, Mapping):
                    if twice := so_far.keys() & value.keys():
                        raise ValueError(f"{name} claimed twice: {', '.join(map(str, sorted(twice)))}")
                    so_far.update(value)
                elif isinstance(value, frozenset):
                    joined[name] = so_far | value
                else:
                    joined[name] = (*so_far, *value)
        return cls(**joined)
