"""What `buildbell doctor` finds where many workspaces install the app. It changes nothing, and exchanges no token."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from slack_sdk.web.async_client import AsyncWebClient

from bot.doctor.finding import Finding, clock, missing_scopes
from bot.settings import Settings, is_loopback
from bot.slack.installation_flow import CALLBACK, INSTALL
from services.slack.web_client import BotIdentity, SlackNotReachable, TokenRefused, check_app, connect
from services.slack.workspace_clients import AllowedWorkspaces
from storage.installations import StoredInstallation, stored_installations

# So many are asked; it is a look, and no census.
MOST_ASKED = 50


async def look(slack: AsyncWebClient, settings: Settings) -> AsyncIterator[Finding]:
    """Look at the app's own id, at its addresses, and at what stands in the database; raises nothing."""
    yield await _client(slack, settings)
    yield public_address(settings.public_url or "", settings.slack_api_url)
    yield Finding(
        "Redirect URL", f"{settings.public_url}{CALLBACK} must be one of the app's (OAuth & Permissions)"
    )
    named = ", ".join(settings.slack_workspaces)
    yield Finding("Who may install", f"{named} (SLACK_WORKSPACES)" if named else "whoever finds the page")
    if settings.service_token_acts:
        yield Finding(
            "Who acts", f"SERVICE_TOKEN_ACTS is 1: every member of {named} reads and acts with BITRISE_TOKEN"
        )
    yield Finding("Slack requests", f"over HTTP, signed, to /slack/events on port {settings.port}")
    async for finding in _installations(slack, settings):
        yield finding


async def _client(slack: AsyncWebClient, settings: Settings) -> Finding:
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
            "Client id",
            str(problem),
            "copy Client ID and Client Secret (Basic Information) into SLACK_CLIENT_ID and SLACK_CLIENT_SECRET",
        )
    except SlackNotReachable as problem:
        return Finding(
            "Slack", str(problem), f"check the network and SLACK_API_URL ({settings.slack_api_url})"
        )
    return Finding("Client id", f"{settings.slack_client_id}, known to Slack with its secret")


def public_address(url: str, slack_api_url: str) -> Finding:
    """Whether Slack and people's browsers can reach the bot there, by the address's form alone."""
    address = urlsplit(url)
    if is_loopback(address.hostname):
        if is_loopback(urlsplit(slack_api_url).hostname):
            return Finding("Public address", f"{url}, on this machine, as Slack is")
        return Finding(
            "Public address",
            f"{url} is this machine alone",
            "set PUBLIC_URL to the address at which Slack and people's browsers reach the bot",
        )
    if address.scheme != "https":
        return Finding(
            "Public address",
            f"{url} is not https",
            "Slack leads people back over https only: put a proxy with TLS in front",
        )
    return Finding("Public address", f"{url}; people install at {url}{INSTALL}")


async def _installations(slack: AsyncWebClient, settings: Settings) -> AsyncIterator[Finding]:
    vault = settings.secret_box()
    if vault is None:
        return
    try:
        found = stored_installations(Path(settings.database_path), vault)
    except sqlite3.DatabaseError:
        return  # the database's own finding says it
    more = f"; the first {MOST_ASKED} are asked" if len(found) > MOST_ASKED else ""
    yield Finding("Installations", f"{len(found)}{more}" if found else "none yet")
    told_the_time = False
    allowed = AllowedWorkspaces(settings.slack_workspaces)
    for one in found[:MOST_ASKED]:
        if not allowed.includes(one.organisation, one.team):
            yield Finding(
                _name_of(one),
                "not served: SLACK_WORKSPACES does not name it",
                "add it to SLACK_WORKSPACES, or let its admins take the app out",
            )
            continue
        finding, who = await _installation(slack, one)
        yield finding
        if who is not None and not told_the_time:
            told_the_time = True
            yield clock(who.answered_at)


def _name_of(one: StoredInstallation) -> str:
    return f"Installed in {one.name or 'a place without a name'} ({one.team or one.organisation})"


async def _installation(slack: AsyncWebClient, one: StoredInstallation) -> tuple[Finding, BotIdentity | None]:
    what = _name_of(one)
    if one.token is None:
        cure = "set BUILDBELL_SECRET_KEY to the key that it was sealed with, or install the app there again"
        return Finding(what, "its token can't be opened", cure), None
    if one.ends_at is not None and one.ends_at <= datetime.now(UTC):
        return Finding(what, "its token has ended; the bot exchanges it at the next call"), None
    slack.token = one.token.get_secret_value()
    try:
        who = await connect(slack, "its token")
    except TokenRefused as problem:
        return Finding(what, str(problem), "install the app there again"), None
    except SlackNotReachable as problem:
        return Finding(what, str(problem), "try again later"), None
    finally:
        slack.token = None
    if missing := missing_scopes(who.scopes):
        return Finding(
            what,
            f"missing {', '.join(missing)}",
            "update the app from manifest.yml and install it there again",
        ), who
    return Finding(what, "its token works, with all scopes"), who
