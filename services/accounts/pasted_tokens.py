"""Detects tokens in commands, messages and forms, where Slack stores them; the person is asked to revoke them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import SecretStr

from domain.commands.errors import UserError
from domain.commands.tokenizer import line_from_message
from domain.credentials import secrets_equal
from domain.provider import Provider
from services.request.context import RequestContext
from services.slack.workspace_members import MembershipUnknown
from storage.accounts import EncryptionKeyMissing
from storage.encryption import DecryptionError

_WORD = re.compile(r"[!-~]{8,2000}")
_PUNCTUATION = "\"'`<>()[]{},;:=|"


class PastedToken(UserError):
    """The text holds a provider's token, which is not repeated. `connect`: the provider to link, if the person may."""

    def __init__(self, provider: Provider, *, may_connect: bool = True) -> None:
        self.provider = provider
        self.connect = provider if may_connect else None
        message = (
            f"This contains a token, and Slack keeps what you type. Revoke it at {provider.label} now and create a new"
            " one. Nothing was done."
        )
        if may_connect:
            message += (
                f" `{provider.command} connect` opens a form that takes a token without showing it to anyone."
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
        account = await context.accounts.find(clients.provider)
        if account is not None:
            try:
                tokens.append((clients.provider, accounts.token(account)))
            except (DecryptionError, EncryptionKeyMissing):
                continue  # a token that can't be decrypted can't be compared
    return tokens
