"""The bot's lines to Slack: its Web API client, and its Socket Mode connections."""

from bot.slack.client import SlackNotReachable, TokenRefused, WhoWeAre, connect, web_client
from bot.slack.session import slack_session
from bot.slack.socket import PING_SECONDS, Sockets, check_app_token

__all__ = [
    "PING_SECONDS",
    "SlackNotReachable",
    "Sockets",
    "TokenRefused",
    "WhoWeAre",
    "check_app_token",
    "connect",
    "slack_session",
    "web_client",
]
