"""How the bot speaks of its own work: JSON lines outside a terminal, never a secret."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError

from domain.redaction.redactor import redact


def configure(level: str, *, terminal: bool | None = None) -> None:
    """Send our own log lines and the libraries' to standard error, one a line, with secrets taken out."""
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
            # tracebacks become text before the secrets are taken out, so that none hides in an exception's words
            structlog.processors.format_exc_info,
            _redacted,
            render,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # At debug level slack_sdk and aiohttp would write down what people type; their warnings are enough.
    # Bolt warns of its own way to find tokens, and of requests that nobody listens to with all that is in them.
    logging.getLogger("slack_bolt").setLevel(logging.ERROR)
    for library in ("slack_sdk", "aiohttp", "asyncio", "httpx", "httpcore"):
        logging.getLogger(library).setLevel(max(root.level, logging.WARNING))
    logging.getLogger("aiohttp.server").addFilter(_without_what_is_no_http)


def _without_what_is_no_http(record: logging.LogRecord) -> bool:
    """Bytes that are no HTTP are nothing that broke here; aiohttp would write them down, with whatever is in them."""
    problem = record.exc_info[1] if record.exc_info else None
    if isinstance(problem, HttpProcessingError):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.exc_info = "What came from %s is no HTTP", None
    return True


def _redacted(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    return {name: _clean(value) for name, value in event.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {name: _clean(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))
