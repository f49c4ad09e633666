"""What can go wrong with a provider, as sentences that a person can use."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from domain.credentials import TokenOwner
from domain.provider import Provider
from domain.redaction.redactor import redact, redact_beginning

LONGEST_WORDS = 300
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


_NO_RIGHT = {
    TokenOwner.PERSON: "Your account has no right to do this at {provider}",
    TokenOwner.BOT: "The bot's own token has no right to do this at {provider}",
}
_WHO_HELPS = {
    TokenOwner.PERSON: "Whoever manages it there can give you a role that has it",
    TokenOwner.BOT: "Whoever runs Buildbell can give it a role that has it",
}


class ProviderError(Exception):
    """The provider could not do what was asked; `provider` is the one that was asked, once it is known.

    `code` is the provider's own name for the error, where it has one (Build.io's API reference, "Errors").
    """

    sentence = "{provider} could not do that"
    code: str | None = None
    default_provider: Provider | None = None

    def __init__(self, words: str | None = None, *, provider: Provider | None = None) -> None:
        self.words = redact_beginning(words, LONGEST_WORDS)[:LONGEST_WORDS] if words else None
        self.provider = provider or self.default_provider
        super().__init__(self.words)

    def __str__(self) -> str:
        """What the person for whom it was asked is told."""
        return self.statement()

    def statement(self) -> str:
        """What is so, whoever reads it."""
        return self._worded(self.sentence, self.words)

    def _worded(self, sentence: str, words: str | None) -> str:
        label = self.provider.label if self.provider is not None else "The provider"
        command = self.provider.command if self.provider is not None else ""
        said = sentence.replace("{provider}", label).replace("{command}", command)
        return f"{said}: {words}" if words else f"{said}."


class InvalidToken(ProviderError):
    """The token is not valid (401)."""

    sentence = "{provider} does not accept the token; a new one may be needed"


class Forbidden(ProviderError):
    """The token may not do this (403); `owner` is whose it is, once that is known."""

    sentence = "The token has no right to do this at {provider}"
    owner: TokenOwner | None = None

    def __str__(self) -> str:
        """Whose token may not, and who can help. Which role it takes only the provider's own words can say."""
        if self.owner is None:
            return self.statement()
        # That it is forbidden says no more than the status does.
        words = self.words if self.words and self.words.strip(" .").casefold() != "forbidden" else None
        said = self._worded(_NO_RIGHT[self.owner], words)
        cure = self._worded(_WHO_HELPS[self.owner], None)
        return f"{said.removesuffix('.')}. {cure}"


class NotConnected(ProviderError):
    """The person has no account of their own, or one that works no longer, and the bot's token is not for this."""

    sentence = "I do this with your own {provider} account. Type `{command} connect` to link it"


class NotFound(ProviderError):
    """There is no such thing, or the token may not see it (404)."""

    sentence = "{provider} knows no such thing, or the token may not see it"


class RequestRejected(ProviderError):
    """The provider understood, and said no; `words` are its own."""

    sentence = "{provider} refuses"


class InvalidRequest(ProviderError):
    """What was to be sent can't be right by the provider's documents, so it was not sent; `words` say why."""

    sentence = "This was not sent to {provider}"


class RateLimited(ProviderError):
    """Too many requests (429); `until` is when to ask again, None where it is not told."""

    sentence = "{provider} asks for a pause"

    def __init__(self, until: datetime | None = None, *, provider: Provider | None = None) -> None:
        self.until = until
        super().__init__(
            f"until {until.astimezone(UTC):%H:%M:%S} UTC" if until else "try again in a minute",
            provider=provider,
        )


class ProviderDown(ProviderError):
    """No answer, or one that says the provider is broken (5xx)."""

    sentence = "{provider} can't be reached right now; try again in a moment"


class TooBusy(ProviderError):
    """It was not asked: as many requests as may be are under way for this person, or their workspace."""

    sentence = "Too many of your requests to {provider} are still under way; wait until one has ended, then try again"


class ResponseLost(ProviderDown):
    """Something was asked for, and whether it happened is not known."""

    sentence = "The answer was lost, so it may or may not have happened"


class UnexpectedResponse(ProviderError):
    """The answer is not what the documents describe."""

    sentence = "{provider}'s answer can't be understood"


class TooLarge(ProviderError):
    """There is more of it than is read."""

    sentence = "That is larger than I read"


class DownloadRefused(ProviderError):
    """The link leads to a host that files may not be fetched from (DOWNLOAD_HOSTS)."""

    sentence = "The link leads to a host that is not allowed"


class DownloadExpired(ProviderError):
    """The link was only good for some minutes and is no more."""

    sentence = "The link has expired; ask again for a fresh one"


def build_error(
    status: int, headers: Mapping[str, str], body: bytes, *, now: datetime, in_text: bool = True
) -> ProviderError:
    """The error that an answer of status 400 or higher stands for.

    `in_text`: a body that is no JSON is words too. Else it is none of the provider's errors, and is not said again: it
    may be anything, also what should have been kept.
    """
    error = _error_for(status, headers, words_of(body, in_text=in_text), now)
    error.code = code_of(body)
    return error


def _error_for(status: int, headers: Mapping[str, str], words: str | None, now: datetime) -> ProviderError:
    if status == 429:
        return RateLimited(pause_until(headers, now=now))
    if status >= 500:
        return ProviderDown(f"it answered {status}")
    known: dict[int, type[ProviderError]] = {401: InvalidToken, 403: Forbidden, 404: NotFound}
    return known.get(status, RequestRejected)(words)


def code_of(body: bytes) -> str | None:
    """The name that an error's body has for programs; None where it has none."""
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    code = content.get("code") if isinstance(content, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) and redact(code) == code else None


def words_of(body: bytes, *, in_text: bool = True) -> str | None:
    """The provider's own words in an error's body, wherever that kind of error keeps them; None where it has none.

    `message` today, `error_message` in older answers (seed documents, forum thread), `error_msg` for a refused
    abort, `error` and `errors` as Bitrise's own command line reads them.
    """
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        if not in_text:
            return None
        text = " ".join(re.sub(r"<[^>]*>", " ", body[:2000].decode("utf-8", "replace")).split())
        # An answer that was meant to be JSON and broke is no sentence, and may hold anything.
        return text if text and "{" not in text else None
    if not isinstance(content, dict):
        return None
    for key in ("message", "error_msg", "error_message", "error"):
        if isinstance(content.get(key), str) and content[key].strip():
            return str(content[key]).strip()
    errors = content.get("errors")
    return "; ".join(str(one) for one in errors) or None if isinstance(errors, list) else None


def pause_until(headers: Mapping[str, str], *, now: datetime) -> datetime | None:
    """When the provider wants to be asked again: `Retry-After` (seconds or a date), or a spent budget's reset."""
    value = headers.get("retry-after")
    if value is not None:
        return _moment(value, now)
    for prefix in ("x-ratelimit-", "ratelimit-"):
        if headers.get(prefix + "remaining", "").strip() == "0" and (reset := headers.get(prefix + "reset")):
            return _moment(reset, now)
    return None


def _moment(value: str, now: datetime) -> datetime | None:
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (TypeError, ValueError, OverflowError):
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        # a reset is given as seconds to wait by some servers and as a Unix time by others
        return (
            datetime.fromtimestamp(seconds, UTC)
            if seconds > 1e9
            else now + timedelta(seconds=max(seconds, 0))
        )
    except (ValueError, OverflowError, OSError):
        return None  # no number, or no year that there will be
