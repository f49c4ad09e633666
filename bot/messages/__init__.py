"""What people see: pure functions from things to Slack messages and modals; no I/O."""

from bot.messages import actions
from bot.messages.abort_modal import abort_done, abort_modal, aborting, not_aborted, read_abort
from bot.messages.acts import aborted, rebuilt, triggered
from bot.messages.apps import app_list, using_app, whoami
from bot.messages.builds import build_card, build_list, digest, status
from bot.messages.buttons import AppsButton, ArtifactButton, BuildButton, ListButton, NotAButton
from bot.messages.message import Message
from bot.messages.plain import help_message, problem
from bot.messages.results import ArtifactLine, artifact_link, artifacts, log_tail, no_log
from bot.messages.subscriptions import SubscriptionRow, subscribed, subscriptions, unsubscribed

__all__ = [
    "AppsButton",
    "ArtifactButton",
    "ArtifactLine",
    "BuildButton",
    "ListButton",
    "Message",
    "NotAButton",
    "SubscriptionRow",
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
    "digest",
    "help_message",
    "log_tail",
    "no_log",
    "not_aborted",
    "problem",
    "read_abort",
    "rebuilt",
    "status",
    "subscribed",
    "subscriptions",
    "triggered",
    "unsubscribed",
    "using_app",
    "whoami",
]
