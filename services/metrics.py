"""Prometheus metrics of the bot.

With several bots on one database, a metric describes either one process, or what all of them share. Its help text says
which, and so how to aggregate it.
"""

from __future__ import annotations

from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# Rates of one process, or what it holds.
_OF_PROCESS = " (of this process: sum)"
# The same on every process, apart from the moment at which it was read.
_SHARED = " (shared by all bots: max)"
# 1 as long as this process is well.
_STATE = " (of this process: min)"
# Seconds. A poll at rest takes place every 30 seconds by default: the promise is this interval and half a second.
LAG_BUCKETS = (1, 2, 5, 10, 15, 20, 25, 30, 30.5, 35, 45, 60, 90, 120, 300, 900, 3600)


class Metrics:
    """Metrics of one bot, in a registry of their own. No metric names a workspace, a channel, an app or a person."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # As last read from the database; while that is away, the age goes on growing.
        self.oldest_due: datetime | None = None
        self._delivered = Counter(
            "buildbell_notifications_told",
            f"Notifications that Slack has accepted{_OF_PROCESS}",
            registry=self.registry,
        )
        self._dropped = Counter(
            "buildbell_notifications_dropped",
            f"Notifications dropped because their channel can't be reached{_OF_PROCESS}",
            registry=self.registry,
        )
        self._lag = Histogram(
            "buildbell_notification_lag_seconds",
            "Seconds from the end of a build, or from when its notification was due if that is later, until Slack has"
            f" accepted it{_OF_PROCESS}",
            registry=self.registry,
            buckets=LAG_BUCKETS,
        )
        self._unknown_outcomes = Counter(
            "buildbell_doubts_settled",
            f"Messages whose delivery was unknown, by outcome; unreadable ones were sent again{_OF_PROCESS}",
            ["outcome"],
            registry=self.registry,
        )
        self._requests = Counter(
            "buildbell_commands",
            f"Commands and interactions, by outcome{_OF_PROCESS}",
            ["command", "outcome"],
            registry=self.registry,
        )
        self._reply_seconds = Histogram(
            "buildbell_answer_seconds",
            f"Seconds from a request to its reply{_OF_PROCESS}",
            registry=self.registry,
        )
        self.outbox_depth = Gauge(
            "buildbell_outbox_depth",
            f"Notifications in the outbox that Slack has not accepted yet{_SHARED}",
            registry=self.registry,
        )
        self.outbox_age = Gauge(
            "buildbell_outbox_age_seconds",
            f"Seconds for which the oldest due notification has waited for Slack to accept it{_SHARED}",
            registry=self.registry,
        )
        self.subscriptions = Gauge(
            "buildbell_subscriptions", f"Subscriptions{_SHARED}", registry=self.registry
        )
        self._polls = Counter(
            "buildbell_polls",
            "Polls of the provider, by outcome: succeeded, rate_limited, token_refused, failed, database_unavailable,"
            f" or broken (an error of the bot){_OF_PROCESS}",
            ["provider", "outcome"],
            registry=self.registry,
        )
        self.watch_failures = Gauge(
            "buildbell_watch_failures",
            f"Consecutive failed polls of the provider{_SHARED}",
            ["provider"],
            registry=self.registry,
        )
        self.circuit_open = Gauge(
            "buildbell_circuit_open",
            f"1 while the provider is down and only probed{_SHARED}",
            ["provider"],
            registry=self.registry,
        )
        self.last_look = Gauge(
            "buildbell_last_look_timestamp_seconds",
            f"Time of the last successful poll{_SHARED}",
            ["provider"],
            registry=self.registry,
        )
        self._provider_errors = Counter(
            "buildbell_provider_errors",
            "Requests to the provider that failed, by kind of error, those of people included and each try by itself"
            f"{_OF_PROCESS}",
            ["provider", "kind"],
            registry=self.registry,
        )
        self._provider_pauses = Counter(
            "buildbell_provider_pauses",
            "Responses in which the provider asked for a pause: status 429, or no requests left"
            f"{_OF_PROCESS}",
            ["provider"],
            registry=self.registry,
        )
        self.audit_anchor_waiting = Gauge(
            "buildbell_audit_anchor_waiting",
            f"Audit log lines not written to AUDIT_ANCHOR yet{_SHARED}",
            registry=self.registry,
        )
        self.sockets = Gauge(
            "buildbell_socket_connections",
            f"Open Socket Mode connections{_OF_PROCESS}",
            registry=self.registry,
        )
        self.homes = Gauge(
            "buildbell_homes_open",
            f"Open Home tabs that are kept up to date{_OF_PROCESS}",
            registry=self.registry,
        )
        self.ready = Gauge("buildbell_ready", f"1 while /readyz answers 200{_STATE}", registry=self.registry)
        self.database_available = Gauge(
            "buildbell_database_available",
            f"1 while the database answers{_STATE}",
            registry=self.registry,
        )

    def record_poll_state(self, provider: str, *, failures: int, circuit_open: bool, last: float) -> None:
        """Record the state of polling a provider."""
        self.watch_failures.labels(provider).set(failures)
        self.circuit_open.labels(provider).set(circuit_open)
        self.last_look.labels(provider).set(last)

    def record_outbox_age(self, now: datetime) -> None:
        """Record for how long the oldest due notification has waited."""
        waited = (now - self.oldest_due).total_seconds() if self.oldest_due is not None else 0
        self.outbox_age.set(max(waited, 0))

    def count_delivered(self, notifications: int) -> None:
        """Count notifications that Slack has accepted in a message."""
        self._delivered.inc(notifications)

    def record_lag(self, seconds: float) -> None:
        """Record how long a notification took until Slack has accepted it."""
        self._lag.observe(seconds)

    def count_poll(self, provider: str, outcome: str) -> None:
        """Count a poll of a provider."""
        self._polls.labels(provider, outcome).inc()

    def count_provider_error(self, provider: str, kind: str) -> None:
        """Count a request to a provider that failed."""
        self._provider_errors.labels(provider, kind).inc()

    def count_provider_pause(self, provider: str) -> None:
        """Count a response of a provider that asks for a pause."""
        self._provider_pauses.labels(provider).inc()

    def count_dropped(self, notifications: int) -> None:
        """Count notifications that were dropped because Slack does not accept them or their channel is closed."""
        self._dropped.inc(notifications)

    def count_unknown_outcome(self, outcome: str) -> None:
        """Count a settled lost response: found, missing, or unreadable (sent again: twice is better than never)."""
        self._unknown_outcomes.labels(outcome).inc()

    def record_reply(self, command: str, outcome: str, seconds: float) -> None:
        """Count a command or interaction, and how long its reply took."""
        self._requests.labels(command, outcome).inc()
        self._reply_seconds.observe(seconds)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
