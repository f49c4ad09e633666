"""The app's Home: one page for each person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.build import App, Build
from domain.message import Block
from domain.provider import Provider
from messages.accounts import ConnectedAccount
from messages.build_card import build_line, build_row, progress_line
from messages.kit import action_ids
from messages.kit.blocks import button, context, header, more_note, row, section
from messages.kit.button_values import AppButton, BuildButton
from messages.kit.mrkdwn import code, escape, when
from messages.kit.views import MAX_BLOCKS, search_select, warning
from messages.profile import DIRECT_MESSAGES, MENTIONS, notification_setting
from messages.profile_form import ProfileForm
from messages.provider_presentation import ProviderPresentation
from messages.subscriptions import (
    ProviderUnavailable,
    SubscriptionRow,
    describe_row,
    has_several_providers,
    outage_text,
    stopped_text,
    subscription_buttons,
)

HOME = "home"
SEARCH = "search"
MAX_RUNNING_BUILDS = 10
MAX_OWN_BUILDS = 5
MAX_SUBSCRIPTIONS = 15
LONGEST_SENTENCE = 400
Builds = Sequence[tuple[Build, App]]


@dataclass(frozen=True)
class PlacedSubscription:
    """A subscription and its channel; None: the person's own direct messages."""

    row: SubscriptionRow
    channel: str | None


@dataclass(frozen=True)
class HomeContent:
    """The data that a person's Home shows.

    `providers` are those that are set up, in order; the first is the default. `build_list` is the one whose builds Home
    lists, if any: `account`, `service_acts` and `profile` are about it. `other_accounts` are the person's accounts at
    the others. `running` and `mine` are cut to what fits; `usual_durations` are by build slug. `covers_all_apps`: the
    builds are those of all apps, not only of subscribed ones. `missing_…` are sentences about what could not be loaded;
    without `ends_known` it is not known whether the person is notified when their builds end.
    """

    profile: ProfileForm
    account: ConnectedAccount | None
    service_acts: bool
    providers: Sequence[ProviderPresentation]
    build_list: ProviderPresentation | None
    running: Builds = ()
    running_count: int = 0
    mine: Builds = ()
    usual_durations: Mapping[str, timedelta] = field(default_factory=dict)
    subscriptions: Sequence[PlacedSubscription] = ()
    covers_all_apps: bool = True
    outages: Sequence[ProviderUnavailable] = ()
    missing_subscriptions: Sequence[str] = ()
    missing_builds: str | None = None
    ends_known: bool = True
    other_accounts: Sequence[tuple[Provider, ConnectedAccount | None]] = ()

    @property
    def may_act(self) -> bool:
        """True if the bot can change anything for the person."""
        return self.service_acts or (self.account is not None and self.account.works)

    @property
    def default_provider(self) -> Provider:
        """The provider used where only one can be named."""
        return self.providers[0].provider


def render_home(content: HomeContent, *, now: datetime) -> Block:
    """Render the view. Only its last block has the time of rendering, so two views can be compared without it."""
    anything = AppButton(provider=content.default_provider).encode()
    builds = [
        button("Start a build…", action_ids.START_BUILD, AppButton().encode(), style="primary"),
        button("Find a build…", action_ids.FIND_BUILD, "find"),
    ]
    blocks = [
        row(
            *(builds if content.build_list is not None else ()),
            button("Subscribe…", action_ids.SUBSCRIBE, anything),
        ),
        {
            "type": "actions",
            "block_id": SEARCH,
            "elements": [search_select(action_ids.PICK_APP, "Search apps")],
        },
        *_first_steps(content),
        *_outages(content),
        *_builds(content, now),
        header("Subscriptions in your channels"),
        *_subscriptions(content),
        *_profile(content),
        *(
            block
            for provider, account in content.other_accounts
            for block in _account_section(provider, account)
        ),
    ]
    return _view(blocks, now)


def missing_places(direct_problem: str | None, channels_problem: str | None) -> list[str]:
    """Return what is missing on Home if Slack does not list the person's channels; each problem is Slack's error."""
    missing = []
    if direct_problem is not None:
        cause = _missing_cause(direct_problem, "open your direct messages with Buildbell")
        missing.append(f"{cause} Your own subscriptions are missing here.")
    if channels_problem is not None:
        cause = _missing_cause(channels_problem, "list the channels that you are in")
        missing.append(f"{cause} Some channels' subscriptions are missing here.")
    return missing


def _missing_cause(problem: str, what: str) -> str:
    if problem == "missing_scope":
        return f"Buildbell isn't allowed to {what}: ask an admin to update and reinstall the app."
    return f"Slack can't {what} right now."


def render_closed_home(problem: str, *, now: datetime) -> Block:
    """Render the view for a person who may not see Home; `problem` says why."""
    return _view(warning(problem), now)


def _view(blocks: list[Block], now: datetime) -> Block:
    drawn = context(f"Updated {when(now)}")
    return {"type": "home", "callback_id": HOME, "blocks": [*blocks[: MAX_BLOCKS - 1], drawn]}


def _first_steps(content: HomeContent) -> list[Block]:
    if content.account or content.profile.name or content.subscriptions:
        return []
    first_commands = [
        presentation.first_command for presentation in content.providers if presentation.first_command
    ]
    return [
        header("First steps"),
        section(
            f"1. Connect your {content.default_provider.label} account to see your apps and act as yourself.",
            button("Connect account…", action_ids.CONNECT, content.default_provider, style="primary"),
        ),
        section(
            "2. Subscribe a channel, or just yourself, to get notified when builds finish.",
            button(
                "Subscribe…",
                action_ids.SUBSCRIBE,
                AppButton(provider=content.default_provider).encode(),
                label="Subscribe, a first step",
            ),
        ),
        section(
            f"3. In any channel, type {' or '.join(first_commands)}, or"
            f" `{content.default_provider.command} help` for all commands."
        ),
    ]


def _outages(content: HomeContent) -> list[Block]:
    return [section(f"{outage_text(outage)} This page may be out of date.") for outage in content.outages]


def _builds(content: HomeContent, now: datetime) -> list[Block]:
    """Render what runs now, and the person's own builds, of the provider whose builds are listed."""
    presentation = content.build_list
    if presentation is None:
        return []
    return [
        header("Running now"),
        *_running(content, now),
        *(
            [section(f"⚠️ {escape(content.missing_builds, 500)} Some builds are missing here.")]
            if content.missing_builds
            else []
        ),
        header("Your latest builds"),
        *_own_builds(content, presentation, now),
    ]


def _running(content: HomeContent, now: datetime) -> list[Block]:
    if not content.running:
        where = "" if content.covers_all_apps else " in apps with a subscription here"
        return [section(f"Nothing is running{where}.")]
    blocks: list[Block] = []
    for build, app in content.running[:MAX_RUNNING_BUILDS]:
        value = BuildButton.of(build, app).encode()
        label = f"{app.title} {build.label}"
        blocks += [
            section(
                build_line(build, app) + progress_line(build, now, content.usual_durations.get(build.slug))
            ),
            row(
                button("View details", action_ids.BUILD_SHOW, value, label=f"View details of {label}"),
                button("Abort…", action_ids.BUILD_ABORT, value, style="danger", label=f"Abort {label}")
                if content.may_act
                else None,
            ),
        ]
    left = content.running_count - len(content.running[:MAX_RUNNING_BUILDS])
    return [*blocks, *more_note(left)]


def _own_builds(content: HomeContent, presentation: ProviderPresentation, now: datetime) -> list[Block]:
    if content.mine:
        usual = content.usual_durations
        return [
            build_row(build, app, presentation=presentation, now=now, usual_duration=usual.get(build.slug))
            for build, app in content.mine[:MAX_OWN_BUILDS]
        ]
    if content.profile.name:
        return [
            section(
                f"None of the latest builds are by {code(content.profile.name)} or started by you from Slack."
            )
        ]
    return [section(f"Set your {presentation.label} name below to see your builds here.")]


def _subscriptions(content: HomeContent) -> list[Block]:
    missing = [section(f"⚠️ {sentence}") for sentence in content.missing_subscriptions]
    if not content.subscriptions:
        return missing or [section("There are none. *Subscribe…* above adds one.")]
    blocks: list[Block] = missing
    several = has_several_providers(placed.row for placed in content.subscriptions)
    for placed in content.subscriptions[:MAX_SUBSCRIPTIONS]:
        subscription = placed.row
        where = f"in <#{placed.channel}>" if placed.channel else "in your direct messages"
        description = describe_row(subscription, LONGEST_SENTENCE, with_provider=several)
        text = f"{description}, {where}{stopped_text(subscription)}"
        blocks += [section(text), subscription_buttons(subscription)]
    left = len(content.subscriptions) - MAX_SUBSCRIPTIONS
    command = content.default_provider.command
    return [*blocks, *more_note(left, f": `{command} subscriptions` lists those of a channel")]


def _profile(content: HomeContent) -> list[Block]:
    if content.build_list is None:
        return []
    provider = content.build_list.provider
    profile = content.profile
    lines = [
        f"Your builds: by {code(profile.name)}" if profile.name else f"Your {provider.label} name isn't set.",
        notification_setting(profile.mention, MENTIONS),
        *([notification_setting(profile.ends, DIRECT_MESSAGES)] if content.ends_known else []),
    ]
    settings = button(
        "Change…", action_ids.SETTINGS, "me", label=f"Change your {provider.label} name and notifications"
    )
    return [
        *_account_section(provider, content.account, service_acts=content.service_acts),
        section("\n".join(lines), settings),
    ]


def _account_section(
    provider: Provider, account: ConnectedAccount | None, *, service_acts: bool = False
) -> list[Block]:
    words = "Connect account…" if account is None else "Change…" if account.works else "Reconnect…"
    connect = button(words, action_ids.CONNECT, provider, label=f"Connect your {provider.label} account")
    return [
        header(f"Your {provider.label} account"),
        section(_describe_account(provider, account, service_acts=service_acts), connect),
    ]


def _describe_account(provider: Provider, account: ConnectedAccount | None, *, service_acts: bool) -> str:
    if account is None:
        return (
            "Not connected. Buildbell acts for you with its own token."
            if service_acts
            else f"Connect {provider.label} to see your apps and make changes. Until then you only see apps that your"
            " channels are subscribed to."
        )
    name = code(account.name)
    if account.works:
        return f"Connected as {name}. What you see and do here uses your own token."
    return f"Connected as {name}, but {provider.label} rejected your token."
