"""What the clients of both providers share: transport, retry, pacing, errors, redaction."""

from bot.http.api import Api, Reply
from bot.http.downloads import Downloads
from bot.http.errors import (
    AnswerLost,
    BadToken,
    DownloadExpired,
    DownloadRefused,
    NoAccess,
    NotFound,
    NotUnderstood,
    ProviderDown,
    ProviderError,
    RateLimited,
    Refused,
    TooLarge,
)
from bot.http.transport import Http

__all__ = [
    "AnswerLost",
    "Api",
    "BadToken",
    "DownloadExpired",
    "DownloadRefused",
    "Downloads",
    "Http",
    "NoAccess",
    "NotFound",
    "NotUnderstood",
    "ProviderDown",
    "ProviderError",
    "RateLimited",
    "Refused",
    "Reply",
    "TooLarge",
]
