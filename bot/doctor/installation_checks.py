"""Checks of `buildbell doctor` for many workspaces, and those of scopes and the clock for one.

They change nothing and refresh no token.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from slack_sdk.web.async_client import AsyncWebClient

from bot.manifest import bot_scopes
from bot.settings import Settings, is_loopback
from bot.slack.installation_flow import CALLBACK, INSTALL
from services.provider_connection import Finding
from services.slack.web_client import BotIdentity, SlackNotReachable, TokenRefused, check_app, connect
from services.slack.workspace_clients import AllowedWorkspaces
from storage.database import DatabaseProblem
from storage.database_url import server_errors
from storage.installations import StoredInstallation, stored_installations

# Older signatures are rejected (Slack's rules, "Answering").
MAX_CLOCK_SKEW = timedelta(minutes=5)


def missing_scopes(granted: frozenset[str]) -> list[str]:
    """Return the scopes that a token lacks; empty if Slack does not report its scopes."""
    return sorted(bot_scopes() - granted) if granted else []


def check_clock(answered_at: str | None) -> Finding:
    """Compare this machine's clock with Slack's; `answered_at` is the Date header of a Slack response."""
    if answered_at is None:
        return Finding("Clock", "Slack did not report its time; nothing to compare")
    skew = abs(datetime.now(UTC) - parsedate_to_datetime(answered_at))
    if skew > MAX_CLOCK_SKEW:
        return Finding(
            "Clock", f"differs from Slack's by {skew.total_seconds():.0f} s", "set this machine's clock (NTP)"
        )
    return Finding("Clock", f"within {max(skew.total_seconds(), 1):.0f} s of Slack's")


# Maximum number of installations to check, to keep the command short.
MAX_CHECKED = 50


async def check_installations(slack: AsyncWebClient, settings: Settings) -> AsyncIterator[Finding]:
    """Check the client ID, the URLs and the stored installations. Raises nothing."""
    yield await _check_client(slack, settings)
    yield check_public_url(settings.public_url or "", settings.slack_api_url)
    yield Finding(
        "Redirect URL",
        f"{settings.public_url}{CALLBACK} must be one of the app's redirect URLs (OAuth & Permissions)",
    )
    workspaces = ", ".join(settings.slack_workspaces)
    yield Finding(
        "Who may install", f"{workspaces} (SLACK_WORKSPACES)" if workspaces else "anyone who finds the page"
    )
    if settings.service_token_acts:
        yield Finding(
            "Who acts",
            f"SERVICE_TOKEN_ACTS is 1: every member of {workspaces} reads and acts with BITRISE_TOKEN",
        )
    yield Finding("Slack requests", f"over HTTP, signed, to /slack/events on port {settings.port}")
    async for finding in _check_stored_installations(slack, settings):
        yield finding


async def _check_client(slack: AsyncWebClient, settings: Settings) -> Finding:
    secret = settings.slack_client_secret
    try:
        await check_app(
            slack,
            settings.slack_client_id or "",
            secret.get_secret_value() if secret else "",
            f"{settings.public_url}{CALLBACK}",
        )
    except TokenRefused as problem:
        return Finding(
            "Client ID",
            str(problem),
            "copy Client ID and Client Secret (Basic Information) into SLACK_CLIENT_ID and SLACK_CLIENT_SECRET",
        )
    except SlackNotReachable as problem:
        return Finding(
            "Slack", str(problem), f"check the network and SLACK_API_URL ({settings.slack_api_url})"
        )
    return Finding("Client ID", f"{settings.slack_client_id}, accepted by Slack with its secret")


def check_public_url(url: str, slack_api_url: str) -> Finding:
    """Check that Slack and browsers can reach the URL, without a request to it."""
    address = urlsplit(url)
    if is_loopback(address.hostname):
        if is_loopback(urlsplit(slack_api_url).hostname):
            return Finding("Public address", f"{url}, on this machine, like Slack")
        return Finding(
            "Public address",
            f"{url} is reachable only from this machine",
            "set PUBLIC_URL to the URL at which Slack and browsers reach the bot",
        )
    if address.scheme != "https":
        return Finding(
            "Public address",
            f"{url} is not https",
            "Slack redirects people only to https: put a proxy with TLS in front",
        )
    return Finding("Public address", f"{url}; people install at {url}{INSTALL}")


async def _check_stored_installations(slack: AsyncWebClient, settings: Settings) -> AsyncIterator[Finding]:
    vault = settings.secret_box()
    if vault is None:
        return
    try:
        installations = await stored_installations(settings.database_url, vault)
    except DatabaseProblem:
        return  # the check of the database reports it
    except server_errors():
        return  # and this, too
    more = f"; the first {MAX_CHECKED} are checked" if len(installations) > MAX_CHECKED else ""
    yield Finding("Installations", f"{len(installations)}{more}" if installations else "none yet")
    clock_checked = False
    allowed = AllowedWorkspaces(settings.slack_workspaces)
    for installation in installations[:MAX_CHECKED]:
        if not allowed.includes(installation.organisation, installation.team):
            yield Finding(
                _make_title(installation),
                "not served: SLACK_WORKSPACES does not name it",
                "add it to SLACK_WORKSPACES, or ask its admins to uninstall the app",
            )
            continue
        finding, identity = await _check_installation(slack, installation)
        yield finding
        if identity is not None and not clock_checked:
            clock_checked = True
            yield check_clock(identity.answered_at)


def _make_title(installation: StoredInstallation) -> str:
    name, slack_id = (
        installation.name or "an unnamed workspace",
        installation.team or installation.organisation,
    )
    return f"Installed in {name} ({slack_id})"


async def _check_installation(
    slack: AsyncWebClient, installation: StoredInstallation
) -> tuple[Finding, BotIdentity | None]:
    title = _make_title(installation)
    if installation.token is None:
        fix = "set BUILDBELL_SECRET_KEY to the key that encrypted it, or reinstall the app there"
        return Finding(title, "its token can't be decrypted", fix), None
    if installation.ends_at is not None and installation.ends_at <= datetime.now(UTC):
        return Finding(title, "its token has expired; the bot refreshes it at the next call"), None
    slack.token = installation.token.get_secret_value()
    try:
        identity = await connect(slack, "its token")
    except TokenRefused as problem:
        return Finding(title, str(problem), "reinstall the app there"), None
    except SlackNotReachable as problem:
        return Finding(title, str(problem), "try again later"), None
    finally:
        slack.token = None
    if missing := missing_scopes(identity.scopes):
        return Finding(
            title,
            f"missing {', '.join(missing)}",
            "update the app from manifest.yml and reinstall it there",
        ), identity
    return Finding(title, "its token works and has all scopes"), identity
