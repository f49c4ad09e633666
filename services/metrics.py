"""Prometheus metrics of the bot."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """Metrics of one bot, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._delivered = Counter(
            "buildbell_notifications_told", "Notifications that Slack has accepted", registry=self.registry
        )
        self._dropped = Counter(
            "buildbell_notifications_dropped",
            "Notifications dropped because their channel can't be reached",
            registry=self.registry,
        )
        self._unknown_outcomes = Counter(
            "buildbell_doubts_settled",
            "Messages whose delivery was unknown, by outcome; unreadable ones were sent again",
            ["outcome"],
            registry=self.registry,
        )
        self._requests = Counter(
            "buildbell_commands",
            "Commands and interactions, by outcome",
            ["command", "outcome"],
            registry=self.registry,
        )
        self._reply_seconds = Histogram(
            "buildbell_answer_seconds", "Seconds from a request to its reply", registry=self.registry
        )
        self.outbox_depth = Gauge(
            "buildbell_outbox_depth",
            "Notifications in the outbox that Slack has not accepted yet",
            registry=self.registry,
        )
        self.subscriptions = Gauge("buildbell_subscriptions", "Subscriptions", registry=self.registry)
        self.watch_failures = Gauge(
            "buildbell_watch_failures",
            "Consecutive failed polls of the provider",
            ["provider"],
            registry=self.registry,
        )
        self.circuit_open = Gauge(
            "buildbell_circuit_open",
            "1 while the provider is down and only probed",
            ["provider"],
            registry=self.registry,
        )
        self.last_look = Gauge(
            "buildbell_last_look_timestamp_seconds",
            "Time of the last successful poll",
            ["provider"],
            registry=self.registry,
        )
        self.audit_anchor_waiting = Gauge(
            "buildbell_audit_anchor_waiting",
            "Audit log lines not written to AUDIT_ANCHOR yet",
            registry=self.registry,
        )
        self.sockets = Gauge(
            "buildbell_socket_connections", "Open Socket Mode connections", registry=self.registry
        )

    def record_poll_state(self, provider: str, *, failures: int, circuit_open: bool, last: float) -> None:
        """Record the state of polling a provider."""
        self.watch_failures.labels(provider).set(failures)
        self.circuit_open.labels(provider).set(circuit_open)
        self.last_look.labels(provider).set(last)

    def count_delivered(self, notifications: int) -> None:
        """Count notifications that Slack has accepted in a message."""
        self._delivered.inc(notifications)

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
