"""Build.io's part of the control API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.buildio.members import Role
from sandbox.buildio.server import BuildioSimulator
from sandbox.buildio.state import App
from sandbox.faults import parse_fault
from sandbox.members import find_member, find_role, member_json, revoke_all

ControlCommand = Callable[[dict[str, Any]], Awaitable[Any]]
# Default error messages.
DEFAULT_BUILD_ERROR = "Build failed: npm ERR! 1 of 118 tests failed"
DEFAULT_CERTIFICATE_ERROR = "The host name could not be verified"


class BuildioControl:
    """The control commands of Build.io. They raise ValueError or KeyError for invalid parameters."""

    def __init__(self, buildio: BuildioSimulator) -> None:
        self._buildio = buildio

    def commands(self) -> dict[str, ControlCommand]:
        """Return all commands by name."""
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
        """Return all members with their roles by team and their tokens."""
        return [member_json(member, member.roles) for member in self._buildio.members.values()]

    def apps(self) -> list[dict[str, Any]]:
        """Return all apps in their current state."""
        self._buildio.advance()
        return [app_json(app) for app in self._buildio.state.apps]

    async def _deploy(self, parameters: dict[str, Any]) -> Any:
        """Start a deployment. `fails`: its error message, or true; `loops`: it succeeds, but its dynos crash."""
        names = ("branch", "commit", "description", "by", "loops")
        more = {name: parameters[name] for name in names if name in parameters}
        if fails := parameters.get("fails"):
            more["fails"] = fails if isinstance(fails, str) else DEFAULT_BUILD_ERROR
        app = self._app(parameters)
        self._buildio.deploy(app, **more)
        return app_json(app)

    async def _end(self, parameters: dict[str, Any]) -> Any:
        app = self._app(parameters)
        self._buildio.finish(app, error=parameters.get("error"))
        return app_json(app)

    async def _crash(self, parameters: dict[str, Any]) -> Any:
        return self._with_dyno(parameters, self._buildio.crash)

    async def _loop(self, parameters: dict[str, Any]) -> Any:
        return self._with_dyno(parameters, self._buildio.start_crash_loop)

    async def _steady(self, parameters: dict[str, Any]) -> Any:
        return self._with_dyno(parameters, self._buildio.stop_crash_loop)

    async def _idle(self, parameters: dict[str, Any]) -> Any:
        return self._with_dyno(parameters, self._buildio.idle)

    async def _domain(self, parameters: dict[str, Any]) -> Any:
        """Add a domain, or set its certificate status to `issued` or `failed`."""
        app, hostname, status = (
            self._app(parameters),
            parameters["hostname"],
            parameters.get("status", "pending"),
        )
        domain = next((domain for domain in app.domains if domain.hostname == hostname), None)
        if domain is None:
            domain = self._buildio.state.add_domain(app, hostname, self._buildio.now())
        match status:
            case "issued":
                self._buildio.complete_certificate(domain)
            case "failed":
                self._buildio.complete_certificate(
                    domain, error=parameters.get("error") or DEFAULT_CERTIFICATE_ERROR
                )
            case "pending":
                pass
            case _:
                raise ValueError("status must be issued or failed")
        return app_json(app)

    async def _fault(self, parameters: dict[str, Any]) -> Any:
        self._buildio.faults.add(parse_fault(parameters))
        return {}

    async def _manner(self, parameters: dict[str, Any]) -> Any:
        options = self._buildio.response_options
        options.sparse = bool(parameters.get("sparse", options.sparse))
        options.exec_seconds = float(parameters.get("exec_seconds", options.exec_seconds))
        return vars(options)

    async def _redirect(self, parameters: dict[str, Any]) -> Any:
        self._buildio.redirect_uris.append(parameters["uri"])
        return {}

    async def _role(self, parameters: dict[str, Any]) -> Any:
        member = find_member(self._buildio.members, parameters["member"])
        teams = {team.name: team for team in self._buildio.state.teams}
        if parameters["team"] not in teams:
            raise ValueError(f"no team {parameters['team']}; choose from {', '.join(teams)}")
        self._buildio.set_role(
            member.username, teams[parameters["team"]], find_role(Role, parameters["role"])
        )
        return member_json(member, member.roles)

    async def _token(self, parameters: dict[str, Any]) -> Any:
        return {
            "token": self._buildio.create_token(
                find_member(self._buildio.members, parameters["member"]).username
            )
        }

    async def _revoke(self, parameters: dict[str, Any]) -> Any:
        member = find_member(self._buildio.members, parameters["member"])
        self._buildio.oauth_grants.revoke_all(member)
        return {"revoked": revoke_all(self._buildio, member)}

    async def _expire(self, parameters: dict[str, Any]) -> Any:
        """Expire the access tokens from a member's OAuth consent; they can be refreshed."""
        self._buildio.oauth_grants.expire(find_member(self._buildio.members, parameters["member"]))
        return {}

    def _with_dyno(self, parameters: dict[str, Any], change: Callable[[Any], None]) -> Any:
        app = self._app(parameters)
        change(self._buildio.dyno(app, parameters.get("dyno") or "web.1"))
        return app_json(app)

    def _app(self, parameters: dict[str, Any]) -> App:
        """Return the app with this name or id, or the first whose name starts with it. Raises ValueError."""
        apps, name = self._buildio.state.apps, parameters["app"]
        matches = [app for app in apps if name in (app.name, app.id)]
        matches += [app for app in apps if name and app.name.startswith(name)]
        if not matches:
            raise ValueError(f"no app {name}; choose from {', '.join(app.name for app in apps)}")
        return matches[0]


def app_json(app: App) -> dict[str, Any]:
    """Return an app as JSON for the page and the control API."""
    now = app.deployment
    return {
        "name": app.name,
        "team": app.team.name if app.team else None,
        "branches": list(app.branches),
        "deployment": None
        if now is None
        else {"version": now.version, "status": now.status, "branch": now.branch, "error": now.error},
        "dynos": [
            {"name": dyno.name, "state": dyno.state, "restarts": dyno.restarts, "loops": dyno.loops}
            for dyno in app.dynos
        ],
        "domains": [{"hostname": domain.hostname, "status": domain.status} for domain in app.domains],
    }
