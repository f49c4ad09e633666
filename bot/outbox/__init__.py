"""The relay: from the outbox to Slack, each channel in order, at Slack's pace."""

from bot.outbox.limits import Limits
from bot.outbox.relay import Relay
from bot.outbox.rendering import render

__all__ = ["Limits", "Relay", "render"]
