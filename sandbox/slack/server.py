"""The simulated Slack, whole: one HTTP server on loopback, and what tests and people do with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any, Self

from aiohttp import web

from sandbox.faults import Fault
from sandbox.oauth_browser import consent
from sandbox.request_log import RequestLog
from sandbox.slack import payloads
from sandbox.slack.events import is_subscribed, origin_of
from sandbox.slack.installation_page import PATH, InstallationPage
from sandbox.slack.installations import BotToken, Installation, Installations
from sandbox.slack.request_delivery import DEADLINE_SECONDS, RequestDelivery
from sandbox.slack.socket_mode import SocketModeServer
from sandbox.slack.users import Enterprise, User
from sandbox.slack.web_api import WebApi
from sandbox.slack.workspace import TEAM, Channel, Workspace
from sandbox.slack.workspace_driver import WorkspaceDriver

BOT_TOKEN = "xoxb-sandbox-0000000000-buildbell"  # noqa: S105 - a simulated token
APP_TOKEN = "xapp-sandbox-0000000000-buildbell"  # noqa: S105
# How often it is looked whether a scheduled message is due.
SCHEDULE_SECONDS = 0.5
SIGNING_SECRET = "sandbox-signing-secret-0000"  # noqa: S105


def bot_name(manifest: Mapping[str, Any]) -> str:
    """What the app of this manifest is called in the workspace."""
    name: str = manifest["features"]["bot_user"]["display_name"]
    return name


class SlackSimulator(WorkspaceDriver):
    """Slack, of which the first workspace has the app of the manifest installed; others are added, and install it.

    It is that first workspace itself: `people` acts, `workspace` is the state. `workplaces` holds all of them by id.
    `api` holds the calls and the broken rules; `sockets` and `delivery` are the app's lines, to be broken by whoever
    wants to see what happens. `redirect_urls` are the addresses that an install may lead back to.
    All of Slack goes by the clock of the first workspace. `deadline_seconds` is how long an app has to acknowledge.
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
        self.journal = RequestLog()
        self.journal.changed = self.sockets.changed = self._changed
        self.delivery = RequestDelivery(
            self.manifest,
            self.sockets,
            self.journal,
            signing_secret=SIGNING_SECRET,
            deadline_seconds=deadline_seconds,
        )
        self.installations = Installations(
            self._now,
            rotating=bool(self.manifest["settings"].get("token_rotation_enabled")),
        )
        super().__init__(
            Workspace(bot_name(self.manifest), clock),
            self.delivery,
            self.journal,
            self.manifest,
            self.installations,
            lambda: self.url,
        )
        self.workplaces: dict[str, WorkspaceDriver] = {TEAM: self}
        config = self.manifest["oauth_config"]
        self.installations.begin_with(self.workspace, config["scopes"]["bot"], BOT_TOKEN)
        self.redirect_urls: list[str] = list(config.get("redirect_urls") or [])
        self.api = WebApi(
            self.workplaces,
            self.installations,
            self.sockets,
            self.manifest,
            lambda: self.url,
            BOT_TOKEN,
            APP_TOKEN,
            self.journal,
            self._revoked,
        )
        self._install_page = InstallationPage(
            self.manifest, self.workplaces, self.installations, lambda: self.redirect_urls
        )
        self._runner: web.AppRunner | None = None
        self._posting: asyncio.Task[None] | None = None

    def add_workspace(
        self,
        team: str = "T0ACME",
        name: str = "Acme",
        people: Iterable[User] | None = None,
        channels: Iterable[Channel] | None = None,
        *,
        enterprise: Enterprise | None = None,
    ) -> WorkspaceDriver:
        """Another workspace, in which the app is not installed yet.

        Ids may be the same as in another workspace. Without people and channels it has three of each, of its own.
        """
        if team in self.workplaces:
            raise ValueError(f"there is a workspace {team} already")
        workspace = Workspace(
            bot_name(self.manifest),
            self._now,
            team=team,
            name=name,
            people=people,
            channels=channels,
            enterprise=enterprise,
        )
        place = WorkspaceDriver(
            workspace, self.delivery, self.journal, self.manifest, self.installations, lambda: self.url
        )
        if (there := self.installations.of(workspace)) is not None:
            known = next(one.workspace for one in self.workplaces.values() if there.reaches(one.workspace))
            workspace.add_bot(known)
        self.workplaces[team] = place
        self._changed()
        return place

    async def install(
        self,
        install_url: str,
        *,
        team: str = TEAM,
        organisation: bool = False,
        person: str | None = None,
        press: str = "Allow",
    ) -> tuple[int, str]:
        """Let somebody install the app from its own page, in a workspace or, with `organisation`, in all of its.

        Follows it to Slack's page, presses Allow (or Cancel) there, and follows back. Without a person it is the first
        owner. Returns the status and the text of the last page.
        """
        workspace = self.workplaces[team].workspace
        who = workspace.person(person) if person else _owner(workspace)
        where = team
        if organisation:
            if workspace.enterprise is None:
                raise ValueError(f"{workspace.name} is in no organisation")
            where = workspace.enterprise.id
        chosen = {"person": who.id, "press": press}
        return await consent(install_url, self.url + PATH, query={"team": where}, chosen=chosen)

    def uninstall(self, team: str) -> None:
        """Take the app away from a workspace or, by its id, from an organisation. Raises KeyError."""
        installation = self.installations.by_id(team)
        origin = self._origin_of(installation)
        self.installations.remove(installation)
        for place in self.workplaces.values():
            if installation.reaches(place.workspace) and self.installations.of(place.workspace) is None:
                place.workspace.remove_bot()
                place.handles.end()
        self._tell_of_the_end(
            {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [installation.bot_user]}}, origin
        )
        self._tell_of_the_end({"type": "app_uninstalled"}, origin)
        self._changed()

    def expire_tokens(self, team: str) -> None:
        """Let the tokens of a workspace or an organisation end now, as if half a day had passed. Raises ValueError."""
        self.installations.expire(self.installations.by_id(team))

    def _revoked(self, token: BotToken, last: bool) -> None:
        """The app has given back a token; with the last one its bot leaves the channels ("auth.revoke")."""
        installation = token.installation
        if last:
            for place in self.workplaces.values():
                if installation.reaches(place.workspace):
                    place.workspace.remove_bot()
        inner = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [installation.bot_user]}}
        self._tell_of_the_end(inner, self._origin_of(installation))

    def _origin_of(self, installation: Installation) -> payloads.PayloadSource:
        workspace = next(
            one.workspace for one in self.workplaces.values() if installation.reaches(one.workspace)
        )
        return origin_of(workspace, org_wide=installation.org_wide)

    def _tell_of_the_end(self, inner: Mapping[str, Any], origin: payloads.PayloadSource) -> None:
        if is_subscribed(self.manifest, inner["type"]):
            self.delivery.event(payloads.uninstall_event(inner, origin))

    def _now(self) -> float:
        return self.workspace.clock()

    def _changed(self) -> None:
        for place in self.workplaces.values():
            place.workspace.changed()

    @property
    def api_url(self) -> str:
        """What SLACK_API_URL is to be."""
        return f"{self.url}/api/"

    async def start(self, port: int = 0, *, also: Callable[[web.Application], None] | None = None) -> Self:
        """Begin to serve on loopback; `also` may add routes."""
        app = web.Application(client_max_size=32 * 1024 * 1024)
        for verb in (app.router.add_get, app.router.add_post):
            verb("/api/{method}", self.api.handle)
        app.router.add_post("/response/{name}", self.api.respond)
        app.router.add_get("/link/", self.sockets.handle)
        app.router.add_post("/upload/{name}", self._take_file)
        app.router.add_get("/upload/{name}", self._give_file)
        self._install_page.add_routes(app)
        if also is not None:
            also(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        await self.delivery.start()
        self._posting = asyncio.create_task(self._post_scheduled())
        return self

    async def close(self) -> None:
        """End."""
        if self._posting is not None:
            self._posting.cancel()
        self.api.faults.clear()
        await self.delivery.close()
        await self.sockets.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _post_scheduled(self) -> None:
        """Post what was scheduled, when its time has come."""
        while True:
            for place in self.workplaces.values():
                if place.workspace.scheduled:
                    place.workspace.post_scheduled()
            await asyncio.sleep(SCHEDULE_SECONDS)

    async def _take_file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        files = self._files_with(name)
        if files is None:
            return web.Response(status=404)
        if request.content_type.startswith("multipart/"):
            sent = next(iter((await request.post()).values()), b"")
            files[name] = sent.file.read() if isinstance(sent, web.FileField) else b""
        else:
            files[name] = await request.read()
        return web.Response(text="OK")

    async def _give_file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        files = self._files_with(name)
        if files is None:
            return web.Response(status=404)
        return web.Response(body=files[name], content_type=_type_of(files[name]))

    def _files_with(self, name: str) -> dict[str, bytes] | None:
        """The files of the workspace that has one of this name, which is in no address but its own."""
        found = (one.workspace.files for one in self.workplaces.values())
        return next((files for files in found if name in files), None)

    def use_http(self, address: str) -> None:
        """Let requests go to this address, signed, instead of over sockets."""
        for command in self.manifest["features"].get("slash_commands") or []:
            command["url"] = address
        settings = self.manifest["settings"]
        settings.setdefault("event_subscriptions", {})["request_url"] = address
        settings.setdefault("interactivity", {}).update(request_url=address, message_menu_options_url=address)
        settings["socket_mode_enabled"] = False

    @property
    def violations(self) -> list[str]:
        """Slack's rules that the app has broken so far."""
        return self.journal.violations

    def fault(self, match: str, kind: Any, **more: Any) -> None:
        """Let something go wrong with the next calls of a method (a glob)."""
        self.api.faults.add(Fault(match, kind, **more))

    async def wait_for_app(self, *, connections: int = 1, seconds: float = 20) -> None:
        """Wait until the app has opened its connections. Raises TimeoutError."""
        await self.sockets.wait_for(connections, seconds)


def _owner(workspace: Workspace) -> User:
    return next(one for one in workspace.people.values() if one.owner and not one.deleted)


def _type_of(content: bytes) -> str:
    return "image/png" if content.startswith(b"\x89PNG") else "text/plain"
