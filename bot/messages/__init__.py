"""What people see: pure functions from things to Slack messages and modals; no I/O."""

from bot.messages import actions
from bot.messages.abort_modal import abort_done, abort_modal, aborting, not_aborted, read_abort
from bot.messages.acts import aborted, rebuilt, triggered
from bot.messages.apps import app_list, using_app, whoami
from bot.messages.builds import ROWS_WITH_BUTTONS, build_card, build_list, status
from bot.messages.buttons import AppsButton, ArtifactButton, BuildButton, ListButton, NotAButton
from bot.messages.explaining import Reason, preview, why
from bot.messages.message import Message
from bot.messages.notes import CardNote, ThreadNote
from bot.messages.personal import MOST_BUILDS as MOST_OF_MINE
from bot.messages.personal import me, mine, will_tell
from bot.messages.plain import help_message, problem
from bot.messages.results import ArtifactLine, artifact_link, artifacts, log_tail, no_log
from bot.messages.subscription_modal import (
    Filled,
    TooLongForAModal,
    options_for,
    read_subscription,
    subscription_modal,
)
from bot.messages.subscriptions import (
    SubscriptionRow,
    changed,
    resumed,
    stopped,
    subscribed,
    subscriptions,
    unsubscribed,
)
from bot.messages.told import Telling, flood, gathered, outage, series_card, thread_head, told_build

__all__ = [
    "MOST_OF_MINE",
    "ROWS_WITH_BUTTONS",
    "AppsButton",
    "ArtifactButton",
    "ArtifactLine",
    "BuildButton",
    "CardNote",
    "Filled",
    "ListButton",
    "Message",
    "NotAButton",
    "Reason",
    "SubscriptionRow",
    "Telling",
    "ThreadNote",
    "TooLongForAModal",
    "abort_done",
    "abort_modal",
    "aborted",
    "aborting",
    "actions",
    "app_list",
    "artifact_link",
    "artifacts",
    "build_card",
    "build_list",
    "changed",
    "flood",
    "gathered",
    "help_message",
    "log_tail",
    "me",
    "mine",
    "no_log",
    "not_aborted",
    "options_for",
    "outage",
    "preview",
    "problem",
    "read_abort",
    "read_subscription",
    "rebuilt",
    "resumed",
    "series_card",
    "status",
    "stopped",
    "subscribed",
    "subscription_modal",
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
