"""The bot's lines to Slack: its Web API client, and its Socket Mode connections."""

from bot.slack.client import (
    SlackClient,
    SlackNotReachable,
    TokenRefused,
    WhoWeAre,
    check_app,
    client_options,
    connect,
    explain,
    open_connection,
    web_client,
)
from bot.slack.installing import CALLBACK, INSTALL
from bot.slack.payloads import Malformed, check_payload, ignored_event, log_ignored
from bot.slack.presence import Presence, presence
from bot.slack.session import slack_session
from bot.slack.socket import PING_SECONDS, Sockets
from bot.slack.unavailable import answer_unavailable, needs_slack
from bot.slack.workspaces import Slacks

__all__ = [
    "CALLBACK",
    "INSTALL",
    "PING_SECONDS",
    "Malformed",
    "Presence",
    "SlackClient",
    "SlackNotReachable",
    "Slacks",
    "Sockets",
    "TokenRefused",
    "WhoWeAre",
    "answer_unavailable",
    "check_app",
    "check_payload",
    "client_options",
    "connect",
    "explain",
    "ignored_event",
    "log_ignored",
    "needs_slack",
    "open_connection",
    "presence",
    "slack_session",
    "web_client",
]
