"""The modal in which a subscription is changed: what most people change is picked, the rest is typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.build import App, Frozen
from bot.commands import term_words
from bot.filters import Patterns
from bot.messages import actions
from bot.messages.blocks import plain_text, section
from bot.messages.message import Block
from bot.messages.text import escape
from bot.terms import Result, Style, Terms

BRANCHES = "branches"
NOT_BRANCHES = "not_branches"
WORKFLOWS = "workflows"
RESULTS = "results"
STYLE = "style"
MORE = "more"
STARTED = "started"
# Slack takes more, but not everywhere (Slack's rules, "More sizes").
LONGEST_OPTION = 75
LONGEST_MORE = 3000
_RESULTS = {
    Result.FAILED: "Every failure",
    Result.BROKEN: "The first failure of a series",
    Result.STILL_FAILING: "Every further failure of a series",
    Result.FIXED: "The first success after failures",
    Result.SUCCEEDED: "Every success",
    Result.ABORTED: "Every abort",
    Result.ABORTED_WITH_SUCCESS: "Every abort that counts as a success",
}
_STYLES = {
    Style.EACH: "One message a build",
    Style.LIVE: "One message a build, edited from start to end",
    Style.CARD: "One card a broken series, until it is green again",
    Style.THREAD: "One thread a branch or pull request",
    Style.DAILY: "One message a day",
    Style.WEEKLY: "One message a week",
}


class TooLongForAModal(Exception):
    """This subscription's filters are too long for a dialog. End it, and subscribe anew with shorter ones."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Filled(Frozen):
    """What was filled in; `more` are words as somebody would type them."""

    branches: tuple[str, ...] = ()
    not_branches: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    results: frozenset[Result] = frozenset()
    started: bool = False
    style: Style = Style.EACH
    more: str = ""

    def onto(self, typed: Terms) -> Terms:
        """The terms that were typed in `more`, with what was picked."""
        wanted = typed.filter.model_copy(
            update={
                "branch": Patterns(include=self.branches, exclude=self.not_branches),
                "workflow": typed.filter.workflow.model_copy(update={"include": self.workflows}),
            }
        )
        picked = {"results": self.results, "started": self.started, "style": self.style, "filter": wanted}
        return typed.model_copy(update=picked)


def subscription_modal(app: App | None, terms: Terms, *, private_metadata: str) -> Block:
    """The modal, filled in with what the subscription asks for now. Raises TooLongForAModal."""
    wanted = terms.filter
    picked = [*wanted.branch.include, *wanted.branch.exclude, *wanted.workflow.include]
    more = _typed_rest(terms)
    if len(more) > LONGEST_MORE or not all(0 < len(one.strip()) <= LONGEST_OPTION for one in picked):
        raise TooLongForAModal
    title = escape(app.title, 200) if app else "your own builds"
    blocks = [
        section(f"What this channel is told of *{title}*"),
        _results(terms),
        _picks(BRANCHES, "Branches", actions.PICK_BRANCH, wanted.branch.include, "None picked: every branch"),
        _picks(NOT_BRANCHES, "But not branches", actions.PICK_BRANCH, wanted.branch.exclude, "None left out"),
        _picks(
            WORKFLOWS,
            "Workflows",
            actions.PICK_WORKFLOW,
            wanted.workflow.include,
            "None picked: every workflow",
        ),
        _input(
            STYLE,
            "How",
            {
                "type": "static_select",
                "action_id": STYLE,
                "options": [_option(words, style.value) for style, words in _STYLES.items()],
                "initial_option": _option(_STYLES[terms.style], terms.style.value),
            },
            optional=False,
        ),
        _input(
            MORE,
            "Anything else, as you would type it",
            {
                "type": "plain_text_input",
                "action_id": MORE,
                "max_length": LONGEST_MORE,
                **({"initial_value": more} if more else {}),
            },
            hint="by:@me -by:bot target:main tag:v* event:push on-hold:15m running:1h quiet:22:00-7:00 at:9:00 on:mon",
        ),
    ]
    return {
        "type": "modal",
        "callback_id": actions.SUBSCRIPTION_MODAL,
        "title": plain_text("Edit a subscription", 24),
        "submit": plain_text("Save", 24),
        "close": plain_text("Cancel", 24),
        "private_metadata": private_metadata,
        "blocks": blocks,
    }


def read_subscription(values: Mapping[str, Any]) -> Filled:
    """What was filled in. `values` is the view's state as Slack sends it."""
    results = set(_chosen(values, RESULTS, RESULTS))
    style = (_element(values, STYLE, STYLE).get("selected_option") or {}).get("value")
    return Filled(
        branches=tuple(_chosen(values, BRANCHES, actions.PICK_BRANCH)),
        not_branches=tuple(_chosen(values, NOT_BRANCHES, actions.PICK_BRANCH)),
        workflows=tuple(_chosen(values, WORKFLOWS, actions.PICK_WORKFLOW)),
        results=frozenset(one for one in Result if one.value in results),
        started=STARTED in results,
        style=Style(style) if style in set(Style) else Style.EACH,
        more=str(_element(values, MORE, MORE).get("value") or ""),
    )


def options_for(typed: str, names: Iterable[str]) -> list[Block]:
    """What a list offers for what was typed: the names with that in them, and what was typed itself as a pattern."""
    wanted = typed.strip()
    found = [name for name in names if wanted.casefold() in name.casefold()]
    offered = dict.fromkeys([*found[:99], *([wanted] if wanted else [])])
    return [_option(name, name) for name in offered if 0 < len(name) <= LONGEST_OPTION and "," not in name]


def _typed_rest(terms: Terms) -> str:
    """The terms that have no field of their own, as they would be typed."""
    wanted = terms.filter
    rest = wanted.model_copy(
        update={"branch": Patterns(), "workflow": Patterns(exclude=wanted.workflow.exclude)}
    )
    digest = {Style.DAILY: f"at:{terms.at:%H:%M} zone:{terms.zone}"}
    digest[Style.WEEKLY] = f"{digest[Style.DAILY]} on:{terms.on.name[:3].lower()}"
    plain = terms.model_copy(
        update={"filter": rest, "results": frozenset(), "started": False, "style": Style.EACH}
    )
    words = term_words(plain)
    return f"{words} {digest.get(terms.style, '')}".strip()


def _results(terms: Terms) -> Block:
    started = _option("Every start", STARTED)
    chosen = [_option(words, one.value) for one, words in _RESULTS.items() if one in terms.results]
    chosen += [started] * terms.started
    return _input(
        RESULTS,
        "What is told",
        {
            "type": "checkboxes",
            "action_id": RESULTS,
            "options": [*(_option(words, one.value) for one, words in _RESULTS.items()), started],
            **(
                {"initial_options": [*chosen, *([started] if terms.started else [])]}
                if chosen or terms.started
                else {}
            ),
        },
        hint="None picked: every end, whatever the result. Aborted builds do not count in a series.",
    )


def _picks(name: str, label: str, action_id: str, chosen: Sequence[str], placeholder: str) -> Block:
    initial = [_option(one, one) for one in chosen]
    return _input(
        name,
        label,
        {
            "type": "multi_external_select",
            "action_id": action_id,
            "min_query_length": 0,
            "placeholder": plain_text(placeholder, 150),
            **({"initial_options": initial} if initial else {}),
        },
        hint="Pick names, or type a pattern such as release/*" if name != WORKFLOWS else None,
    )


def _input(name: str, label: str, element: Block, *, hint: str | None = None, optional: bool = True) -> Block:
    block: Block = {
        "type": "input",
        "block_id": name,
        "label": plain_text(label, 2000),
        "element": element,
        "optional": optional,
    }
    return block | {"hint": plain_text(hint, 2000)} if hint else block


def _option(text: str, value: str) -> Block:
    return {"text": plain_text(text, LONGEST_OPTION), "value": value}


def _chosen(values: Mapping[str, Any], block: str, action: str) -> list[str]:
    return [
        str(one.get("value") or "") for one in _element(values, block, action).get("selected_options") or []
    ]


def _element(values: Mapping[str, Any], block: str, action: str) -> Mapping[str, Any]:
    found = (values.get(block) or {}).get(action)
    return found if isinstance(found, Mapping) else {}
