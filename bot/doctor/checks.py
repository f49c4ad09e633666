"""`buildbell doctor`: what would keep the bot from its work, one line each, with the cure."""

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
from bot.doctor.finding import Finding, clock, missing_scopes
from bot.doctor.settings_checks import Looked
from bot.http_server import CannotServe, listen
from bot.manifest import bot_scopes
from bot.providers_setup import buildio_oauth
from bot.settings import Settings
from bot.slack.http_session import create_slack_session
from domain.credentials import FixedToken
from domain.errors import Forbidden, InvalidToken, NotFound, ProviderError
from providers.bitrise.api.client import BitriseClient
from providers.buildio.api.client import BuildioClient
from providers.http.transport import HttpTransport
from services.provider_connection import OAuthFlow
from services.slack.web_client import SlackNotReachable, TokenRefused, connect, open_connection, web_client
from storage.database import DatabaseProblem, check
from storage.private_files import open_to_others, shared_folder

LEAST_DISK = 100 * 1024 * 1024
ASK_SECONDS = 5.0
_ADDRESSES = ("slack_api_url", "slack_authorize_url", "bitrise_api_url", "buildio_api_url", "public_url")


async def examine(looked: Looked) -> AsyncIterator[Finding]:
    """Look at everything that the bot needs beside its settings, as far as those can be used; raises nothing."""
    settings, can_use = looked.settings, looked.can_use
    if can_use("database_url"):
        yield _database(Path(settings.database_path))
        yield _files(Path(settings.database_path))
    if can_use("audit_anchor"):
        yield await _audit_anchor(settings)
    if can_use("host", "port"):
        yield await _serving(settings)
    if can_use(*_ADDRESSES):
        yield _addresses(settings)
    async with AsyncExitStack() as open_things:
        session = await open_things.enter_async_context(create_slack_session())
        slack = web_client(settings.slack_api_url, settings.slack_bot_token, session, patient=False)
        if can_use("slack_api_url"):
            async for finding in _slack(slack, looked):
                yield finding
        http = await open_things.enter_async_context(HttpTransport())
        if settings.bitrise_token is not None and can_use("bitrise_api_url"):
            bitrise = BitriseClient(
                http,
                credentials=FixedToken(settings.bitrise_token),
                base_url=settings.bitrise_api_url,
                clock=lambda: datetime.now(UTC),
            )
            async for finding in _bitrise(bitrise):
                yield finding
        if settings.buildio_token is not None and can_use("buildio_api_url"):
            buildio = BuildioClient(
                http,
                credentials=FixedToken(settings.buildio_token),
                base_url=settings.buildio_api_url,
                clock=lambda: datetime.now(UTC),
            )
            async for finding in _buildio(buildio):
                yield finding
        if can_use("buildio_api_url", "buildio_client_id", "buildio_client_secret", "public_url"):
            door = buildio_oauth(settings, http, lambda: datetime.now(UTC))
            if door is not None:
                yield await _sign_in(door)


async def _slack(slack: AsyncWebClient, looked: Looked) -> AsyncIterator[Finding]:
    settings = looked.settings
    if settings.many_workspaces:
        needed = (
            "slack_client_id",
            "slack_client_secret",
            "slack_workspaces",
            "public_url",
            "buildbell_secret_key",
            "database_url",
        )
        if looked.can_use(*needed):
            async for finding in installation_checks.look(slack, settings):
                yield finding
        return
    if settings.slack_bot_token is not None and looked.can_use("slack_bot_token"):
        async for finding in _workspace(slack, settings):
            yield finding
    if settings.slack_app_token is not None:
        if looked.can_use("slack_app_token"):
            yield await _socket_mode(slack, settings)
    elif settings.slack_signing_secret is not None:
        yield Finding("Slack requests", f"over HTTP, signed, to /slack/events on port {settings.port}")


async def _workspace(slack: AsyncWebClient, settings: Settings) -> AsyncIterator[Finding]:
    began = time.perf_counter()
    try:
        who = await connect(slack)
    except TokenRefused as problem:
        yield Finding(
            "Slack token", str(problem), "copy the Bot User OAuth Token (xoxb-…) into SLACK_BOT_TOKEN"
        )
        return
    except SlackNotReachable as problem:
        yield _not_reachable("Slack", problem, settings)
        return
    took = (time.perf_counter() - began) * 1000
    yield Finding("Slack token", f"workspace {who.team_name} ({who.team}), answered in {took:.0f} ms")
    yield _scopes(who.scopes)
    yield clock(who.answered_at)


def _not_reachable(what: str, problem: SlackNotReachable, settings: Settings) -> Finding:
    return Finding(what, str(problem), f"check the network and SLACK_API_URL ({settings.slack_api_url})")


def _scopes(granted: frozenset[str]) -> Finding:
    if not granted:
        return Finding("Slack scopes", "not told by Slack; nothing to compare")
    if missing := missing_scopes(granted):
        return Finding(
            "Slack scopes",
            f"missing {', '.join(missing)}",
            "update the app from manifest.yml and install it again",
        )
    return Finding("Slack scopes", f"all {len(bot_scopes())} granted")


async def _socket_mode(slack: AsyncWebClient, settings: Settings) -> Finding:
    token = settings.slack_app_token
    try:
        await open_connection(slack, token.get_secret_value() if token else "")
    except TokenRefused as problem:
        return Finding(
            "Socket Mode",
            str(problem),
            "make an app-level token (xapp-…) with connections:write, switch Socket Mode on, set SLACK_APP_TOKEN",
        )
    except SlackNotReachable as problem:
        return _not_reachable("Socket Mode", problem, settings)
    return Finding("Socket Mode", "SLACK_APP_TOKEN may open connections")


async def _serving(settings: Settings) -> Finding:
    """Whether HOST and PORT can be had, or are had by a bot that runs."""
    try:
        server = await listen(asyncio.Protocol, settings.host, settings.port)
    except CannotServe as problem:
        if await _answers_as_buildbell(settings):
            return Finding("Port", f"{settings.port}, where a Buildbell runs")
        return Finding("Port", str(problem), "change it, or end what is in the way")
    server.close()
    return Finding("Port", f"{settings.port or 'any'} on {settings.host} is free")


async def _answers_as_buildbell(settings: Settings) -> bool:
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what stands for all addresses, to be asked at one
    host = own.get(settings.host, settings.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/readyz"
    try:
        timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            said = await answer.json()
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        return False
    return isinstance(said, dict) and {"ready", "slack", "last_look"} <= said.keys()


async def _bitrise(bitrise: BitriseClient) -> AsyncIterator[Finding]:
    try:
        me = await bitrise.me()
        apps = 0
        async for page in bitrise.apps().pages():
            apps = page.total or len(page.items)
            break
    except ProviderError as problem:
        yield Finding("Bitrise", str(problem), await _bitrise_cure(bitrise, problem))
        return
    yield Finding("Bitrise", f"as {me.username or me.slug or 'a workspace token'}")
    yield _apps("Bitrise apps", apps)


async def _bitrise_cure(bitrise: BitriseClient, problem: ProviderError) -> str:
    """Say whether token or address is at fault: the API's roots answer without a token ("Root URLs")."""
    refused = isinstance(problem, InvalidToken | Forbidden)
    if not refused and not isinstance(problem, NotFound):
        return "check the network, BITRISE_API_URL and BITRISE_TOKEN"
    try:
        await bitrise.root(versioned=refused)
    except (ProviderError, ValueError):
        return "check BITRISE_TOKEN and BITRISE_API_URL"
    if refused:
        return "BITRISE_API_URL is right: check BITRISE_TOKEN"
    return "BITRISE_API_URL must end with the version, as in https://api.bitrise.io/v0.1"


async def _buildio(buildio: BuildioClient) -> AsyncIterator[Finding]:
    try:
        me = await buildio.me()
        apps = len(await buildio.apps())
    except ProviderError as problem:
        yield Finding("Build.io", str(problem), "check BUILDIO_TOKEN and BUILDIO_API_URL")
        return
    yield Finding("Build.io", f"as {me.email}")
    yield _apps("Build.io apps", apps)


async def _sign_in(door: OAuthFlow) -> Finding:
    try:
        await door.check()
    except InvalidToken as problem:
        return Finding(
            "Build.io sign-in",
            str(problem),
            "copy the application's id and secret into BUILDIO_CLIENT_ID and BUILDIO_CLIENT_SECRET",
        )
    except ProviderError as problem:
        return Finding("Build.io sign-in", str(problem), "check BUILDIO_API_URL")
    return Finding("Build.io sign-in", "the application is known to Build.io with its secret")


def _files(path: Path) -> Finding:
    if others := open_to_others(path):
        names = ", ".join(one.name for one in others)
        return Finding("Files", f"others can read {names}", "start the bot once, which mends that")
    if (folder := shared_folder(path)) is not None:
        return Finding(
            "Files",
            f"nobody but their owner can read them, but others can look into {folder}; a folder of the database's own"
            " with chmod 700 is better",
        )
    return Finding("Files", "nobody but their owner can read them")


async def _audit_anchor(settings: Settings) -> Finding:
    address = settings.audit_anchor
    if address is None:
        return Finding(
            "Audit anchor",
            "not set: that a whole older database was put in place would not show. Worth setting: AUDIT_ANCHOR, a file"
            " in another place or a syslog",
        )
    if address.kind == "file" and (reason := _why_not_writable(address.path)):
        return Finding("Audit anchor", reason, "make its folder, or change AUDIT_ANCHOR")
    if address.kind == "unix" and not address.path.exists():
        return Finding(
            "Audit anchor", f"there is no socket {address.path}", "start syslog, or change AUDIT_ANCHOR"
        )
    if address.host:
        try:
            await asyncio.get_running_loop().getaddrinfo(address.host, address.port)
        except (OSError, UnicodeError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "it is no name"
            return Finding("Audit anchor", f"{address.host} is not known ({reason})", "change AUDIT_ANCHOR")
    return Finding("Audit anchor", f"{address}; `buildbell audit --verify` compares with it")


def _why_not_writable(path: Path) -> str | None:
    """Why a file can't be made or written, tried without leaving anything; None where it can."""
    try:
        if path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC))
        else:
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    except OSError as problem:
        return f"{path} can't be written ({problem.strerror or problem})"
    return None


def _apps(what: str, count: int) -> Finding:
    if not count:
        return Finding(what, "the token sees none", "give its owner access to the apps to watch")
    return Finding(what, f"{count} can be watched")


def _addresses(settings: Settings) -> Finding:
    """Over what tokens travel; an address that would show them to others is refused with the settings."""
    plain = [name.upper() for name in _ADDRESSES if (getattr(settings, name) or "").startswith("http://")]
    if plain:
        return Finding("Addresses", f"https://, but for {', '.join(plain)}, on this machine")
    return Finding("Addresses", "all are https://, so tokens never travel in clear")


def _database(path: Path) -> Finding:
    """Whether the file can be written, or made with all its folders, as the bot does at its start."""
    path = path.resolve()
    folder = next(one for one in path.parents if one.exists())
    if reason := _why_not_writable(path if folder == path.parent else folder / path.name):
        return Finding("Database", reason, "make its folder, let the bot write there, or change DATABASE_URL")
    try:
        check(path)
    except DatabaseProblem as problem:
        return Finding("Database", str(problem), "see above, or change DATABASE_URL")
    free = shutil.disk_usage(folder).free
    if free < LEAST_DISK:
        return Finding("Database", f"only {free // 2**20} MB free in {folder}", "make room on the disk")
    state = (
        "sound"
        if path.exists()
        else "will be made"
        if folder == path.parent
        else "will be made, with its folder"
    )
    return Finding("Database", f"{path}, {state}")
