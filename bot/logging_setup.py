"""Logging setup: JSON lines outside a terminal, with secrets removed."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError

from domain.redaction.redactor import redact


def configure(level: str, *, terminal: bool | None = None) -> None:
    """Send our log lines and those of libraries to standard error, one per line, without secrets."""
    if terminal is None:
        terminal = sys.stderr.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    render: Any = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # render tracebacks before redaction, so that no secret stays in an exception's message
            structlog.processors.format_exc_info,
            _redact_event,
            render,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # At debug level slack_sdk and aiohttp would log what users type; their warnings are enough.
    # Bolt warns about its own token lookup, and logs requests without a listener with all their content.
    logging.getLogger("slack_bolt").setLevel(logging.ERROR)
    for library in ("slack_sdk", "aiohttp", "asyncio", "httpx", "httpcore"):
        logging.getLogger(library).setLevel(max(root.level, logging.WARNING))
    logging.getLogger("aiohttp.server").addFilter(_downgrade_invalid_http)


def _downgrade_invalid_http(record: logging.LogRecord) -> bool:
    """Log invalid HTTP as a warning without its content; aiohttp would log an error with all bytes."""
    problem = record.exc_info[1] if record.exc_info else None
    if isinstance(problem, HttpProcessingError):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.exc_info = "Invalid HTTP from %s", None
    return True


def _redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    return {name: _redact_value(value) for name, value in event.items()}


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {name: _redact_value(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))
