"""Intervals and pauses of the bot that are no settings; tests shorten them."""

from __future__ import annotations

from dataclasses import dataclass

from bot.slack.bolt_app import LOOKUP_SECONDS
from bot.slack.socket_mode import PING_SECONDS
from providers.bitrise.logs.follower import SECONDS_EACH
from services.accounts.app_catalog import PATIENCE_SECONDS
from services.home.refresher import PROGRESS_SECONDS
from services.jobs.access_checker import EVERY
from services.jobs.hidden_messages import SHOWN_SECONDS
from services.outbox.rate_limits import RateLimits


@dataclass(frozen=True)
class Timings:
    """Intervals and pauses in seconds.

    `recheck_seconds`: before a refused token is tried once more, as the refusal may be a temporary fault.
    `slack_retry_seconds`: before Slack is called again while it is unreachable. `ping_seconds`: between two pings on a
    socket. `access_check_seconds`: between two checks of a subscription. `follow_seconds`: between two updates of a
    followed log. `progress_seconds` and `home_progress_seconds`: between two updates of messages, or of Homes, that
    show running builds. `shown_seconds`: until a message with secrets is hidden. `options_seconds`: how long a list of
    options is waited for. `database_wait_seconds`: how long a transaction waits for a database server that is away.
    `lookup_seconds`: how long a request waits until its workspace is found.
    `takeover_seconds`: how long a message of another bot may still appear after this one has taken its channel over.
    """

    recheck_seconds: float = 2.0
    slack_retry_seconds: float = 5.0
    ping_seconds: float = PING_SECONDS
    access_check_seconds: float = EVERY.total_seconds()
    follow_seconds: float = SECONDS_EACH
    progress_seconds: float = RateLimits.progress
    home_progress_seconds: float = PROGRESS_SECONDS
    shown_seconds: float = SHOWN_SECONDS
    options_seconds: float = PATIENCE_SECONDS
    database_wait_seconds: float = 10.0
    lookup_seconds: float = LOOKUP_SECONDS
    takeover_seconds: float = RateLimits.takeover
