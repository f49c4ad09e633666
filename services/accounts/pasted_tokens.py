"""Detects tokens in commands, messages and forms, where Slack stores them; the person is asked to revoke them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator

import structlog
from pydantic import SecretStr
from slack_bolt import BoltResponse

from domain.commands.errors import UserError
from domain.commands.tokenizer import line_from_message
from domain.credentials import secrets_equal
from domain.provider import Provider
from messages.kit import action_ids
from services.container import Services
from services.request.context import RequestContext
from services.slack.interaction_payloads import SubmissionPayload
from services.slack.payloads import Payload
from services.slack.workspace_members import MembershipUnknown
from storage.accounts import EncryptionKeyMissing
from storage.encryption import DecryptionError

log = structlog.get_logger()

_WORD = re.compile(r"[!-~]{8,2000}")
_PUNCTUATION = "\"'`<>()[]{},;:=|"
LONGEST_ERROR = 2000
# Slack waits three seconds for the response to a form's submission.
PATIENCE_SECONDS = 1.0


class PastedToken(UserError):
    """The text holds a provider's token, which is not repeated. `connect`: the provider to link, if the person may."""

    def __init__(self, provider: Provider, *, may_connect: bool = True) -> None:
        self.provider = provider
        self.connect = provider if may_connect else None
        message = (
            f"That holds a token, and Slack keeps what is typed: revoke it at {provider.label} now, and make a new one."
            " Nothing was done."
        )
        if may_connect:
            message += (
                f" `{provider.command} connect` opens a dialog that takes a token without"
                " showing it to anybody."
            )
        super().__init__(message)


async def check_command_text(text: str, context: RequestContext) -> None:
    """Check that a command holds no token; the error offers to link an account only to people who may.

    Raises PastedToken.
    """
    try:
        await check_text(text, context)
    except PastedToken as problem:
        raise PastedToken(problem.provider, may_connect=await _belongs(context)) from None


async def _belongs(context: RequestContext) -> bool:
    try:
        return await context.is_member()
    except MembershipUnknown:
        return False


async def check_text(text: str, context: RequestContext) -> None:
    """Check that a text holds no token of a provider. Raises PastedToken."""
    text = line_from_message(text)
    for spec in context.services.registry:
        if spec.token_pattern is not None and spec.token_pattern.search(text):
            raise PastedToken(spec.provider)
    words = [part for word in text.split() for part in _split_word(word)]
    if not words:
        return
    for provider, known in await _load_known_tokens(context):
        if any(secrets_equal(word, known) for word in words):
            raise PastedToken(provider)


def _split_word(word: str) -> Iterator[str]:
    """Yield the word, and its parts between punctuation: `token=…`, `"…"`."""
    for part in {word, *re.split(r"[=:,;]", word)}:
        for candidate in {part, part.strip(_PUNCTUATION)}:
            if _WORD.fullmatch(candidate):
                yield candidate


async def _load_known_tokens(context: RequestContext) -> list[tuple[Provider, SecretStr]]:
    """Return the tokens that the person has linked, and the bot's own."""
    tokens: list[tuple[Provider, SecretStr]] = []
    accounts = context.storage.accounts
    for clients in context.services.clients.all:
        tokens += [(clients.provider, token) for token in clients.service_tokens]
        account = await accounts.find(context.identity, clients.provider) if context.identity else None
        if account is not None:
            try:
                tokens.append((clients.provider, accounts.token(account)))
            except (DecryptionError, EncryptionKeyMissing):
                continue  # a token that can't be decrypted can't be compared
    return tokens


class FormGuard:
    """Bolt middleware that rejects forms with a token in a field; forms made for secrets are exempt."""

    def __init__(self, services: Services, secret_forms: frozenset[str]) -> None:
        """`secret_forms` are the providers' forms for secrets, by callback_id; their values go to the provider only."""
        self._services = services
        self._secret_forms = secret_forms | {action_ids.CONNECT_MODAL}

    async def check(
        self, payload: Payload, next_: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse | None:
        """Continue if the form holds no token; else return an error for each field that does."""
        if isinstance(payload, SubmissionPayload) and payload.view.callback_id not in self._secret_forms:
            context = RequestContext.of(payload, self._services)
            errors: dict[str, str] = {}
            for block, text in payload.view.values.texts:
                try:
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        await check_text(text, context)
                except PastedToken as problem:
                    errors[block] = str(problem).replace("`", "")[:LONGEST_ERROR]
                except TimeoutError:
                    log.warning("form.not_checked", callback=payload.view.callback_id)
            if errors:
                return BoltResponse(status=200, body={"response_action": "errors", "errors": errors})
        await next_()
        return None
