"""What people see: pure functions from things to Slack messages and modals; no I/O."""

from bot.messages import actions
from bot.messages.abort_modal import abort_done, abort_modal, aborting, not_aborted, read_abort
from bot.messages.acts import aborted, rebuilt, triggered
from bot.messages.apps import app_list, app_options, using_app, whoami
from bot.messages.builds import ROWS_WITH_BUTTONS, build_card, build_list, status
from bot.messages.buttons import AppButton, AppsButton, ArtifactButton, BuildButton, ListButton, NotAButton
from bot.messages.explaining import Reason, preview, why
from bot.messages.find_modal import (
    Sought,
    choose_app_modal,
    find_modal,
    found_builds,
    looking,
    picked_app,
    read_sought,
)
from bot.messages.home import MOST_OF_MINE as MOST_OF_MINE_AT_HOME
from bot.messages.home import MOST_RUNNING, HomeContent, PlacedSubscription, home
from bot.messages.message import Message
from bot.messages.modals import FilledIn, shown_in_modal
from bot.messages.notes import CardNote, ThreadNote
from bot.messages.origin import Origin
from bot.messages.personal import MOST_BUILDS as MOST_OF_MINE
from bot.messages.personal import me, mine, will_tell
from bot.messages.plain import below_each_other, form_button, help_message, notice, one_moment, problem
from bot.messages.results import ArtifactLine, artifact_link, artifacts, log_tail, no_log
from bot.messages.settings_modal import Wishes, read_wishes, settings_modal
from bot.messages.start_modal import (
    StartForm,
    StartOrigin,
    buildable_options,
    not_started,
    read_start,
    start_done,
    start_modal,
    starting,
)
from bot.messages.subscription_modal import (
    Filled,
    SubscriptionOrigin,
    TooLongForAModal,
    options_for,
    read_subscription,
    subscription_modal,
    subscription_note,
)
from bot.messages.subscriptions import (
    SubscriptionRow,
    changed,
    paused,
    resumed,
    stopped,
    subscribed,
    subscriptions,
    unsubscribed,
)
from bot.messages.told import Telling, flood, gathered, outage, series_card, thread_head, told_build

__all__ = [
    "MOST_OF_MINE",
    "MOST_OF_MINE_AT_HOME",
    "MOST_RUNNING",
    "ROWS_WITH_BUTTONS",
    "AppButton",
    "AppsButton",
    "ArtifactButton",
    "ArtifactLine",
    "BuildButton",
    "CardNote",
    "Filled",
    "FilledIn",
    "HomeContent",
    "ListButton",
    "Message",
    "NotAButton",
    "Origin",
    "PlacedSubscription",
    "Reason",
    "Sought",
    "StartForm",
    "StartOrigin",
    "SubscriptionOrigin",
    "SubscriptionRow",
    "Telling",
    "ThreadNote",
    "TooLongForAModal",
    "Wishes",
    "abort_done",
    "abort_modal",
    "aborted",
    "aborting",
    "actions",
    "app_list",
    "app_options",
    "artifact_link",
    "artifacts",
    "below_each_other",
    "build_card",
    "build_list",
    "buildable_options",
    "changed",
    "choose_app_modal",
    "find_modal",
    "flood",
    "form_button",
    "found_builds",
    "gathered",
    "help_message",
    "home",
    "log_tail",
    "looking",
    "me",
    "mine",
    "no_log",
    "not_aborted",
    "not_started",
    "notice",
    "one_moment",
    "options_for",
    "outage",
    "paused",
    "picked_app",
    "preview",
    "problem",
    "read_abort",
    "read_sought",
    "read_start",
    "read_subscription",
    "read_wishes",
    "rebuilt",
    "resumed",
    "series_card",
    "settings_modal",
    "shown_in_modal",
    "start_done",
    "start_modal",
    "starting",
    "status",
    "stopped",
    "subscribed",
    "subscription_modal",
    "subscription_note",
    "subscriptions",
    "thread_head",
    "told_build",
    "triggered",
    "unsubscribed",
    "using_app",
    "whoami",
    "why",
    "will_tell",
]
