"""Taking secrets out of text: of logs before they are shown, of errors, of our own log lines. Pure; no I/O."""

from bot.private_keys import REDACTED
from bot.redaction.lines import Redaction, beginning, redact, redact_beginning, without_first_word
from bot.redaction.signs import lines_to_clean, lines_to_look_at, signs_of_secrets
from bot.redaction.values import without_values

__all__ = [
    "REDACTED",
    "Redaction",
    "beginning",
    "lines_to_clean",
    "lines_to_look_at",
    "redact",
    "redact_beginning",
    "signs_of_secrets",
    "without_first_word",
    "without_values",
]
