"""Error messages for the user who made the request."""

from __future__ import annotations

import aiohttp
import structlog

from domain.audit_chain import ChainBroken
from domain.commands.errors import CommandError, UserError
from domain.fair_limiter import LimitReached
from domain.message import Message
from domain.provider import Provider
from domain.provider_errors import NotConnected, ProviderError
from domain.redaction.redactor import redact
from messages import notices
from messages.kit.button_values import InvalidButtonValue
from messages.subscription_form import FilterTooLong
from services.accounts.pasted_tokens import PastedToken
from services.actions.permissions import PermissionDenied
from services.lookup.app_matching import AmbiguousApp, UnknownApp
from services.request.context import Reply, Visibility
from services.request.request_tracker import Repeated
from services.slack.errors import NO_ANSWER, NOT_SENT, NOT_UNDERSTOOD, SlackCallFailed
from services.slack.workspace_members import NotAMember
from services.worker_processes.pool import WorkFailed
from storage.database import DatabaseUnavailable, WorkspaceGone

log = structlog.get_logger()

USER_ERRORS = (
    CommandError,
    UnknownApp,
    AmbiguousApp,
    UserError,
    PermissionDenied,
    InvalidButtonValue,
    FilterTooLong,
    LimitReached,
    Repeated,
)


_SLOWER = "Slack limits requests. Try again in a minute."
_LATER = "Slack isn't working properly right now. Try again in a minute."
_NOT_INSTALLED = "Slack rejects Buildbell's token. Ask an admin to install Buildbell again."
DATABASE_AWAY = "Buildbell can't reach its database right now, so it can't do this. Try again in a minute."
# Slack's error codes that are about where or how late a reply is sent, not about its content.
_REFUSALS = {
    "expired_trigger_id": "That took too long, so Slack didn't open the dialog. Try again.",
    "invalid_trigger_id": "Slack didn't open the dialog. Try again.",
    "exchanged_trigger_id": "Slack didn't open the dialog. Try again.",
    "channel_not_found": "Buildbell can't post in this channel. Type `/invite @buildbell` here, then try again.",
    "not_in_channel": "Buildbell can't post in this channel. Type `/invite @buildbell` here, then try again.",
    "user_not_in_channel": "You aren't in this channel.",
    "restricted_action": "This workspace doesn't let Buildbell post in this channel.",
    "is_archived": "This channel is archived, so no one can post in it.",
    "user_not_found": "Slack can't find this person.",
    "user_disabled": "This person's Slack account is deactivated.",
    "not_found": "The dialog was closed.",
    "message_not_found": "The message no longer exists.",
    "thread_not_found": "The message no longer exists.",
    "cannot_unfurl_url": "The link is no longer in the message.",
    "cannot_find_message": "The message no longer exists.",
    "push_limit_reached": "Too many dialogs are open on top of each other. Close one first.",
    "ratelimited": _SLOWER,
    "rate_limited": _SLOWER,
    "service_unavailable": _LATER,
    "internal_error": _LATER,
    "fatal_error": _LATER,
    "request_timeout": _LATER,
    NOT_SENT: _LATER,
    NO_ANSWER: _LATER,
    NOT_UNDERSTOOD: _LATER,
    "account_inactive": _NOT_INSTALLED,
    "invalid_auth": _NOT_INSTALLED,
    "token_expired": _NOT_INSTALLED,
    "token_revoked": _NOT_INSTALLED,
    "missing_scope": "Buildbell lacks a permission in Slack. Ask an admin to install it again with its new manifest.",
}


def error_message(error: Exception) -> Message:
    """Render the error as a message: what was wrong, what would work, and the button that does it."""
    if isinstance(error, PermissionDenied):
        return notices.error_message(sentence_for(error), connect=error.connect, rule=error.rule)
    return notices.error_message(sentence_for(error), connect=provider_to_connect(error))


def provider_to_connect(error: Exception) -> Provider | None:
    """Return the provider whose account the user has to link, if that is what is missing."""
    if isinstance(error, PermissionDenied):
        return error.connect
    if isinstance(error, PastedToken):
        return error.connect
    is_missing = isinstance(error, NotConnected) and not isinstance(error, NotAMember)
    return error.provider if is_missing and isinstance(error, NotConnected) else None


def reply_to_error(error: Exception) -> Reply:
    """Return the reply to the error. How to link an account, or add a rule, is shown to the user only."""
    private = provider_to_connect(error) is not None or isinstance(error, PastedToken)
    private = private or (isinstance(error, PermissionDenied) and error.rule is not None)
    return Reply(error_message(error), Visibility.ONE_PERSON if private else Visibility.REQUESTER)


def sentence_for(error: BaseException) -> str:
    """Return the error as a sentence without Slack markup, for places that take plain text."""
    if isinstance(error, (*USER_ERRORS, ProviderError)):
        # The message may quote a secret that was typed in the wrong place.
        return redact(str(error))
    if isinstance(error, ChainBroken):
        log.error("audit.not_well", reason=str(error), check="buildbell audit --verify")
        return (
            "This workspace's audit log was changed from outside. Nothing can be recorded in it, so no action is"
            " started. Ask whoever runs Buildbell: `buildbell audit --verify` shows what is wrong."
        )
    if isinstance(error, DatabaseUnavailable):
        log.info("answer.without_database")  # what is wrong with it is logged once
        return DATABASE_AWAY
    if isinstance(error, WorkFailed | WorkspaceGone):
        return str(error)  # nobody in a workspace that is gone will read it
    if (refusal := slack_error_code(error)) is not None:
        log.info("answer.refused", reason=refusal)
        return _REFUSALS[refusal]
    log.error("answer.broken", exc_info=error)
    return "Something went wrong in Buildbell; its log has the details. It changed nothing that it hasn't reported."


def slack_error_code(error: BaseException) -> str | None:
    """Return Slack's error code if the error is not a bug of the bot; None for any other error."""
    # Only Slack is called over aiohttp here: errors of a provider are ProviderErrors.
    if isinstance(error, aiohttp.ClientError | TimeoutError):
        return NO_ANSWER
    return error.reason if isinstance(error, SlackCallFailed) and error.reason in _REFUSALS else None
