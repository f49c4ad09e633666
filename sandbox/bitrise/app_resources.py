"""Outgoing webhooks and cache items of an app. State only; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class OutgoingWebhook:
    """An outgoing webhook; the sandbox stores it and never calls it."""

    slug: str
    url: str
    events: list[str]
    headers: dict[str, str] = field(default_factory=dict)
    created_at: str = ""
    updated_at: str = ""


@dataclass
class CacheItem:
    """A cache item that a build saved for later builds."""

    id: str
    key: str
    content: bytes
    created_at: str
    last_used_at: str
    expires_at: str
