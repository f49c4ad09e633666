"""The Slack simulator: one HTTP server on loopback, and methods that change its state as users would."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any, Self

from aiohttp import web

from sandbox.faults import Fault
from sandbox.oauth_browser import give_consent
from sandbox.request_log import RequestLog
from sandbox.slack import payloads
from sandbox.slack.events import is_subscribed, payload_source
from sandbox.slack.installation_page import PATH, InstallationPage
from sandbox.slack.installations import BotToken, Installation, Installations
from sandbox.slack.models import TEAM, Channel
from sandbox.slack.request_delivery import DEADLINE_SECONDS, RequestDelivery
from sandbox.slack.socket_mode import SocketModeServer
from sandbox.slack.users import Enterprise, User
from sandbox.slack.web_api import WebApi
from sandbox.slack.workspace import Workspace
from sandbox.slack.workspace_driver import WorkspaceDriver

BOT_TOKEN = "xoxb-sandbox-0000000000-buildbell"  # noqa: S105 - a simulated token
APP_TOKEN = "xapp-sandbox-0000000000-buildbell"  # noqa: S105
# How often scheduled messages are checked.
SCHEDULE_SECONDS = 0.5
SIGNING_SECRET = "sandbox-signing-secret-0000"  # noqa: S105


def bot_name(manifest: Mapping[str, Any]) -> str:
    """Return the bot's name from a manifest."""
    name: str = manifest["features"]["bot_user"]["display_name"]
    return name


class SlackSimulator(WorkspaceDriver):
    """A simulated Slack. The app of the manifest is installed in the first workspace; others are added and install it.

    It is also the driver of that first workspace; `workspaces` has the drivers of all by id. `api` has the calls and
    violations; `sockets` and `delivery` are the connections to the app, which tests may break. `redirect_urls` are the
    allowed targets of an installation.

    All workspaces use the clock of the first. `deadline_seconds` is how long an app has to acknowledge.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any],
        clock: Callable[[], float] = time.time,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self.manifest = deepcopy(dict(manifest))
        self.url = ""
        self.sockets = SocketModeServer()
        self.request_log = RequestLog()
        self.request_log.on_change = self.sockets.on_change = self._changed
        self.delivery = RequestDelivery(
            self.manifest,
            self.sockets,
            self.request_log,
            signing_secret=SIGNING_SECRET,
            deadline_seconds=deadline_seconds,
        )
        self.installations = Installations(
            self._now,
            rotates_tokens=bool(self.manifest["settings"].get("token_rotation_enabled")),
        )
        super().__init__(
            Workspace(bot_name(self.manifest), clock),
            self.delivery,
            self.request_log,
            self.manifest,
            self.installations,
            lambda: self.url,
        )
        self.workspaces: dict[str, WorkspaceDriver] = {TEAM: self}
        config = self.manifest["oauth_config"]
        self.installations.add_installation(self.workspace, config["scopes"]["bot"], BOT_TOKEN)
        self.redirect_urls: list[str] = list(config.get("redirect_urls") or [])
        self.api = WebApi(
            self.workspaces,
            self.installations,
            self.sockets,
            self.manifest,
            lambda: self.url,
            BOT_TOKEN,
            APP_TOKEN,
            self.request_log,
            self._revoked,
        )
        self._install_page = InstallationPage(
            self.manifest, self.workspaces, self.installations, lambda: self.redirect_urls
        )
        self._runner: web.AppRunner | None = None
        self._posting: asyncio.Task[None] | None = None

    def add_workspace(
        self,
        team: str = "T0ACME",
        name: str = "Acme",
        users: Iterable[User] | None = None,
        channels: Iterable[Channel] | None = None,
        *,
        enterprise: Enterprise | None = None,
    ) -> WorkspaceDriver:
        """Add a workspace without the app.

        Ids may equal those of another workspace. By default it has three users and three channels of its own.
        """
        if team in self.workspaces:
            raise ValueError(f"the workspace {team} already exists")
        workspace = Workspace(
            bot_name(self.manifest),
            self._now,
            team=team,
            name=name,
            users=users,
            channels=channels,
            enterprise=enterprise,
        )
        added = WorkspaceDriver(
            workspace, self.delivery, self.request_log, self.manifest, self.installations, lambda: self.url
        )
        if (installation := self.installations.find(workspace)) is not None:
            other = next(
                driver.workspace
                for driver in self.workspaces.values()
                if installation.covers(driver.workspace)
            )
            workspace.add_bot(other)
        self.workspaces[team] = added
        self._changed()
        return added

    async def install(
        self,
        install_url: str,
        *,
        team: str = TEAM,
        organisation: bool = False,
        user: str | None = None,
        press: str = "Allow",
    ) -> tuple[int, str]:
        """Install the app from its own page, as a user does; with `organisation` in the whole organisation.

        Follows the redirects to Slack's page, presses Allow or Cancel, and follows back. The default user is the first
        owner. Returns the status and text of the last page.
        """
        workspace = self.workspaces[team].workspace
        installer = workspace.find_user(user) if user else _owner(workspace)
        target = team
        if organisation:
            if workspace.enterprise is None:
                raise ValueError(f"{workspace.name} isn't in an organisation")
            target = workspace.enterprise.id
        form = {"person": installer.id, "press": press}
        return await give_consent(install_url, self.url + PATH, query={"team": target}, form=form)

    def uninstall(self, team: str) -> None:
        """Uninstall the app from a workspace or, by its id, from an organisation. Raises KeyError."""
        installation = self.installations.get(team)
        source = self._source_of(installation)
        self.installations.remove(installation)
        for driver in self.workspaces.values():
            if installation.covers(driver.workspace) and self.installations.find(driver.workspace) is None:
                driver.workspace.remove_bot()
                driver.handles.expire_all()
        self._send_uninstall_event(
            {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [installation.bot_user]}}, source
        )
        self._send_uninstall_event({"type": "app_uninstalled"}, source)
        self._changed()

    def expire_tokens(self, team: str) -> None:
        """Expire the tokens of a workspace or an organisation, as if 12 hours had passed. Raises ValueError."""
        self.installations.expire(self.installations.get(team))

    def _revoked(self, token: BotToken, last: bool) -> None:
        """Handle a token that the app revoked; with the last one its bot leaves the channels ("auth.revoke")."""
        installation = token.installation
        if last:
            for driver in self.workspaces.values():
                if installation.covers(driver.workspace):
                    driver.workspace.remove_bot()
        inner = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [installation.bot_user]}}
        self._send_uninstall_event(inner, self._source_of(installation))

    def _source_of(self, installation: Installation) -> payloads.PayloadSource:
        workspace = next(
            driver.workspace for driver in self.workspaces.values() if installation.covers(driver.workspace)
        )
        return payload_source(workspace, org_wide=installation.org_wide)

    def _send_uninstall_event(self, inner: Mapping[str, Any], source: payloads.PayloadSource) -> None:
        if is_subscribed(self.manifest, inner["type"]):
            self.delivery.event(payloads.uninstall_event(inner, source))

    def _now(self) -> float:
        return self.workspace.clock()

    def _changed(self) -> None:
        for driver in self.workspaces.values():
            driver.workspace.notify_change()

    @property
    def api_url(self) -> str:
        """Return the value for SLACK_API_URL."""
        return f"{self.url}/api/"

    async def start(
        self, port: int = 0, *, add_routes: Callable[[web.Application], None] | None = None
    ) -> Self:
        """Start serving on loopback; `add_routes` may add routes."""
        app = web.Application(client_max_size=32 * 1024 * 1024)
        for verb in (app.router.add_get, app.router.add_post):
            verb("/api/{method}", self.api.handle)
        app.router.add_post("/response/{name}", self.api.respond)
        app.router.add_get("/link/", self.sockets.handle)
        app.router.add_post("/upload/{name}", self._receive_file)
        app.router.add_get("/upload/{name}", self._serve_file)
        self._install_page.add_routes(app)
        if add_routes is not None:
            add_routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        await self.delivery.start()
        self._posting = asyncio.create_task(self._post_scheduled())
        return self

    async def close(self) -> None:
        """Stop everything."""
        if self._posting is not None:
            self._posting.cancel()
        self.api.faults.clear()
        await self.delivery.close()
        await self.sockets.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _post_scheduled(self) -> None:
        """Post scheduled messages when they are due."""
        while True:
            for driver in self.workspaces.values():
                if driver.workspace.scheduled:
                    driver.workspace.post_scheduled()
            await asyncio.sleep(SCHEDULE_SECONDS)

    async def _receive_file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        files = self._find_files(name)
        if files is None:
            return web.Response(status=404)
        if request.content_type.startswith("multipart/"):
            sent = next(iter((await request.post()).values()), b"")
            files[name] = sent.file.read() if isinstance(sent, web.FileField) else b""
        else:
            files[name] = await request.read()
        return web.Response(text="OK")

    async def _serve_file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        files = self._find_files(name)
        if files is None:
            return web.Response(status=404)
        return web.Response(body=files[name], content_type=_type_of(files[name]))

    def _find_files(self, name: str) -> dict[str, bytes] | None:
        """Return the files of the workspace with this file name; names are unique."""
        found = (driver.workspace.files for driver in self.workspaces.values())
        return next((files for files in found if name in files), None)

    def use_http(self, address: str) -> None:
        """Send requests to this address, signed, instead of over sockets."""
        for command in self.manifest["features"].get("slash_commands") or []:
            command["url"] = address
        settings = self.manifest["settings"]
        settings.setdefault("event_subscriptions", {})["request_url"] = address
        settings.setdefault("interactivity", {}).update(request_url=address, message_menu_options_url=address)
        settings["socket_mode_enabled"] = False

    @property
    def violations(self) -> list[str]:
        """Return the app's violations of Slack's rules so far."""
        return self.request_log.violations

    def fault(self, match: str, kind: Any, **more: Any) -> None:
        """Inject a fault into the next calls of a method (a glob)."""
        self.api.faults.add(Fault(match, kind, **more))

    async def wait_for_app(self, *, connections: int = 1, seconds: float = 20) -> None:
        """Wait until the app is connected. Raises TimeoutError."""
        await self.sockets.wait_for(connections, seconds)


def _owner(workspace: Workspace) -> User:
    return next(user for user in workspace.users.values() if user.owner and not user.deleted)


def _type_of(content: bytes) -> str:
    return "image/png" if content.startswith(b"\x89PNG") else "text/plain"
