"""The control API: drives the sandbox over HTTP, `/control/…` beside the simulated Slack, for scripts in any language.

JSON in, JSON out; `team` selects a workspace if there are several. A body must be sent as `application/json` and to a
loopback name: a web page in a browser can do neither without a preflight request, so it cannot press buttons here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from aiohttp import web

from sandbox.bitrise.members import Role
from sandbox.bitrise.state import App, Build
from sandbox.buildio.control import BuildioControl, ControlCommand
from sandbox.environment import SandboxEnvironment
from sandbox.faults import parse_fault
from sandbox.members import find_member, find_role, member_json, revoke_all
from sandbox.slack.input_values import InvalidInteraction
from sandbox.slack.models import Post
from sandbox.slack.request_delivery import Acknowledgement
from sandbox.slack.users import Enterprise, UserGroup
from sandbox.slack.workspace_driver import WorkspaceDriver

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


class ControlApi:
    """The control API of a sandbox environment."""

    def __init__(self, environment: SandboxEnvironment) -> None:
        self._slack, self._bitrise, self._clock = environment.slack, environment.bitrise, environment.clock
        self._buildio, self._at_buildio = environment.buildio, BuildioControl(environment.buildio)
        self._commands: dict[str, ControlCommand] = {
            "command": self._command,
            "say": self._say,
            "click": self._click,
            "submit": self._submit,
            "close": self._close,
            "invite": self._invite,
            "join": self._join,
            "part": self._part,
            "edit": self._edit,
            "delete": self._delete,
            "react": self._react,
            "leave": self._leave,
            "group": self._group,
            "workspace": self._workspace,
            "install": self._install,
            "uninstall": self._uninstall,
            "expire": self._expire,
            "archive": self._archive,
            "build": self._build,
            "end": self._end,
            "abort": self._abort,
            "slack-fault": self._slack_fault,
            "bitrise-fault": self._bitrise_fault,
            "socket": self._socket,
            "use": self._use,
            "options": self._options,
            "shortcut": self._shortcut,
            "home": self._home,
            "step": self._step,
            "pipeline": self._pipeline,
            "hold": self._hold,
            "hang": self._hang,
            "heal": self._heal,
            "skip": self._skip,
            "pace": self._pace,
            "revoke": self._revoke,
            "token": self._token,
            "role": self._role,
            **self._at_buildio.commands(),
        }

    def add_routes(self, app: web.Application) -> None:
        """Add the routes `/control/…` to an application."""
        app.router.add_get("/control/{what}", self._read)
        app.router.add_post("/control/{order}", self._do)

    async def _do(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json" or request.url.raw_host not in _LOOPBACK:
            return web.json_response({"error": "send application/json to 127.0.0.1"}, status=403)
        command = self._commands.get(request.match_info["order"])
        if command is None:
            return web.json_response(
                {"error": f"unknown command; choose from {', '.join(self._commands)}"}, status=404
            )
        try:
            result = await command(await request.json())
            for driver in self._slack.workspaces.values():
                driver.workspace.notify_change()
            return web.json_response(result)
        except (InvalidInteraction, KeyError, ValueError, TypeError) as problem:
            return web.json_response({"error": str(problem)}, status=400)

    async def _read(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            driver = self._find_workspace(query)
        except KeyError as problem:
            return web.json_response({"error": str(problem)}, status=400)
        user_name, channel = query.get("person") or driver.default_user, query.get("channel", "builds")
        reads: dict[str, Callable[[], Any]] = {
            "transcript": lambda: driver.transcript(channel, user_name),
            "posts": lambda: [_post_json(driver, post) for post in driver.posts(channel, user_name)],
            "modal": lambda: driver.modal_text(opened) if (opened := driver.users.modal(user_name)) else "",
            "violations": lambda: self._slack.violations,
            "steps": lambda: [execution.to_json() for execution in driver.workspace.executions.values()],
            "groups": lambda: [vars(group) for group in driver.workspace.groups.values()],
            "people": lambda: [vars(user) for user in driver.workspace.users.values()],
            "workspaces": self._workspaces,
            "builds": lambda: [_build_json(build) for build in self._bitrise.state.builds_newest_first()],
            "members": lambda: [
                member_json(member, member.roles_in(self._bitrise.state.apps))
                for member in self._bitrise.members.values()
            ],
            "buildio": self._at_buildio.apps,
            "buildio-members": self._at_buildio.members,
        }
        read = reads.get(request.match_info["what"])
        if read is None:
            return web.json_response(
                {"error": f"unknown resource; choose from {', '.join(reads)}"}, status=404
            )
        try:
            content = read()
        except KeyError as problem:
            return web.json_response({"error": str(problem)}, status=400)
        return web.Response(text=content) if isinstance(content, str) else web.json_response(content)

    def _find_workspace(self, parameters: Mapping[str, Any]) -> WorkspaceDriver:
        """Return the selected workspace. Raises KeyError."""
        team = parameters.get("team") or next(iter(self._slack.workspaces))
        if team not in self._slack.workspaces:
            raise KeyError(f"no workspace {team}; choose from {', '.join(self._slack.workspaces)}")
        return self._slack.workspaces[team]

    def _workspaces(self) -> list[dict[str, Any]]:
        installed = self._slack.installations.find
        return [
            {
                "team": driver.workspace.team,
                "name": driver.workspace.name,
                "enterprise": vars(driver.workspace.enterprise) if driver.workspace.enterprise else None,
                "installed": (there := installed(driver.workspace)) is not None,
                "org_wide": there is not None and there.org_wide,
            }
            for driver in self._slack.workspaces.values()
        ]

    async def _workspace(self, parameters: dict[str, Any]) -> Any:
        enterprise = Enterprise(**parameters["enterprise"]) if parameters.get("enterprise") else None
        self._slack.add_workspace(
            parameters["team"], parameters.get("name") or parameters["team"], enterprise=enterprise
        )
        return self._workspaces()[-1]

    async def _install(self, parameters: dict[str, Any]) -> Any:
        status, text = await self._slack.install(
            parameters["install_url"],
            team=self._find_workspace(parameters).workspace.team,
            organisation=bool(parameters.get("organisation")),
            user=parameters.get("person"),
            press=parameters.get("press", "Allow"),
        )
        return {"status": status, "text": text}

    async def _uninstall(self, parameters: dict[str, Any]) -> Any:
        self._slack.uninstall(parameters.get("team") or self._slack.workspace.team)
        return {}

    async def _expire(self, parameters: dict[str, Any]) -> Any:
        self._slack.expire_tokens(parameters.get("team") or self._slack.workspace.team)
        return {}

    async def _leave(self, parameters: dict[str, Any]) -> Any:
        self._find_workspace(parameters).users.deactivate(parameters["person"])
        return {}

    async def _group(self, parameters: dict[str, Any]) -> Any:
        """Add a user group, or change or disable an existing one."""
        workspace = self._find_workspace(parameters).workspace
        users = [workspace.find_user(user).id for user in parameters.get("users") or []]
        group = workspace.groups.setdefault(parameters["id"], UserGroup(parameters["id"], "", ""))
        group.handle = parameters.get("handle") or group.handle or group.id.lower()
        group.name = parameters.get("name") or group.name or group.handle
        if "users" in parameters:
            group.users = users
        if "disabled" in parameters:
            group.date_delete = int(workspace.clock()) if parameters["disabled"] else 0
        return vars(group)

    async def _command(self, parameters: dict[str, Any]) -> Any:
        members = self._find_workspace(parameters).users
        return _acknowledgement_json(
            await members.command(parameters["person"], parameters["channel"], parameters["text"])
        )

    async def _say(self, parameters: dict[str, Any]) -> Any:
        driver = self._find_workspace(parameters)
        post = driver.users.say(
            parameters["person"], parameters["channel"], parameters["text"], thread=parameters.get("thread")
        )
        return _post_json(driver, post)

    async def _click(self, parameters: dict[str, Any]) -> Any:
        driver = self._find_workspace(parameters)
        post = find_post(
            driver, parameters["channel"], parameters["person"], parameters["button"], ts=parameters.get("ts")
        )
        done = await driver.users.click(
            parameters["person"],
            post,
            parameters["button"],
            parameters.get("given"),
            block_id=parameters.get("block_id"),
        )
        return _acknowledgement_json(done)

    async def _use(self, parameters: dict[str, Any]) -> Any:
        done = await self._find_workspace(parameters).users.set_value(
            parameters["person"],
            parameters["element"],
            parameters.get("given"),
            block_id=parameters.get("block_id"),
        )
        return _acknowledgement_json(done)

    async def _options(self, parameters: dict[str, Any]) -> Any:
        driver, post = self._find_workspace(parameters), None
        if parameters.get("ts"):
            post = find_post(
                driver,
                parameters["channel"],
                parameters["person"],
                parameters["element"],
                ts=parameters["ts"],
            )
        return await driver.users.options(
            parameters["person"],
            parameters["element"],
            parameters["typed"],
            post=post,
            block_id=parameters.get("block_id"),
        )

    async def _shortcut(self, parameters: dict[str, Any]) -> Any:
        driver, post = self._find_workspace(parameters), None
        if parameters.get("ts"):
            post = find_post(driver, parameters["channel"], parameters["person"], "", ts=parameters["ts"])
        return _acknowledgement_json(
            await driver.users.shortcut(parameters["person"], parameters["callback_id"], post)
        )

    async def _home(self, parameters: dict[str, Any]) -> Any:
        self._find_workspace(parameters).users.open_home(
            parameters["person"], tab=parameters.get("tab") or "home"
        )
        return {}

    async def _pipeline(self, parameters: dict[str, Any]) -> Any:
        app = find_app(self._bitrise.state.apps, parameters["app"])
        if not app.pipelines:
            raise InvalidInteraction(f"{app.title} has no pipelines")
        params, name = parameters.get("params") or {}, parameters.get("name") or app.pipelines[0]
        pipeline = self._bitrise.start_pipeline(app, name, params=params, plan=parameters.get("plan"))
        return {"number": pipeline.number, "slug": pipeline.slug}

    async def _hold(self, parameters: dict[str, Any]) -> Any:
        number = int(parameters.get("pull_request") or len(self._bitrise.state.requests) + 40)
        app = find_app(self._bitrise.state.apps, parameters["app"])
        held = self._bitrise.add_build_request(app, number, **(parameters.get("params") or {}))
        return {"slug": held.slug}

    async def _step(self, parameters: dict[str, Any]) -> Any:
        return (
            self._find_workspace(parameters)
            .users.run_step(parameters["function"], parameters["inputs"])
            .to_json()
        )

    async def _hang(self, parameters: dict[str, Any]) -> Any:
        build = self._find_build(parameters)
        build.ends_as = None
        return _build_json(build)

    async def _heal(self, _: dict[str, Any]) -> Any:
        self._slack.api.faults.clear()
        self._bitrise.faults.clear()
        self._buildio.faults.clear()
        return {}

    async def _skip(self, parameters: dict[str, Any]) -> Any:
        self._clock.skip(timedelta(seconds=float(parameters["seconds"])))
        self._bitrise.advance()
        self._buildio.advance()
        return {}

    async def _pace(self, parameters: dict[str, Any]) -> Any:
        speed = min(max(float(parameters["pace"]), 0.1), 1000.0)
        self._bitrise.state.speed = self._buildio.state.speed = speed
        return {}

    async def _revoke(self, parameters: dict[str, Any]) -> Any:
        return {
            "revoked": revoke_all(self._bitrise, find_member(self._bitrise.members, parameters["member"]))
        }

    async def _token(self, parameters: dict[str, Any]) -> Any:
        member = find_member(self._bitrise.members, parameters["member"])
        return {"token": self._bitrise.create_token(member.username)}

    async def _role(self, parameters: dict[str, Any]) -> Any:
        member = find_member(self._bitrise.members, parameters["member"])
        app = find_app(self._bitrise.state.apps, parameters["app"])
        self._bitrise.set_role(member.username, app, find_role(Role, parameters["role"]))
        return member_json(member, member.roles_in(self._bitrise.state.apps))

    async def _submit(self, parameters: dict[str, Any]) -> Any:
        driver = self._find_workspace(parameters)
        done = await driver.users.submit(parameters["person"], parameters.get("values"))
        opened = driver.users.modal(parameters["person"])
        return {
            "acknowledged_in_seconds": done.seconds if done else None,
            "modal": driver.modal_text(opened) if opened else None,
        }

    async def _close(self, parameters: dict[str, Any]) -> Any:
        await self._find_workspace(parameters).users.close_modal(parameters["person"])
        return {}

    async def _invite(self, parameters: dict[str, Any]) -> Any:
        self._find_workspace(parameters).users.invite(parameters["channel"])
        return {}

    async def _join(self, parameters: dict[str, Any]) -> Any:
        self._find_workspace(parameters).users.join(parameters["person"], parameters["channel"])
        return {}

    async def _part(self, parameters: dict[str, Any]) -> Any:
        self._find_workspace(parameters).users.leave_channel(parameters["person"], parameters["channel"])
        return {}

    async def _edit(self, parameters: dict[str, Any]) -> Any:
        driver = self._find_workspace(parameters)
        driver.users.edit(parameters["person"], _find_own_post(driver, parameters), parameters["text"])
        return {}

    async def _delete(self, parameters: dict[str, Any]) -> Any:
        driver = self._find_workspace(parameters)
        driver.users.delete(parameters["person"], _find_own_post(driver, parameters))
        return {}

    async def _react(self, parameters: dict[str, Any]) -> Any:
        driver = self._find_workspace(parameters)
        driver.users.react(parameters["person"], _find_own_post(driver, parameters), parameters["emoji"])
        return {}

    async def _archive(self, parameters: dict[str, Any]) -> Any:
        self._find_workspace(parameters).workspace.find_channel(parameters["channel"]).archived = bool(
            parameters.get("archived", True)
        )
        return {}

    async def _build(self, parameters: dict[str, Any]) -> Any:
        app = find_app(self._bitrise.state.apps, parameters["app"])
        more = {name: parameters[name] for name in ("workflow", "by", "ends_as") if name in parameters}
        return _build_json(self._bitrise.start_build(app, params=parameters.get("params") or {}, **more))

    async def _end(self, parameters: dict[str, Any]) -> Any:
        build = self._find_build(parameters)
        build.crashes = bool(parameters.get("crash"))
        self._bitrise.finish(build, parameters.get("result", "success"))
        return _build_json(build)

    async def _abort(self, parameters: dict[str, Any]) -> Any:
        build = self._find_build(parameters)
        self._bitrise.abort(
            build, reason=parameters.get("reason"), with_success=bool(parameters.get("with_success"))
        )
        return _build_json(build)

    async def _slack_fault(self, parameters: dict[str, Any]) -> Any:
        self._slack.api.faults.add(parse_fault(parameters))
        return {}

    async def _bitrise_fault(self, parameters: dict[str, Any]) -> Any:
        self._bitrise.faults.add(parse_fault(parameters))
        return {}

    async def _socket(self, parameters: dict[str, Any]) -> Any:
        match parameters["what"]:
            case "drop":
                await self._slack.sockets.drop()
            case "refuse":
                self._slack.sockets.refuse_handshakes += int(parameters.get("times", 1))
            case reason:
                await self._slack.sockets.disconnect(reason)
        return {}

    def _find_build(self, parameters: dict[str, Any]) -> Build:
        app = find_app(self._bitrise.state.apps, parameters["app"])
        found = [
            build for build in self._bitrise.state.builds_of(app) if build.number == int(parameters["number"])
        ]
        if not found:
            raise ValueError(f"{app.title} has no build #{parameters['number']}")
        return found[0]


def find_app(apps: list[App], name: str) -> App:
    """Return the first app whose title contains the name. Raises ValueError."""
    found = [app for app in apps if name.casefold() in app.title.casefold() or name == app.slug]
    if not found:
        raise ValueError(f"no app {name}; choose from {', '.join(app.title for app in apps)}")
    return found[0]


def find_post(
    driver: WorkspaceDriver, channel: str, user: str, button: str, *, ts: str | None = None
) -> Post:
    """Return the message with this `ts`, or the newest with such a button. Raises ValueError."""
    for post in reversed(driver.posts(channel, user)):
        if post.ts == ts or (ts is None and f"[{button}]" in driver.message_text(post)):
            return post
    raise ValueError(f"no message in #{channel} has a button {button}")


def _find_own_post(driver: WorkspaceDriver, parameters: Mapping[str, Any]) -> Post:
    """Return the message with the `ts` of the parameters. Raises ValueError."""
    return find_post(driver, parameters["channel"], parameters["person"], "", ts=parameters["ts"])


def _acknowledgement_json(done: Acknowledgement | None) -> dict[str, Any]:
    return {"acknowledged_in_seconds": done.seconds if done else None}


def _post_json(driver: WorkspaceDriver, post: Post) -> dict[str, Any]:
    return post.to_json() | {
        "words": driver.message_text(post),
        "ephemeral": post.only_for is not None,
    }


def _build_json(build: Build) -> dict[str, Any]:
    return {
        "app": build.app.title,
        "number": build.number,
        "slug": build.slug,
        "status": build.status_text,
        "branch": build.branch,
    }
