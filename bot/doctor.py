"""`buildbell doctor`: what would keep the bot from its work, one line each, with the cure."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot import installed
from bot.bitrise import Bitrise
from bot.buildio import Buildio
from bot.findings import Finding, clock, missing_scopes
from bot.http import FixedToken, Http, ProviderError
from bot.manifest import bot_scopes
from bot.settings import Settings
from bot.slack import SlackNotReachable, TokenRefused, check_app_token, connect, slack_session, web_client
from storage import DatabaseProblem, check
from storage.private_files import open_to_others, shared_folder

LEAST_DISK = 100 * 1024 * 1024


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Look at everything that the bot needs; raises nothing."""
    yield _database(Path(settings.database_path))
    yield _files(Path(settings.database_path))
    yield _audit_anchor(settings)
    async with AsyncExitStack() as open_things:
        session = await open_things.enter_async_context(slack_session())
        slack = web_client(settings, session, patient=False)
        yield _addresses(settings)
        look = installed.look if settings.many_workspaces else _slack
        async for finding in look(slack, settings):
            yield finding
        http = await open_things.enter_async_context(Http())
        if settings.bitrise_token is not None:
            bitrise = Bitrise(
                http,
                credentials=FixedToken(settings.bitrise_token),
                base_url=settings.bitrise_api_url,
                clock=lambda: datetime.now(UTC),
            )
            async for finding in _bitrise(bitrise):
                yield finding
        if settings.buildio_token is not None:
            buildio = Buildio(
                http,
                credentials=FixedToken(settings.buildio_token),
                base_url=settings.buildio_api_url,
                clock=lambda: datetime.now(UTC),
            )
            async for finding in _buildio(buildio):
                yield finding


async def _slack(slack: AsyncWebClient, settings: Settings) -> AsyncIterator[Finding]:
    began = time.perf_counter()
    try:
        who = await connect(slack)
    except TokenRefused as problem:
        yield Finding(
            "Slack token", str(problem), "copy the Bot User OAuth Token (xoxb-…) into SLACK_BOT_TOKEN"
        )
        return
    except SlackNotReachable as problem:
        yield Finding(
            "Slack", str(problem), f"check the network and SLACK_API_URL ({settings.slack_api_url})"
        )
        return
    took = (time.perf_counter() - began) * 1000
    yield Finding("Slack token", f"workspace {who.team_name} ({who.team}), answered in {took:.0f} ms")
    yield _scopes(who.scopes)
    yield clock(who.answered_at)
    if settings.slack_app_token is not None:
        yield await _socket_mode(slack, settings.slack_app_token.get_secret_value())
    else:
        yield Finding("Slack requests", f"over HTTP, signed, to /slack/events on port {settings.port}")


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


async def _socket_mode(slack: AsyncWebClient, app_token: str) -> Finding:
    try:
        await check_app_token(slack, app_token)
    except SlackApiError as error:
        data = error.response.data if isinstance(error.response.data, dict) else {}
        return Finding(
            "Socket Mode",
            f"Slack answers {data.get('error', 'nothing that can be understood')}",
            "make an app-level token (xapp-…) with connections:write, switch Socket Mode on, set SLACK_APP_TOKEN",
        )
    return Finding("Socket Mode", "SLACK_APP_TOKEN may open connections")


async def _bitrise(bitrise: Bitrise) -> AsyncIterator[Finding]:
    try:
        me = await bitrise.me()
        apps = 0
        async for page in bitrise.apps().pages():
            apps = page.total or len(page.items)
            break
    except ProviderError as problem:
        yield Finding("Bitrise", str(problem), "check BITRISE_TOKEN and BITRISE_API_URL")
        return
    yield Finding("Bitrise", f"as {me.username or me.slug or 'a workspace token'}")
    yield _apps("Bitrise apps", apps)


async def _buildio(buildio: Buildio) -> AsyncIterator[Finding]:
    try:
        me = await buildio.me()
        apps = len(await buildio.apps())
    except ProviderError as problem:
        yield Finding("Build.io", str(problem), "check BUILDIO_TOKEN and BUILDIO_API_URL")
        return
    yield Finding("Build.io", f"as {me.email}")
    yield _apps("Build.io apps", apps)


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


def _audit_anchor(settings: Settings) -> Finding:
    address = settings.audit_anchor
    if address is None:
        return Finding(
            "Audit anchor",
            "not set: that a whole older database was put in place would not show. Worth setting: AUDIT_ANCHOR, a file"
            " in another place or a syslog",
        )
    if address.kind == "file" and not os.access(address.path.parent, os.W_OK | os.X_OK):
        return Finding(
            "Audit anchor",
            f"{address.path.parent} can't be written",
            "make the folder, or change AUDIT_ANCHOR",
        )
    if address.kind == "unix" and not address.path.exists():
        return Finding(
            "Audit anchor", f"there is no socket {address.path}", "start syslog, or change AUDIT_ANCHOR"
        )
    return Finding("Audit anchor", f"{address}; `buildbell audit --verify` compares with it")


def _apps(what: str, count: int) -> Finding:
    if not count:
        return Finding(what, "the token sees none", "give its owner access to the apps to watch")
    return Finding(what, f"{count} can be watched")


def _addresses(settings: Settings) -> Finding:
    """Over what tokens travel; an address that would show them to others is refused with the settings."""
    names = ("slack_api_url", "slack_authorize_url", "bitrise_api_url", "buildio_api_url", "public_url")
    plain = [name.upper() for name in names if (getattr(settings, name) or "").startswith("http://")]
    if plain:
        return Finding("Addresses", f"https://, but for {', '.join(plain)}, on this machine")
    return Finding("Addresses", "all are https://, so tokens never travel in clear")


def _database(path: Path) -> Finding:
    folder = path.resolve().parent
    try:
        check(path)
    except DatabaseProblem as problem:
        return Finding("Database", str(problem), "see above")
    if not folder.is_dir():
        return Finding("Database", f"{folder} does not exist", "make the folder, or change DATABASE_URL")
    free = shutil.disk_usage(folder).free
    if free < LEAST_DISK:
        return Finding("Database", f"only {free // 2**20} MB free in {folder}", "make room on the disk")
    return Finding("Database", f"{path}, {'sound' if path.exists() else 'will be made'}")
