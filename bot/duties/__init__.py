"""What whoever runs the bot does with its data: keys, backups, the audit log, one person's data."""

from bot.duties.commands import register

__all__ = ["register"]
