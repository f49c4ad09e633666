"""What the bot counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """One bot's counters, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._told = Counter(
            "buildbell_notifications_told", "Notifications that Slack has taken", registry=self.registry
        )
        self._dropped = Counter(
            "buildbell_notifications_dropped",
            "Notifications given up because their channel can't be told",
            registry=self.registry,
        )
        self._doubts = Counter(
            "buildbell_doubts_settled",
            "Messages whose answer was lost, by how it was settled; unreadable ones were told again",
            ["outcome"],
            registry=self.registry,
        )
        self._asked = Counter(
            "buildbell_commands", "What people asked for", ["command", "outcome"], registry=self.registry
        )
        self._answering = Histogram(
            "buildbell_answer_seconds", "Seconds from the question to its answer", registry=self.registry
        )
        self.outbox_depth = Gauge(
            "buildbell_outbox_depth", "Notifications that Slack is not known to have", registry=self.registry
        )
        self.subscriptions = Gauge("buildbell_subscriptions", "Subscriptions", registry=self.registry)
        self.watch_failures = Gauge(
            "buildbell_watch_failures",
            "Looks at the provider that failed in a row",
            ["provider"],
            registry=self.registry,
        )
        self.circuit_open = Gauge(
            "buildbell_circuit_open",
            "1 while the provider is only probed",
            ["provider"],
            registry=self.registry,
        )
        self.last_look = Gauge(
            "buildbell_last_look_timestamp_seconds",
            "When the last look succeeded",
            ["provider"],
            registry=self.registry,
        )
        self.audit_anchor_waiting = Gauge(
            "buildbell_audit_anchor_waiting",
            "Lines of the audit log that AUDIT_ANCHOR does not have yet",
            registry=self.registry,
        )
        self.sockets = Gauge(
            "buildbell_socket_connections", "Socket Mode connections that stand", registry=self.registry
        )

    def looked(self, provider: str, *, failures: int, circuit_open: bool, last: float) -> None:
        """How the looks at a provider fare."""
        self.watch_failures.labels(provider).set(failures)
        self.circuit_open.labels(provider).set(circuit_open)
        self.last_look.labels(provider).set(last)

    def count_delivered(self, notifications: int) -> None:
        """Slack has taken a message that carries so many notifications."""
        self._told.inc(notifications)

    def count_dropped(self, notifications: int) -> None:
        """So many notifications were given up."""
        self._dropped.inc(notifications)

    def count_unknown_outcome(self, outcome: str) -> None:
        """A lost answer was settled: found, missing or unreadable."""
        self._doubts.labels(outcome).inc()

    def answered(self, command: str, outcome: str, seconds: float) -> None:
        """Somebody's question was answered."""
        self._asked.labels(command, outcome).inc()
        self._answering.observe(seconds)

    def page(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
