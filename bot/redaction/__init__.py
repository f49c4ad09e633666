"""Taking secrets out of text: of logs before they are shown, of errors, of our own log lines. Pure; no I/O."""

from bot.private_keys import REDACTED
from bot.redaction.lines import Redaction, beginning, redact, redact_beginning
from bot.redaction.signs import lines_to_clean, lines_to_look_at, signs_of_secrets

__all__ = [
    "REDACTED",
    "Redaction",
    "beginning",
    "lines_to_clean",
    "lines_to_look_at",
    "redact",
    "redact_beginning",
    "signs_of_secrets",
]
