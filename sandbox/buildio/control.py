"""What a script or the page can order at the simulated Build.io, and what they see of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.buildio.members import Role
from sandbox.buildio.server import BuildioSimulator
from sandbox.buildio.state import App
from sandbox.faults import parse_fault
from sandbox.members import find_member, find_role, member_json, revoke_all

Order = Callable[[dict[str, Any]], Awaitable[Any]]
# What goes wrong where nobody says it.
FAILURE = "Build failed: npm ERR! 1 of 118 tests failed"
UNVERIFIED = "The host name could not be verified"


class BuildioControl:
    """The orders, which raise ValueError or KeyError where one can't be followed."""

    def __init__(self, buildio: BuildioSimulator) -> None:
        self._buildio = buildio

    def by_name(self) -> dict[str, Order]:
        """All of them."""
        return {
            "buildio-deploy": self._deploy,
            "buildio-end": self._end,
            "buildio-crash": self._crash,
            "buildio-loop": self._loop,
            "buildio-steady": self._steady,
            "buildio-idle": self._idle,
            "buildio-domain": self._domain,
            "buildio-fault": self._fault,
            "buildio-manner": self._manner,
            "buildio-redirect": self._redirect,
            "buildio-role": self._role,
            "buildio-token": self._token,
            "buildio-revoke": self._revoke,
            "buildio-expire": self._expire,
        }

    def members(self) -> list[dict[str, Any]]:
        """Everybody, with their roles by team, and their tokens."""
        return [member_json(one, one.roles) for one in self._buildio.members.values()]

    def apps(self) -> list[dict[str, Any]]:
        """Every app as it stands now."""
        self._buildio.advance()
        return [app_json(app) for app in self._buildio.platform.apps]

    async def _deploy(self, given: dict[str, Any]) -> Any:
        """`fails`: the words of its failure, or true; `loops`: it succeeds, and its dynos crash."""
        names = ("branch", "commit", "description", "by", "loops")
        more = {name: given[name] for name in names if name in given}
        if fails := given.get("fails"):
            more["fails"] = fails if isinstance(fails, str) else FAILURE
        app = self._app(given)
        self._buildio.deploy(app, **more)
        return app_json(app)

    async def _end(self, given: dict[str, Any]) -> Any:
        app = self._app(given)
        self._buildio.finish(app, error=given.get("error"))
        return app_json(app)

    async def _crash(self, given: dict[str, Any]) -> Any:
        return self._with_dyno(given, self._buildio.crash)

    async def _loop(self, given: dict[str, Any]) -> Any:
        return self._with_dyno(given, self._buildio.loop)

    async def _steady(self, given: dict[str, Any]) -> Any:
        return self._with_dyno(given, self._buildio.steady)

    async def _idle(self, given: dict[str, Any]) -> Any:
        return self._with_dyno(given, self._buildio.idle)

    async def _domain(self, given: dict[str, Any]) -> Any:
        """Add a host name, or let one that is there get its certificate (`issued`) or not (`failed`)."""
        app, hostname, status = self._app(given), given["hostname"], given.get("status", "pending")
        domain = next((one for one in app.domains if one.hostname == hostname), None)
        if domain is None:
            domain = self._buildio.platform.add_domain(app, hostname, self._buildio.now())
        match status:
            case "issued":
                self._buildio.certify(domain)
            case "failed":
                self._buildio.certify(domain, error=given.get("error") or UNVERIFIED)
            case "pending":
                pass
            case _:
                raise ValueError("a domain becomes issued or failed")
        return app_json(app)

    async def _fault(self, given: dict[str, Any]) -> Any:
        self._buildio.faults.add(parse_fault(given))
        return {}

    async def _manner(self, given: dict[str, Any]) -> Any:
        manner = self._buildio.manner
        manner.sparse = bool(given.get("sparse", manner.sparse))
        manner.exec_seconds = float(given.get("exec_seconds", manner.exec_seconds))
        return vars(manner)

    async def _redirect(self, given: dict[str, Any]) -> Any:
        self._buildio.redirect_uris.append(given["uri"])
        return {}

    async def _role(self, given: dict[str, Any]) -> Any:
        member = find_member(self._buildio.members, given["member"])
        teams = {team.name: team for team in self._buildio.platform.teams}
        if given["team"] not in teams:
            raise ValueError(f"there is no team {given['team']}; there are {', '.join(teams)}")
        self._buildio.let(member.username, teams[given["team"]], find_role(Role, given["role"]))
        return member_json(member, member.roles)

    async def _token(self, given: dict[str, Any]) -> Any:
        return {
            "token": self._buildio.give_token(find_member(self._buildio.members, given["member"]).username)
        }

    async def _revoke(self, given: dict[str, Any]) -> Any:
        member = find_member(self._buildio.members, given["member"])
        self._buildio.grants.end_all(member)
        return {"revoked": revoke_all(self._buildio, member)}

    async def _expire(self, given: dict[str, Any]) -> Any:
        """Let the access tokens end that a member has consented to; they can be refreshed."""
        self._buildio.grants.expire(find_member(self._buildio.members, given["member"]))
        return {}

    def _with_dyno(self, given: dict[str, Any], do: Callable[[Any], None]) -> Any:
        app = self._app(given)
        do(self._buildio.dyno(app, given.get("dyno") or "web.1"))
        return app_json(app)

    def _app(self, given: dict[str, Any]) -> App:
        """The app of that name or id, or else the first whose name begins so. Raises ValueError."""
        apps, name = self._buildio.platform.apps, given["app"]
        found = [app for app in apps if name in (app.name, app.id)]
        found += [app for app in apps if name and app.name.startswith(name)]
        if not found:
            raise ValueError(f"there is no app {name}; there are {', '.join(app.name for app in apps)}")
        return found[0]


def app_json(app: App) -> dict[str, Any]:
    """An app as it stands, for the page and for scripts."""
    now = app.deployment
    return {
        "name": app.name,
        "team": app.team.name if app.team else None,
        "branches": list(app.branches),
        "deployment": None
        if now is None
        else {"version": now.version, "status": now.status, "branch": now.branch, "error": now.error},
        "dynos": [
            {"name": one.name, "state": one.state, "restarts": one.restarts, "loops": one.loops}
            for one in app.dynos
        ],
        "domains": [{"hostname": one.hostname, "status": one.status} for one in app.domains],
    }
