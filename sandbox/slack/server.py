"""The simulated Slack, whole: one HTTP server on loopback, and what tests and people do with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Self

from aiohttp import web

from sandbox.faults import Fault
from sandbox.journal import Journal
from sandbox.slack.delivery import Delivery
from sandbox.slack.handles import Handles
from sandbox.slack.methods import Methods
from sandbox.slack.people import People
from sandbox.slack.sockets import Sockets
from sandbox.slack.transcript import modal_words, transcript, words
from sandbox.slack.web_api import WebApi
from sandbox.slack.workspace import OpenView, Post, Workspace

BOT_TOKEN = "xoxb-sandbox-0000000000-buildbell"  # noqa: S105 - a simulated token
APP_TOKEN = "xapp-sandbox-0000000000-buildbell"  # noqa: S105
SIGNING_SECRET = "sandbox-signing-secret-0000"  # noqa: S105


def bot_name(manifest: Mapping[str, Any]) -> str:
    """What the app of this manifest is called in the workspace."""
    name: str = manifest["features"]["bot_user"]["display_name"]
    return name


class SlackSandbox:
    """A workspace with the app of the manifest installed.

    `people` acts; `api` holds the calls and the broken rules; `workspace` is the state; `sockets` and `delivery`
    are the app's lines, to be broken by whoever wants to see what happens.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self.manifest = deepcopy(dict(manifest))
        self.workspace = Workspace(bot_name(self.manifest))
        self.handles = Handles()
        self.sockets = Sockets()
        scopes = frozenset(self.manifest["oauth_config"]["scopes"]["bot"])
        self.journal = Journal()
        self.journal.changed = self.sockets.changed = self.workspace.changed
        home = bool(self.manifest["features"].get("app_home", {}).get("home_tab_enabled"))
        methods = Methods(
            self.workspace,
            self.handles,
            self.sockets,
            scopes,
            lambda: self.url,
            home,
            self.manifest.get("functions") or {},
        )
        self.api = WebApi(methods, self.handles, scopes, BOT_TOKEN, APP_TOKEN, self.journal)
        self.delivery = Delivery(self.manifest, self.sockets, self.journal, signing_secret=SIGNING_SECRET)
        self._runner: web.AppRunner | None = None
        self.url = ""

    @property
    def api_url(self) -> str:
        """What SLACK_API_URL is to be."""
        return f"{self.url}/api/"

    async def start(self, port: int = 0, *, also: Callable[[web.Application], None] | None = None) -> Self:
        """Begin to serve on loopback; `also` may add routes."""
        app = web.Application(client_max_size=8 * 1024 * 1024)
        for verb in (app.router.add_get, app.router.add_post):
            verb("/api/{method}", self.api.handle)
        app.router.add_post("/response/{name}", self.api.respond)
        app.router.add_get("/link/", self.sockets.handle)
        app.router.add_post("/upload/{name}", self._take_file)
        app.router.add_get("/upload/{name}", self._give_file)
        if also is not None:
            also(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        await self.delivery.start()
        self.people = People(self.workspace, self.delivery, self.handles, self.api, self.manifest, self.url)
        return self

    async def close(self) -> None:
        """End."""
        await self.delivery.close()
        await self.sockets.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take_file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.workspace.files:
            return web.Response(status=404)
        if request.content_type.startswith("multipart/"):
            sent = next(iter((await request.post()).values()), b"")
            self.workspace.files[name] = sent.file.read() if isinstance(sent, web.FileField) else b""
        else:
            self.workspace.files[name] = await request.read()
        return web.Response(text="OK")

    async def _give_file(self, request: web.Request) -> web.Response:
        content = self.workspace.files.get(request.match_info["name"])
        return (
            web.Response(status=404)
            if content is None
            else web.Response(body=content, content_type=_type_of(content))
        )

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

    def posts(self, channel: str, viewer: str | None = None) -> list[Post]:
        """The messages of a channel that a person sees; without one, those that everybody sees."""
        only = self.workspace.person(viewer).id if viewer else None
        return [post for post in self.workspace.channel(channel).posts if post.only_for in (None, only)]

    def words(self, post: Post) -> str:
        """What a message says."""
        return words(post, self.workspace.names)

    def transcript(self, channel: str, viewer: str) -> str:
        """A channel as a person sees it."""
        return transcript(
            self.workspace.channel(channel), self.workspace.person(viewer), self.workspace.names
        )

    def modal_words(self, opened: OpenView) -> str:
        """What a modal says."""
        return modal_words(opened, self.workspace.names)

    async def wait_for_post(
        self,
        channel: str,
        text: str,
        *,
        viewer: str | None = None,
        after: Post | None = None,
        seconds: float = 10,
    ) -> Post:
        """The newest message that says this, once there is one (after another one). Raises TimeoutError."""

        def look() -> Post | None:
            seen = self.posts(channel, viewer)
            later = seen[seen.index(after) + 1 :] if after in seen else seen
            return next((post for post in reversed(later) if post.by_bot and text in self.words(post)), None)

        try:
            return await self.workspace.wait_for(look, seconds, f"{text!r} in #{channel}")
        except TimeoutError as error:
            there = "\n---\n".join(self.words(post) for post in self.posts(channel, viewer)[-5:])
            raise TimeoutError(f"{error}; there is:\n{there}") from None

    async def wait_for_modal(self, person: str, text: str = "", *, seconds: float = 10) -> OpenView:
        """The person's modal, once it says this. Raises TimeoutError."""

        def look() -> OpenView | None:
            opened = self.people.modal(person)
            return opened if opened is not None and text in self.modal_words(opened) else None

        return await self.workspace.wait_for(look, seconds, f"a modal with {text!r} before {person}")

    async def wait_until_closed(self, person: str, *, seconds: float = 10) -> None:
        """Wait until the person has no modal any more. Raises TimeoutError."""
        await self.workspace.wait_for(
            lambda: True if self.people.modal(person) is None else None, seconds, "the modal to close"
        )

    async def wait_for_app(self, *, connections: int = 1, seconds: float = 20) -> None:
        """Wait until the app has opened its connections. Raises TimeoutError."""
        await self.sockets.wait_for(connections, seconds)


def _type_of(content: bytes) -> str:
    return "image/png" if content.startswith(b"\x89PNG") else "text/plain"
