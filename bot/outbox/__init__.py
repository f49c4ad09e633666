"""The relay: from the outbox to Slack, each channel in order, at Slack's pace."""

from bot.outbox.relay import Relay

__all__ = ["Relay"]
