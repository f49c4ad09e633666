"""Tokens that somebody types where Slack keeps them: they are told to revoke them, and nothing is done."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import structlog
from pydantic import SecretStr
from slack_bolt import BoltResponse

from domain.commands.tokenizer import line_from_message
from domain.constant_time import secrets_equal
from domain.provider import Provider
from messages.kit import action_ids
from services.container import Services
from services.request.context import RequestContext
from services.request.finder import UserError
from services.slack.workspace_members import MembershipUnknown
from storage.accounts import EncryptionKeyMissing
from storage.encryption import DecryptionError

log = structlog.get_logger()

_WORD = re.compile(r"[!-~]{8,2000}")
_AROUND = "\"'`<>()[]{},;:=|"
LONGEST_ERROR = 2000
# Slack waits three seconds for what a form's submission is answered with.
PATIENCE_SECONDS = 1.0


class PastedToken(UserError):
    """Somebody has typed a token of this provider's; it is not said again. `connect`: where they may link theirs."""

    def __init__(self, provider: Provider, *, may_connect: bool = True) -> None:
        self.provider = provider
        self.connect = provider if may_connect else None
        words = (
            f"That holds a token, and Slack keeps what is typed: revoke it at {provider.label} now, and make a new one."
            " Nothing was done."
        )
        if may_connect:
            words += (
                f" `{provider.command} connect` opens a dialog that takes a token without"
                " showing it to anybody."
            )
        super().__init__(words)


async def check_command_text(text: str, context: RequestContext) -> None:
    """Let only a command through that holds no token; only those who may link an account are shown how.

    Raises TypedToken.
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
    """Let only words through that hold no token of a provider's. Raises TypedToken."""
    text = line_from_message(text)
    for spec in context.services.registry:
        if spec.token_pattern is not None and spec.token_pattern.search(text):
            raise PastedToken(spec.provider)
    words = [part for word in text.split() for part in _parts_of(word)]
    if not words:
        return
    for provider, known in await _known_tokens(context):
        if any(secrets_equal(word, known) for word in words):
            raise PastedToken(provider)


def _parts_of(word: str) -> Iterator[str]:
    """The word, and what stands behind a sign in it: `token=…`, `"…"`."""
    for part in {word, *re.split(r"[=:,;]", word)}:
        for one in {part, part.strip(_AROUND)}:
            if _WORD.fullmatch(one):
                yield one


async def _known_tokens(context: RequestContext) -> list[tuple[Provider, SecretStr]]:
    """Those that the person has linked, and the bot's own."""
    found: list[tuple[Provider, SecretStr]] = []
    accounts = context.storage.accounts
    for at in context.services.clients.all:
        found += [(at.provider, token) for token in at.service_tokens]
        account = await accounts.find(context.identity, at.provider) if context.identity else None
        if account is not None:
            try:
                found.append((at.provider, accounts.token(account)))
            except (DecryptionError, EncryptionKeyMissing):
                continue  # one that can't be opened can't be compared with
    return found


class FormGuard:
    """Bolt middleware: a form's field that holds a token says so, and the form is not read; some are made for them."""

    def __init__(self, services: Services, secret_forms: frozenset[str]) -> None:
        """`secret_forms` are the providers' forms for secrets, by callback_id: they are sent on and stored nowhere."""
        self._services = services
        self._made_for_secrets = secret_forms | {action_ids.CONNECT_MODAL}

    async def check(
        self, body: dict[str, Any], next_: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse | None:
        """Go on with what holds no token."""
        view = body.get("view") or {}
        if body.get("type") == "view_submission" and view.get("callback_id") not in self._made_for_secrets:
            context = RequestContext.in_body(body, self._services)
            errors: dict[str, str] = {}
            for block, text in _texts_in(view):
                try:
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        await check_text(text, context)
                except PastedToken as problem:
                    errors[block] = str(problem).replace("`", "")[:LONGEST_ERROR]
                except TimeoutError:
                    log.warning("form.not_checked", callback=view.get("callback_id"))
            if errors:
                return BoltResponse(status=200, body={"response_action": "errors", "errors": errors})
        await next_()
        return None


def _texts_in(view: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is typed in each field."""
    values = (view.get("state") or {}).get("values") or {}
    for block, fields in values.items():
        for one in fields.values() if isinstance(fields, Mapping) else ():
            text = one.get("value") if isinstance(one, Mapping) else None
            if isinstance(text, str) and text:
                yield str(block), text
