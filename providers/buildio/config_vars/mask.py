"""Masking of config vars: only the length, and the scheme of a URL, are shown. Pure; no I/O."""

from __future__ import annotations

import re

# An unknown scheme could be the secret itself.
_SCHEMES = frozenset(
    """
    http https ws wss postgres postgresql mysql mysql2 mariadb sqlserver redis rediss valkey memcached mongodb
    mongodb+srv amqp amqps kafka kafka+ssl nats smtp smtps ldap ldaps s3 gs ftp sftp ssh file elasticsearch opensearch
    clickhouse cassandra neo4j bolt influxdb mqtt mqtts tcp udp unix
    """.split()  # noqa: SIM905 - forty quotes would hide the names
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+]{0,19})://")


def mask_value(value: str) -> str:
    """Mask the value: `postgres://…`, or only a sign that it is not empty."""
    match = _SCHEME.match(value)
    if match is not None and match[1].lower() in _SCHEMES:
        return f"{match[1].lower()}://…"
    return "…" if value else "empty"


def describe_length(value: str) -> str:
    """Return the length as text."""
    return f"{len(value)} character{'s' if len(value) != 1 else ''}"
