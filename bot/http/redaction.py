"""The names of `bot.redaction` at their former place, for what still looks for them here."""

from bot.redaction import REDACTED, Redaction, lines_to_clean, lines_to_look_at, redact, signs_of_secrets

__all__ = ["REDACTED", "Redaction", "lines_to_clean", "lines_to_look_at", "redact", "signs_of_secrets"]
