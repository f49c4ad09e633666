"""The bot's lines to Slack: its Web API client, and its Socket Mode connections."""

from bot.slack.client import (
    SlackNotReachable,
    TokenRefused,
    WhoWeAre,
    client_options,
    connect,
    web_client,
)
from bot.slack.installing import Installing
from bot.slack.payloads import Malformed, check_payload
from bot.slack.presence import ManyWorkspaces, OneWorkspace, Presence
from bot.slack.session import slack_session
from bot.slack.socket import PING_SECONDS, Sockets, check_app_token
from bot.slack.workspaces import Slacks

__all__ = [
    "PING_SECONDS",
    "Installing",
    "Malformed",
    "ManyWorkspaces",
    "OneWorkspace",
    "Presence",
    "SlackNotReachable",
    "Slacks",
    "Sockets",
    "TokenRefused",
    "WhoWeAre",
    "check_app_token",
    "check_payload",
    "client_options",
    "connect",
    "slack_session",
    "web_client",
]
