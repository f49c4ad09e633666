"""What the clients of both providers share: transport, retry, pacing, errors, redaction."""

from bot.http.api import Api, Reply
from bot.http.credentials import Credentials, FixedToken, TokenOwner, Tokens
from bot.http.downloads import Downloads
from bot.http.errors import (
    AnswerLost,
    BadToken,
    DownloadExpired,
    DownloadRefused,
    InvalidRequest,
    NoAccess,
    NotConnected,
    NotFound,
    NotUnderstood,
    ProviderDown,
    ProviderError,
    RateLimited,
    Refused,
    TooBusy,
    TooLarge,
)
from bot.http.provider_clock import ProviderClock
from bot.http.transport import Http

__all__ = [
    "AnswerLost",
    "Api",
    "BadToken",
    "Credentials",
    "DownloadExpired",
    "DownloadRefused",
    "Downloads",
    "FixedToken",
    "Http",
    "InvalidRequest",
    "NoAccess",
    "NotConnected",
    "NotFound",
    "NotUnderstood",
    "ProviderClock",
    "ProviderDown",
    "ProviderError",
    "RateLimited",
    "Refused",
    "Reply",
    "TokenOwner",
    "Tokens",
    "TooBusy",
    "TooLarge",
]
