"""What an app has beside its builds: outgoing webhooks and caches. State alone; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class OutgoingWebhook:
    """An address that is to be told of builds; the sandbox tells it nothing."""

    slug: str
    url: str
    events: list[str]
    headers: dict[str, str] = field(default_factory=dict)
    created_at: str = ""
    updated_at: str = ""


@dataclass
class CacheItem:
    """A cache that a build has left for the next ones."""

    id: str
    key: str
    content: bytes
    created_at: str
    last_used_at: str
    expires_at: str
