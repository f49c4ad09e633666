"""Checks of `buildbell doctor`: one line each, with a fix if it failed."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bot.doctor import installation_checks
from bot.doctor.installation_checks import check_clock, missing_scopes
from bot.doctor.settings_checks import CheckedSettings
from bot.http_server import CannotServe, listen
from bot.manifest import bot_scopes
from bot.providers_setup import SPECS, connect_provider
from bot.settings import Settings
from domain.credentials import FixedToken
from providers.http.transport import HttpTransport
from services.provider_connection import Finding
from services.provider_spec import ProviderSpec
from services.slack.web_client import (
    SlackNotReachable,
    TokenRefused,
    connect,
    create_slack_session,
    open_connection,
    web_client,
)
from storage.database import DatabaseProblem
from storage.database_url import describe_server_error, server_errors
from storage.private_files import open_to_others, shared_folder
from storage.sqlite_database import check

MIN_FREE_DISK = 100 * 1024 * 1024
REQUEST_SECONDS = 5.0
_URL_SETTINGS = (
    "slack_api_url",
    "slack_authorize_url",
    *(spec.url_setting.lower() for spec in SPECS),
    "public_url",
)


async def run_checks(checked: CheckedSettings) -> AsyncIterator[Finding]:
    """Check what the bot needs besides valid settings; skip checks with unusable settings. Raises nothing."""
    settings, can_use = checked.settings, checked.can_use
    if can_use("database_url"):
        if settings.database_path is not None:
            yield _check_database(settings.database_path)
            yield _check_files(settings.database_path)
        else:
            server = await _check_server(settings.database_url)
            yield server
            if server.passed:
                yield await _check_session(settings.database_url)
    if can_use("audit_anchor"):
        yield await _check_audit_anchor(settings)
    if can_use("host", "port"):
        yield await _check_port(settings)
    if can_use(*_URL_SETTINGS):
        yield _check_urls(settings)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(create_slack_session())
        slack = web_client(settings.slack_api_url, settings.slack_bot_token, session, patient=False)
        if can_use("slack_api_url"):
            async for finding in _check_slack(slack, checked):
                yield finding
        http = await stack.enter_async_context(HttpTransport())
        for spec in SPECS:
            async for finding in _check_provider(spec, checked, http):
                yield finding


async def _check_provider(
    spec: ProviderSpec, checked: CheckedSettings, http: HttpTransport
) -> AsyncIterator[Finding]:
    """Check the bot's token at the provider, and the OAuth application."""
    connection = connect_provider(spec, checked.settings, http, clock=lambda: datetime.now(UTC))
    token, url = connection.config.token, spec.url_setting.lower()
    if token is not None and connection.check_client is not None and checked.can_use(url):
        async for finding in connection.check_client(connection.make_client(FixedToken(token))):
            yield finding
    oauth_settings = [setting.lower() for setting in spec.oauth_settings]
    if (
        connection.oauth is not None
        and connection.check_oauth is not None
        and checked.can_use(url, *oauth_settings, "public_url")
    ):
        yield await connection.check_oauth(connection.oauth)


async def _check_slack(slack: AsyncWebClient, checked: CheckedSettings) -> AsyncIterator[Finding]:
    settings = checked.settings
    if settings.many_workspaces:
        required_settings = (
            "slack_client_id",
            "slack_client_secret",
            "slack_workspaces",
            "public_url",
            "buildbell_secret_key",
            "database_url",
        )
        if checked.can_use(*required_settings):
            async for finding in installation_checks.check_installations(slack, settings):
                yield finding
        return
    if settings.slack_bot_token is not None and checked.can_use("slack_bot_token"):
        async for finding in _check_workspace(slack, settings):
            yield finding
    if not settings.takes_requests:
        return
    if settings.slack_app_token is not None:
        if checked.can_use("slack_app_token"):
            yield await _check_socket_mode(slack, settings)
    elif settings.slack_signing_secret is not None:
        yield Finding("Slack requests", f"over HTTP, signed, to /slack/events on port {settings.port}")


async def _check_workspace(slack: AsyncWebClient, settings: Settings) -> AsyncIterator[Finding]:
    started = time.perf_counter()
    try:
        identity = await connect(slack)
    except TokenRefused as problem:
        yield Finding(
            "Slack token", str(problem), "copy the Bot User OAuth Token (xoxb-…) into SLACK_BOT_TOKEN"
        )
        return
    except SlackNotReachable as problem:
        yield _make_unreachable_finding("Slack", problem, settings)
        return
    milliseconds = (time.perf_counter() - started) * 1000
    yield Finding(
        "Slack token", f"workspace {identity.team_name} ({identity.team}), answered in {milliseconds:.0f} ms"
    )
    yield _check_scopes(identity.scopes)
    yield check_clock(identity.answered_at)


def _make_unreachable_finding(check_name: str, problem: SlackNotReachable, settings: Settings) -> Finding:
    return Finding(
        check_name, str(problem), f"check the network and SLACK_API_URL ({settings.slack_api_url})"
    )


def _check_scopes(granted: frozenset[str]) -> Finding:
    if not granted:
        return Finding("Slack scopes", "not reported by Slack; nothing to compare")
    if missing := missing_scopes(granted):
        return Finding(
            "Slack scopes",
            f"missing {', '.join(missing)}",
            "update the app from manifest.yml and reinstall it",
        )
    return Finding("Slack scopes", f"all {len(bot_scopes())} granted")


async def _check_socket_mode(slack: AsyncWebClient, settings: Settings) -> Finding:
    token = settings.slack_app_token
    try:
        await open_connection(slack, token.get_secret_value() if token else "")
    except TokenRefused as problem:
        return Finding(
            "Socket Mode",
            str(problem),
            "create an app-level token (xapp-…) with connections:write, enable Socket Mode, set SLACK_APP_TOKEN",
        )
    except SlackNotReachable as problem:
        return _make_unreachable_finding("Socket Mode", problem, settings)
    return Finding("Socket Mode", "SLACK_APP_TOKEN can open connections")


async def _check_port(settings: Settings) -> Finding:
    """Check that HOST and PORT are free, or used by a running bot."""
    try:
        server = await listen(asyncio.Protocol, settings.host, settings.port)
    except CannotServe as problem:
        if await _is_buildbell_running(settings):
            return Finding("Port", f"{settings.port}, used by a running Buildbell")
        return Finding("Port", str(problem), "change it, or stop the other program")
    server.close()
    return Finding("Port", f"{settings.port or 'any'} on {settings.host} is free")


async def _is_buildbell_running(settings: Settings) -> bool:
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - wildcard addresses, each with a concrete one to call
    host = loopback.get(settings.host, settings.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/readyz"
    try:
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            body = await response.json()
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        return False
    return isinstance(body, dict) and {"ready", "last_look"} <= body.keys()


def _check_files(path: Path) -> Finding:
    if readable_files := open_to_others(path):
        names = ", ".join(file.name for file in readable_files)
        return Finding(
            "Files",
            f"other users of this machine can read {names}",
            "start the bot once, which corrects the permissions",
        )
    if (folder := shared_folder(path)) is not None:
        return Finding(
            "Files",
            f"only their owner can read them, but other users can list {folder}; a separate folder for the database"
            " with chmod 700 is better",
        )
    return Finding("Files", "only their owner can read them")


async def _check_audit_anchor(settings: Settings) -> Finding:
    address = settings.audit_anchor
    if address is None:
        return Finding(
            "Audit anchor",
            "not set: if the whole database is replaced by an older one, nothing detects it. Set AUDIT_ANCHOR to a"
            " file in another place or a syslog",
        )
    if address.kind == "file" and (reason := _find_write_error(address.path)):
        return Finding("Audit anchor", reason, "create its folder, or change AUDIT_ANCHOR")
    if address.kind == "unix" and not address.path.exists():
        return Finding(
            "Audit anchor",
            f"the socket {address.path} does not exist",
            "start syslog, or change AUDIT_ANCHOR",
        )
    if address.host:
        try:
            await asyncio.get_running_loop().getaddrinfo(address.host, address.port)
        except (OSError, UnicodeError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "it is not a host name"
            return Finding(
                "Audit anchor", f"{address.host} can't be resolved ({reason})", "change AUDIT_ANCHOR"
            )
    return Finding("Audit anchor", f"{address}; `buildbell audit --verify` compares with it")


def _find_write_error(path: Path) -> str | None:
    """Return the reason why a file can't be created or written; None if it can. Changes no file."""
    try:
        if path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC))
        else:
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    except OSError as problem:
        return f"{path} can't be written ({problem.strerror or problem})"
    return None


def _check_urls(settings: Settings) -> Finding:
    """List the URLs with plain http, which the settings accept only for this machine."""
    plain_http = [
        name.upper() for name in _URL_SETTINGS if (getattr(settings, name) or "").startswith("http://")
    ]
    if plain_http:
        return Finding("Addresses", f"all use https://, except {', '.join(plain_http)}, on this machine")
    return Finding("Addresses", "all use https://, so tokens are never sent unencrypted")


async def _check_server(url: str) -> Finding:
    """Check that the database server accepts the bot, and that its data is of this version or older."""
    from storage.postgres_server import describe_database  # noqa: PLC0415 - only where it is used

    try:
        return Finding("Database", await describe_database(url))
    except DatabaseProblem as problem:
        return Finding("Database", str(problem), "do what the message says, or change DATABASE_URL")
    except server_errors() as problem:
        return Finding("Database", describe_server_error(problem), "make the bot's user the database's owner")


async def _check_session(url: str) -> Finding:
    """Check when the server notices that a bot's machine has vanished: only then do others take over its work."""
    from storage.postgres_server import read_keepalives  # noqa: PLC0415 - only where it is used

    try:
        keepalives = await asyncio.to_thread(read_keepalives, url)
    except server_errors() as problem:
        return Finding("Database session", describe_server_error(problem), "try again later")
    if keepalives.problem:
        return Finding(
            "Database session",
            keepalives.problem,
            "run the server on a system where connections can have TCP keepalives of their own, such as Linux",
        )
    if not keepalives.is_tcp:
        return Finding("Database session", "a Unix socket on this machine, where TCP keepalives do not apply")
    return Finding(
        "Database session",
        f"if a machine vanishes, the server ends its session after {keepalives.seconds} s",
    )


def _check_database(path: Path) -> Finding:
    """Check that the file can be written, or created with its folders, as the bot does when it starts."""
    path = path.resolve()
    folder = next(parent for parent in path.parents if parent.exists())
    if reason := _find_write_error(path if folder == path.parent else folder / path.name):
        return Finding(
            "Database", reason, "create its folder, let the bot write there, or change DATABASE_URL"
        )
    try:
        check(path)
    except DatabaseProblem as problem:
        return Finding("Database", str(problem), "do what the message says, or change DATABASE_URL")
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_DISK:
        return Finding("Database", f"only {free // 2**20} MB free in {folder}", "free some disk space")
    state = (
        "ok"
        if path.exists()
        else "will be created"
        if folder == path.parent
        else "will be created, with its folder"
    )
    return Finding("Database", f"{path}, {state}")
