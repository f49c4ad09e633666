"""Registry of the handlers of buttons, forms, lists, shortcuts, links and workflow functions, by Slack's identifiers.

Features register their handlers and the listeners in `handlers` look them up, so that a listener knows no feature.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from domain.message import Message
from messages.kit.button_values import InvalidButtonValue
from messages.kit.views import ViewMetadata
from services.container import Services
from services.request.button_press import ButtonHandler
from services.request.context import Reply, RequestContext
from services.request.finder import SearchLimits
from services.request.forms import FormHandler
from services.slack.interaction_payloads import ActionPayload, View


@dataclass(frozen=True)
class ViewAction:
    """A press or selection in a view that changes the view itself; `value` is the value of the button or option."""

    context: RequestContext
    view: View
    value: str

    @classmethod
    def of(cls, payload: ActionPayload, services: Services) -> ViewAction:
        """Read the press. Raises InvalidButtonValue if it comes from no view."""
        if payload.view is None:
            raise InvalidButtonValue
        return cls(RequestContext.of(payload, services), payload.view, payload.action.chosen)


@dataclass(frozen=True)
class Shortcut:
    """A shortcut of the manifest; `run` gets the message that it was used on (`{}` for a global shortcut).

    A shortcut that `opens_form` must do so within three seconds; any other one shows that it is in progress.
    """

    run: Callable[[Mapping[str, Any], RequestContext], Coroutine[Any, Any, Reply | None]]
    opens_form: bool = True


OptionsHandler = Callable[[str, ViewMetadata, RequestContext], Awaitable[dict[str, Any]]]
ViewActionHandler = Callable[[ViewAction], Awaitable[None]]
# Takes the step's inputs and the id of its execution; None where the outputs come later.
FunctionHandler = Callable[[Mapping[str, Any], str, RequestContext], Awaitable[Mapping[str, Any] | None]]
# Takes a link, and whether the channel is shared with another company; returns None if there is nothing to show.
LinkPreview = Callable[[str, RequestContext, SearchLimits, bool], Awaitable[Message | None]]


@dataclass(frozen=True)
class Interactions:
    """The handlers of one feature, one provider or the whole bot.

    `buttons` and `form_buttons` by action_id; the latter open a modal at once. `view_actions` by action_id: they change
    the view that they are in. `forms` by callback_id. `options` by action_id; `options_in` by callback_id and
    action_id, for views with other options. `app_selections` by the callback_id of the view in which an app was picked.
    `selections` are the action_ids of inputs that are read only when the form is submitted. `shortcuts` and `functions`
    by callback_id. `link_previews` are tried in order. `open_to_external_users` are the action_ids of buttons and the
    callback_ids of shortcuts that people of other companies may use too.
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
    def merged(cls, features: Iterable[Interactions]) -> Interactions:
        """Merge the handlers of several features. Raises ValueError if two of them claim one identifier."""
        joined: dict[str, Any] = {}
        for interactions in features:
            for name in (each.name for each in fields(cls)):
                value, existing = getattr(interactions, name), joined.get(name)
                if existing is None:
                    joined[name] = dict(value) if isinstance(value, Mapping) else value
                elif isinstance(value, Mapping):
                    if duplicates := existing.keys() & value.keys():
                        raise ValueError(f"{name} claimed twice: {', '.join(map(str, sorted(duplicates)))}")
                    existing.update(value)
                elif isinstance(value, frozenset):
                    joined[name] = existing | value
                else:
                    joined[name] = (*existing, *value)
        return cls(**joined)
