"""Errors of providers, with sentences that help the user."""

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


_FORBIDDEN_BY_OWNER = {
    TokenOwner.PERSON: "Your {provider} account isn't allowed to do this",
    TokenOwner.BOT: "Buildbell's own {provider} token isn't allowed to do this",
}
_ADVICE_BY_OWNER = {
    TokenOwner.PERSON: "Whoever manages it there can give you a role that allows it",
    TokenOwner.BOT: "Whoever runs Buildbell can give the token a role that allows it",
}


class ProviderError(Exception):
    """A provider could not do what was asked; `provider` is the one concerned, once it is known.

    `code` is the provider's own name for the error, if it has one (Build.io's API reference, "Errors").
    """

    sentence = "{provider} couldn't do that"
    code: str | None = None
    default_provider: Provider | None = None

    def __init__(self, words: str | None = None, *, provider: Provider | None = None) -> None:
        self.words = redact_beginning(words, LONGEST_WORDS)[:LONGEST_WORDS] if words else None
        self.provider = provider or self.default_provider
        super().__init__(self.words)

    def __str__(self) -> str:
        """Return the sentence for the person who made the request."""
        return self.statement()

    def statement(self) -> str:
        """Return the sentence for any reader."""
        return self._format_sentence(self.sentence, self.words)

    def _format_sentence(self, sentence: str, words: str | None) -> str:
        label = self.provider.label if self.provider is not None else "The provider"
        command = self.provider.command if self.provider is not None else ""
        text = sentence.replace("{provider}", label).replace("{command}", command)
        return f"{text}: {words}" if words else f"{text}."


class InvalidToken(ProviderError):
    """The token is not valid (401)."""

    sentence = "{provider} rejected the token; a new one may be needed"


class Forbidden(ProviderError):
    """The token has no permission (403); `owner` is set once it is known."""

    sentence = "The {provider} token isn't allowed to do this"
    owner: TokenOwner | None = None

    def __str__(self) -> str:
        """Return whose token it is and who can help. Only the provider's own text can name the role required."""
        if self.owner is None:
            return self.statement()
        # The text "forbidden" adds nothing to the status.
        words = self.words if self.words and self.words.strip(" .").casefold() != "forbidden" else None
        text = self._format_sentence(_FORBIDDEN_BY_OWNER[self.owner], words)
        advice = self._format_sentence(_ADVICE_BY_OWNER[self.owner], None)
        return f"{text.removesuffix('.')}. {advice}"


class NotConnected(ProviderError):
    """The person has no linked account, or one that no longer works, and the bot's token is not used for this."""

    sentence = "Connect your {provider} account to do this: type `{command} connect`, then try again"


class NotFound(ProviderError):
    """The object does not exist, or the token has no access to it (404)."""

    sentence = "{provider} can't find this, or the token has no access to it"


class RequestRejected(ProviderError):
    """The provider rejected the request; `words` is its own text."""

    sentence = "{provider} rejected this"


class InvalidRequest(ProviderError):
    """The request was not sent, because it is invalid by the provider's documents; `words` says why."""

    sentence = "This wasn't sent to {provider}"


class RateLimited(ProviderError):
    """Too many requests (429); `until` is when to try again, None if the provider does not say."""

    sentence = "{provider} limits requests"

    def __init__(self, until: datetime | None = None, *, provider: Provider | None = None) -> None:
        self.until = until
        super().__init__(
            f"try again {f'after {until.astimezone(UTC):%H:%M:%S} UTC' if until else 'in a minute'}",
            provider=provider,
        )


class ProviderDown(ProviderError):
    """The provider did not respond, or responded with a server error (5xx)."""

    sentence = "{provider} can't be reached right now; try again in a moment"


class TooBusy(ProviderError):
    """The request was not sent: too many requests of this person or workspace are already running."""

    sentence = "Too many of your requests to {provider} are still running; try again when one has finished"


class ResponseLost(ProviderDown):
    """The response to a change was lost, so its outcome is unknown."""

    sentence = "{provider}'s response was lost, so this may or may not have happened"


class UnexpectedResponse(ProviderError):
    """The response does not match the provider's documents."""

    sentence = "{provider}'s response isn't valid"


class TooLarge(ProviderError):
    """The response is larger than the limit."""

    sentence = "This is too large"


class DownloadRefused(ProviderError):
    """The link points to a host that downloads are not allowed from (DOWNLOAD_HOSTS)."""

    sentence = "The link leads to a host that isn't allowed"


class DownloadExpired(ProviderError):
    """The download link has expired; such links are valid for some minutes."""

    sentence = "The link has expired; get a new one"


def build_error(
    status: int, headers: Mapping[str, str], body: bytes, *, now: datetime, in_text: bool = True
) -> ProviderError:
    """Return the error for a response of status 400 or higher.

    `in_text`: a body that is not JSON is used as text. Otherwise it is not an error of the provider's and is not
    repeated: it may be anything, also what should stay secret.
    """
    error = _error_of_status(status, headers, words_of(body, in_text=in_text), now)
    error.code = code_of(body)
    return error


def _error_of_status(
    status: int, headers: Mapping[str, str], words: str | None, now: datetime
) -> ProviderError:
    if status == 429:
        return RateLimited(pause_until(headers, now=now))
    if status >= 500:
        return ProviderDown(f"it answered {status}")
    known: dict[int, type[ProviderError]] = {401: InvalidToken, 403: Forbidden, 404: NotFound}
    return known.get(status, RequestRejected)(words)


def code_of(body: bytes) -> str | None:
    """Return the machine-readable code in an error's body; None if it has none."""
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    code = content.get("code") if isinstance(content, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) and redact(code) == code else None


def words_of(body: bytes, *, in_text: bool = True) -> str | None:
    """Return the provider's own text in an error's body, from whichever field has it; None if there is none.

    `message` today, `error_message` in older responses (seed documents, forum thread), `error_msg` for a refused
    abort, `error` and `errors` as Bitrise's own command line reads them.
    """
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        if not in_text:
            return None
        text = " ".join(re.sub(r"<[^>]*>", " ", body[:2000].decode("utf-8", "replace")).split())
        # Truncated JSON is not a sentence, and may contain anything.
        return text if text and "{" not in text else None
    if not isinstance(content, dict):
        return None
    for key in ("message", "error_msg", "error_message", "error"):
        if isinstance(content.get(key), str) and content[key].strip():
            return str(content[key]).strip()
    errors = content.get("errors")
    return "; ".join(str(error) for error in errors) or None if isinstance(errors, list) else None


def pause_until(headers: Mapping[str, str], *, now: datetime) -> datetime | None:
    """Return when to try again: from `Retry-After` (seconds or a date), or the reset time of a used-up rate limit."""
    value = headers.get("retry-after")
    if value is not None:
        return _parse_moment(value, now)
    for prefix in ("x-ratelimit-", "ratelimit-"):
        if headers.get(prefix + "remaining", "").strip() == "0" and (reset := headers.get(prefix + "reset")):
            return _parse_moment(reset, now)
    return None


def _parse_moment(value: str, now: datetime) -> datetime | None:
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (TypeError, ValueError, OverflowError):
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        # Some servers send the seconds to wait, others a Unix time.
        return (
            datetime.fromtimestamp(seconds, UTC)
            if seconds > 1e9
            else now + timedelta(seconds=max(seconds, 0))
        )
    except (ValueError, OverflowError, OSError):
        return None  # not a number, or a year out of range
