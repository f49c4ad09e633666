"""The form that creates or edits a subscription: common terms are picked, the others typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.build import App, FrozenModel
from domain.build_filter import GlobPatterns
from domain.commands.notification_arguments import format_rule_options
from domain.commands.tokenizer import format_options
from domain.message import Block
from domain.notifications.rule import DeliveryStyle, InvalidNotificationRule, NotificationRule, Result
from messages.apps import any_app_option
from messages.kit import action_ids
from messages.kit.blocks import plain_text, section
from messages.kit.mrkdwn import escape
from messages.kit.views import (
    FormValues,
    ViewMetadata,
    app_option,
    checkboxes,
    field,
    is_pickable,
    matching_names,
    modal,
    multi_search_select,
    option,
    pickable_options,
    search_select,
    select,
    text_element,
    warning,
)
from messages.provider_presentation import ProviderPresentation

APP = "app"
CHANNEL = "channel"
BRANCHES = "branches"
NOT_BRANCHES = "not_branches"
WORKFLOWS = "workflows"
RESULTS = "results"
STYLE = "style"
MORE = "more"
STARTED = "started"
LONGEST_MORE = 3000
# The options whose values have fields of their own; the others are typed.
_KEYS_WITH_FIELD = frozenset({"branch", "-branch", "workflow", "status", "style"})
_RESULTS = {
    Result.FAILED: "All failures",
    Result.BROKEN: "First failures",
    Result.STILL_FAILING: "Repeated failures",
    Result.FIXED: "Fixes",
    Result.SUCCEEDED: "All successes",
    Result.ABORTED: "All aborts",
    Result.ABORTED_WITH_SUCCESS: "All aborts counted as success",
}
_STYLES = {
    DeliveryStyle.EACH: "One message per {run}",
    DeliveryStyle.LIVE: "One message per {run}, updated live",
    DeliveryStyle.CARD: "One card per failure streak, updated until it is fixed",
    DeliveryStyle.THREAD: "One thread per branch or pull request",
    DeliveryStyle.DAILY: "Daily summary",
    DeliveryStyle.WEEKLY: "Weekly summary",
}


class FilterTooLong(Exception):
    """This subscription's filters are too long to edit here. Unsubscribe, then subscribe with shorter ones."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class SubscriptionOrigin(ViewMetadata):
    """The view metadata with the number of the subscription to edit; 0: create one."""

    number: int = 0


class SubscriptionForm(FrozenModel):
    """The filled-in form; `more` are terms as they would be typed in a command."""

    branches: tuple[str, ...] = ()
    not_branches: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    results: frozenset[Result] = frozenset()
    started: bool = False
    style: DeliveryStyle = DeliveryStyle.EACH
    more: str = ""

    @classmethod
    def of(cls, terms: NotificationRule) -> SubscriptionForm:
        """Fill in the form with these terms. Raises FilterTooLong."""
        build_filter = terms.filter
        more = _terms_without_field(terms)
        picked = [*build_filter.branch.include, *build_filter.branch.exclude, *build_filter.workflow.include]
        if len(more) > LONGEST_MORE or not all(name.strip() and is_pickable(name) for name in picked):
            raise FilterTooLong
        return cls(
            branches=build_filter.branch.include,
            not_branches=build_filter.branch.exclude,
            workflows=build_filter.workflow.include,
            results=terms.results,
            started=terms.started,
            style=terms.style,
            more=more,
        )

    def merge_into(self, typed: NotificationRule) -> NotificationRule:
        """Merge what was picked into the terms typed in `more`. Raises InvalidNotificationRule."""
        picked_branches = GlobPatterns(include=self.branches, exclude=self.not_branches)
        build_filter = typed.filter.model_copy(
            update={
                "branch": _merge_patterns("branch", picked_branches, typed.filter.branch),
                "workflow": _merge_patterns(
                    "workflow", GlobPatterns(include=self.workflows), typed.filter.workflow
                ),
            }
        )
        picked = {
            "results": self.results | typed.results,
            "started": self.started or typed.started,
            "filter": build_filter,
        }
        return typed.model_copy(update=picked)


def _merge_patterns(key: str, picked: GlobPatterns, typed: GlobPatterns) -> GlobPatterns:
    """Merge picked and typed patterns. Raises InvalidNotificationRule if one includes what the other excludes."""
    include = tuple(dict.fromkeys([*picked.include, *typed.include]))
    exclude = tuple(dict.fromkeys([*picked.exclude, *typed.exclude]))
    if both := [pattern for pattern in include if pattern in exclude]:
        raise InvalidNotificationRule(f"`{key}:{both[0]}` is both included and excluded. Remove one of them.")
    return GlobPatterns(include=include, exclude=exclude)


def subscription_modal(
    app: App | None,
    filled: SubscriptionForm,
    presentation: ProviderPresentation,
    *,
    origin: SubscriptionOrigin,
    problem: str | None = None,
) -> Block:
    """Render the form of a subscription, or (number 0) of a new one, which also asks for the app and the channel.

    `presentation` is that of the provider in `origin`.
    """
    new = origin.number == 0
    title = escape(app.title, 200) if app else "your own builds"
    styles = [
        option(label.replace("{run}", presentation.notified_run), style.value)
        for style, label in _STYLES.items()
    ]
    blocks = [
        *warning(problem),
        *(_app_and_channel_fields(app, origin) if new else [section(f"Notifications for *{title}*")]),
        _results_field(filled),
        _names_field(BRANCHES, "Branches", action_ids.PICK_BRANCH, filled.branches, "All branches"),
        _names_field(NOT_BRANCHES, "Exclude branches", action_ids.PICK_BRANCH, filled.not_branches, "None"),
        _names_field(
            WORKFLOWS,
            presentation.workflows_label,
            action_ids.PICK_WORKFLOW,
            filled.workflows,
            presentation.every_workflow,
        ),
        field(
            STYLE,
            "Style",
            select(styles, chosen=filled.style.value),
            optional=False,
        ),
        field(
            MORE,
            "More options",
            text_element(filled.more, most=LONGEST_MORE),
            hint=f"As typed: by:@me -by:bot {presentation.filter_examples}on-hold:15m running:1h quiet:22:00-7:00",
        ),
    ]
    return modal(
        "Subscribe" if new else "Edit subscription",
        blocks,
        callback_id=action_ids.SUBSCRIPTION_MODAL,
        private_metadata=origin.encode(),
        submit="Subscribe" if new else "Save",
        close="Cancel",
    )


def read_subscription(values: FormValues) -> SubscriptionForm:
    """Read the submitted form."""
    results, style = values.several(RESULTS), values.picked(STYLE)
    return SubscriptionForm(
        branches=tuple(values.several(BRANCHES)),
        not_branches=tuple(values.several(NOT_BRANCHES)),
        workflows=tuple(values.several(WORKFLOWS)),
        results=frozenset(result for result in Result if result.value in results),
        started=STARTED in results,
        style=DeliveryStyle(style) if style in set(DeliveryStyle) else DeliveryStyle.EACH,
        more=values.text(MORE),
    )


def name_options(typed: str, names: Iterable[str]) -> list[Block]:
    """Return the options for what was typed: the names that contain it, and the typed text itself as a pattern."""
    pattern = typed.strip()
    offered = dict.fromkeys([*matching_names(typed, names, most=99), *([pattern] if pattern else [])])
    return pickable_options(name for name in offered if "," not in name)


def _app_and_channel_fields(app: App | None, origin: SubscriptionOrigin) -> list[Block]:
    chosen = any_app_option(app) if app_option(app) is not None and app is not None else None
    channel: Block = {
        "type": "conversations_select",
        "placeholder": plain_text("Only you, as a direct message", 150),
        "filter": {"include": ["public", "private"], "exclude_bot_users": True},
    }
    if origin.channel and not origin.channel.startswith("D"):
        channel["initial_conversation"] = origin.channel
    return [
        field(
            APP,
            "App",
            search_select(action_ids.PICK_APP, "Type part of the name", chosen),
            optional=False,
            dispatch=True,
        ),
        field(CHANNEL, "Channel", channel),
    ]


def _terms_without_field(terms: NotificationRule) -> str:
    """Return the terms that have no field of their own, as they would be typed."""
    return format_options(
        (key, text) for key, text in format_rule_options(terms) if key not in _KEYS_WITH_FIELD
    )


def _results_field(filled: SubscriptionForm) -> Block:
    options = [option(words, result.value) for result, words in _RESULTS.items()]
    ticked = {result.value for result in filled.results} | ({STARTED} if filled.started else set())
    return field(
        RESULTS,
        "Notify about",
        checkboxes([*options, option("All starts", STARTED)], ticked),
        hint="Leave empty for every result. Aborted builds don't count in a failure streak.",
    )


def _names_field(name: str, label: str, action_id: str, chosen: Sequence[str], placeholder: str) -> Block:
    return field(
        name,
        label,
        multi_search_select(action_id, placeholder, pickable_options(chosen)),
        hint="Select names, or type a pattern such as release/*" if name != WORKFLOWS else None,
    )
