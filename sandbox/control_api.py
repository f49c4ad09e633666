"""Driving the sandbox over HTTP: `/control/…` beside the simulated Slack, for scripts in any language.

JSON in, JSON out; `team` says which workspace is meant, where there are several. A body must be sent as
`application/json` and to a loopback name: a web page that somebody has open can do neither without asking first, so it
can't press buttons here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from aiohttp import web

from sandbox.bitrise.members import Role
from sandbox.bitrise.state import App, Build
from sandbox.buildio.control import BuildioControl, Order
from sandbox.environment import SandboxEnvironment
from sandbox.faults import parse_fault
from sandbox.members import find_member, find_role, member_json, revoke_all
from sandbox.slack.input_values import InvalidInteraction
from sandbox.slack.request_delivery import Acknowledgement
from sandbox.slack.users import Enterprise, UserGroup
from sandbox.slack.workspace import Post
from sandbox.slack.workspace_driver import WorkspaceDriver

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


class ControlApi:
    """The control API of one stage."""

    def __init__(self, stage: SandboxEnvironment) -> None:
        self._slack, self._bitrise, self._clock = stage.slack, stage.bitrise, stage.clock
        self._buildio, self._at_buildio = stage.buildio, BuildioControl(stage.buildio)
        self._orders: dict[str, Order] = {
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
            **self._at_buildio.by_name(),
        }

    def add_routes(self, app: web.Application) -> None:
        """Make the app answer `/control/…`."""
        app.router.add_get("/control/{what}", self._read)
        app.router.add_post("/control/{order}", self._do)

    async def _do(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json" or request.url.raw_host not in _LOOPBACK:
            return web.json_response({"error": "send application/json to 127.0.0.1"}, status=403)
        order = self._orders.get(request.match_info["order"])
        if order is None:
            return web.json_response({"error": f"there are {', '.join(self._orders)}"}, status=404)
        try:
            answer = await order(await request.json())
            for place in self._slack.workplaces.values():
                place.workspace.changed()
            return web.json_response(answer)
        except (InvalidInteraction, KeyError, ValueError, TypeError) as problem:
            return web.json_response({"error": str(problem)}, status=400)

    async def _read(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            place = self._place(query)
        except KeyError as problem:
            return web.json_response({"error": str(problem)}, status=400)
        person, channel = query.get("person") or place.some_person, query.get("channel", "builds")
        reads: dict[str, Callable[[], Any]] = {
            "transcript": lambda: place.transcript(channel, person),
            "posts": lambda: [_shown(place, post) for post in place.posts(channel, person)],
            "modal": lambda: place.modal_text(opened) if (opened := place.people.modal(person)) else "",
            "violations": lambda: self._slack.violations,
            "steps": lambda: [one.as_json() for one in place.workspace.runs.values()],
            "groups": lambda: [vars(one) for one in place.workspace.groups.values()],
            "people": lambda: [vars(one) for one in place.workspace.people.values()],
            "workspaces": self._workspaces,
            "builds": lambda: [_build(one) for one in self._bitrise.farm.newest_first()],
            "members": lambda: [
                member_json(one, one.roles_in(self._bitrise.farm.apps))
                for one in self._bitrise.members.values()
            ],
            "buildio": self._at_buildio.apps,
            "buildio-members": self._at_buildio.members,
        }
        read = reads.get(request.match_info["what"])
        if read is None:
            return web.json_response({"error": f"there are {', '.join(reads)}"}, status=404)
        try:
            found = read()
        except KeyError as problem:
            return web.json_response({"error": str(problem)}, status=400)
        return web.Response(text=found) if isinstance(found, str) else web.json_response(found)

    def _place(self, given: Mapping[str, Any]) -> WorkspaceDriver:
        """The workspace that is meant. Raises KeyError."""
        team = given.get("team") or next(iter(self._slack.workplaces))
        if team not in self._slack.workplaces:
            raise KeyError(f"there is no workspace {team}; there are {', '.join(self._slack.workplaces)}")
        return self._slack.workplaces[team]

    def _workspaces(self) -> list[dict[str, Any]]:
        installed = self._slack.installations.of
        return [
            {
                "team": place.workspace.team,
                "name": place.workspace.name,
                "enterprise": vars(place.workspace.enterprise) if place.workspace.enterprise else None,
                "installed": (there := installed(place.workspace)) is not None,
                "org_wide": there is not None and there.org_wide,
            }
            for place in self._slack.workplaces.values()
        ]

    async def _workspace(self, given: dict[str, Any]) -> Any:
        enterprise = Enterprise(**given["enterprise"]) if given.get("enterprise") else None
        self._slack.add_workspace(given["team"], given.get("name") or given["team"], enterprise=enterprise)
        return self._workspaces()[-1]

    async def _install(self, given: dict[str, Any]) -> Any:
        status, text = await self._slack.install(
            given["install_url"],
            team=self._place(given).workspace.team,
            organisation=bool(given.get("organisation")),
            person=given.get("person"),
            press=given.get("press", "Allow"),
        )
        return {"status": status, "text": text}

    async def _uninstall(self, given: dict[str, Any]) -> Any:
        self._slack.uninstall(given.get("team") or self._slack.workspace.team)
        return {}

    async def _expire(self, given: dict[str, Any]) -> Any:
        self._slack.expire_tokens(given.get("team") or self._slack.workspace.team)
        return {}

    async def _leave(self, given: dict[str, Any]) -> Any:
        self._place(given).people.leave(given["person"])
        return {}

    async def _group(self, given: dict[str, Any]) -> Any:
        """A new group, or other words, people or an end for one that is there."""
        workspace = self._place(given).workspace
        users = [workspace.person(one).id for one in given.get("users") or []]
        group = workspace.groups.setdefault(given["id"], UserGroup(given["id"], "", ""))
        group.handle = given.get("handle") or group.handle or group.id.lower()
        group.name = given.get("name") or group.name or group.handle
        if "users" in given:
            group.users = users
        if "disabled" in given:
            group.date_delete = int(workspace.clock()) if given["disabled"] else 0
        return vars(group)

    async def _command(self, given: dict[str, Any]) -> Any:
        people = self._place(given).people
        return _timed(await people.command(given["person"], given["channel"], given["text"]))

    async def _say(self, given: dict[str, Any]) -> Any:
        place = self._place(given)
        post = place.people.say(given["person"], given["channel"], given["text"], thread=given.get("thread"))
        return _shown(place, post)

    async def _click(self, given: dict[str, Any]) -> Any:
        place = self._place(given)
        post = find_post(place, given["channel"], given["person"], given["button"], ts=given.get("ts"))
        done = await place.people.click(
            given["person"], post, given["button"], given.get("given"), block_id=given.get("block_id")
        )
        return _timed(done)

    async def _use(self, given: dict[str, Any]) -> Any:
        done = await self._place(given).people.set_value(
            given["person"], given["element"], given.get("given"), block_id=given.get("block_id")
        )
        return _timed(done)

    async def _options(self, given: dict[str, Any]) -> Any:
        place, post = self._place(given), None
        if given.get("ts"):
            post = find_post(place, given["channel"], given["person"], given["element"], ts=given["ts"])
        return await place.people.options(
            given["person"], given["element"], given["typed"], post=post, block_id=given.get("block_id")
        )

    async def _shortcut(self, given: dict[str, Any]) -> Any:
        place, post = self._place(given), None
        if given.get("ts"):
            post = find_post(place, given["channel"], given["person"], "", ts=given["ts"])
        return _timed(await place.people.shortcut(given["person"], given["callback_id"], post))

    async def _home(self, given: dict[str, Any]) -> Any:
        self._place(given).people.open_home(given["person"], tab=given.get("tab") or "home")
        return {}

    async def _pipeline(self, given: dict[str, Any]) -> Any:
        app = find_app(self._bitrise.farm.apps, given["app"])
        if not app.pipelines:
            raise InvalidInteraction(f"{app.title} has no pipelines")
        params, name = given.get("params") or {}, given.get("name") or app.pipelines[0]
        pipeline = self._bitrise.start_pipeline(app, name, params=params, plan=given.get("plan"))
        return {"number": pipeline.number, "slug": pipeline.slug}

    async def _hold(self, given: dict[str, Any]) -> Any:
        number = int(given.get("pull_request") or len(self._bitrise.farm.requests) + 40)
        app = find_app(self._bitrise.farm.apps, given["app"])
        held = self._bitrise.hold(app, number, **(given.get("params") or {}))
        return {"slug": held.slug}

    async def _step(self, given: dict[str, Any]) -> Any:
        return self._place(given).people.run_step(given["function"], given["inputs"]).as_json()

    async def _hang(self, given: dict[str, Any]) -> Any:
        build = self._find_build(given)
        build.ends_as = None
        return _build(build)

    async def _heal(self, _: dict[str, Any]) -> Any:
        self._slack.api.faults.clear()
        self._bitrise.faults.clear()
        self._buildio.faults.clear()
        return {}

    async def _skip(self, given: dict[str, Any]) -> Any:
        self._clock.skip(timedelta(seconds=float(given["seconds"])))
        self._bitrise.advance()
        self._buildio.advance()
        return {}

    async def _pace(self, given: dict[str, Any]) -> Any:
        pace = min(max(float(given["pace"]), 0.1), 1000.0)
        self._bitrise.farm.pace = self._buildio.platform.pace = pace
        return {}

    async def _revoke(self, given: dict[str, Any]) -> Any:
        return {"revoked": revoke_all(self._bitrise, find_member(self._bitrise.members, given["member"]))}

    async def _token(self, given: dict[str, Any]) -> Any:
        member = find_member(self._bitrise.members, given["member"])
        return {"token": self._bitrise.give_token(member.username)}

    async def _role(self, given: dict[str, Any]) -> Any:
        member = find_member(self._bitrise.members, given["member"])
        app = find_app(self._bitrise.farm.apps, given["app"])
        self._bitrise.let(member.username, app, find_role(Role, given["role"]))
        return member_json(member, member.roles_in(self._bitrise.farm.apps))

    async def _submit(self, given: dict[str, Any]) -> Any:
        place = self._place(given)
        done = await place.people.submit(given["person"], given.get("values"))
        opened = place.people.modal(given["person"])
        return {
            "acknowledged_in_seconds": done.seconds if done else None,
            "modal": place.modal_text(opened) if opened else None,
        }

    async def _close(self, given: dict[str, Any]) -> Any:
        await self._place(given).people.close_modal(given["person"])
        return {}

    async def _invite(self, given: dict[str, Any]) -> Any:
        self._place(given).people.invite(given["channel"])
        return {}

    async def _join(self, given: dict[str, Any]) -> Any:
        self._place(given).people.join(given["person"], given["channel"])
        return {}

    async def _part(self, given: dict[str, Any]) -> Any:
        self._place(given).people.leave_channel(given["person"], given["channel"])
        return {}

    async def _edit(self, given: dict[str, Any]) -> Any:
        place = self._place(given)
        place.people.edit(given["person"], _post_of(place, given), given["text"])
        return {}

    async def _delete(self, given: dict[str, Any]) -> Any:
        place = self._place(given)
        place.people.delete(given["person"], _post_of(place, given))
        return {}

    async def _react(self, given: dict[str, Any]) -> Any:
        place = self._place(given)
        place.people.react(given["person"], _post_of(place, given), given["emoji"])
        return {}

    async def _archive(self, given: dict[str, Any]) -> Any:
        self._place(given).workspace.channel(given["channel"]).archived = bool(given.get("archived", True))
        return {}

    async def _build(self, given: dict[str, Any]) -> Any:
        app = find_app(self._bitrise.farm.apps, given["app"])
        more = {name: given[name] for name in ("workflow", "by", "ends_as") if name in given}
        return _build(self._bitrise.start_build(app, params=given.get("params") or {}, **more))

    async def _end(self, given: dict[str, Any]) -> Any:
        build = self._find_build(given)
        build.crashes = bool(given.get("crash"))
        self._bitrise.finish(build, given.get("result", "success"))
        return _build(build)

    async def _abort(self, given: dict[str, Any]) -> Any:
        build = self._find_build(given)
        self._bitrise.abort(build, reason=given.get("reason"), with_success=bool(given.get("with_success")))
        return _build(build)

    async def _slack_fault(self, given: dict[str, Any]) -> Any:
        self._slack.api.faults.add(parse_fault(given))
        return {}

    async def _bitrise_fault(self, given: dict[str, Any]) -> Any:
        self._bitrise.faults.add(parse_fault(given))
        return {}

    async def _socket(self, given: dict[str, Any]) -> Any:
        match given["what"]:
            case "drop":
                await self._slack.sockets.drop()
            case "refuse":
                self._slack.sockets.refuse_handshakes += int(given.get("times", 1))
            case reason:
                await self._slack.sockets.disconnect(reason)
        return {}

    def _find_build(self, given: dict[str, Any]) -> Build:
        app = find_app(self._bitrise.farm.apps, given["app"])
        found = [build for build in self._bitrise.farm.of_app(app) if build.number == int(given["number"])]
        if not found:
            raise ValueError(f"{app.title} has no build #{given['number']}")
        return found[0]


def find_app(apps: list[App], name: str) -> App:
    """A simulated app by a part of its title. Raises ValueError."""
    found = [app for app in apps if name.casefold() in app.title.casefold() or name == app.slug]
    if not found:
        raise ValueError(f"there is no app {name}; there are {', '.join(app.title for app in apps)}")
    return found[0]


def find_post(
    place: WorkspaceDriver, channel: str, person: str, button: str, *, ts: str | None = None
) -> Post:
    """The message of that name, or the newest one that has such a button. Raises ValueError."""
    for post in reversed(place.posts(channel, person)):
        if post.ts == ts or (ts is None and f"[{button}]" in place.message_text(post)):
            return post
    raise ValueError(f"no message in #{channel} has a button {button}")


def _post_of(place: WorkspaceDriver, given: Mapping[str, Any]) -> Post:
    """The message that an order names by its `ts`. Raises ValueError."""
    return find_post(place, given["channel"], given["person"], "", ts=given["ts"])


def _timed(done: Acknowledgement | None) -> dict[str, Any]:
    return {"acknowledged_in_seconds": done.seconds if done else None}


def _shown(place: WorkspaceDriver, post: Post) -> dict[str, Any]:
    return post.as_slack_sends_it() | {
        "words": place.message_text(post),
        "ephemeral": post.only_for is not None,
    }


def _build(build: Build) -> dict[str, Any]:
    return {
        "app": build.app.title,
        "number": build.number,
        "slug": build.slug,
        "status": build.status_text,
        "branch": build.branch,
    }
