"""API endpoints for apps, builds and config vars."""

from __future__ import annotations

from collections.abc import Mapping

from providers.buildio.api.app_models import parse_app
from providers.buildio.api.config_vars import parse_config_vars
from providers.buildio.api.connection import Connection, path_of
from providers.buildio.api.deployments import parse_started_build
from providers.buildio.api.field_parsing import parse_change_response, parse_fields, parse_list
from providers.buildio.api.models import BuildioApp, StartedBuild


class AppsApi(Connection):
    """Endpoints from "Apps" to "Config Vars" in the reference. Every method raises ProviderError."""

    async def apps(self, *, team: str | None = None) -> list[BuildioApp]:
        """List the apps that the token can see; with a team's ID, only those of the team."""
        reply = await self._api.read("/apps", {"team_id": team} if team is not None else None)
        return parse_list(reply.body, parse_app, resource="apps")

    async def app(self, name: str) -> BuildioApp:
        """Fetch one app, by ID or name, with its current deployment."""
        reply = await self._api.read(path_of("apps", name))
        return parse_app(parse_fields(reply.body, resource="app"), requested=name) or BuildioApp(
            id=name, name=name
        )

    async def create_app(
        self, name: str, *, team: str | None = None, region: str | None = None
    ) -> BuildioApp:
        """Create an app; `team` is the team's ID."""
        body = _present_fields(name=name, team_id=team, region=region)
        reply = await self._api.change("POST", "/apps", body)
        return parse_app(parse_change_response(reply.body, resource="app"), requested=name) or BuildioApp(
            id=name, name=name
        )

    async def start_build(
        self,
        app: str,
        *,
        branch: str | None = None,
        commitish: str | None = None,
        description: str | None = None,
    ) -> StartedBuild:
        """Start a build; never retried. Raises ResponseLost if the build may have started."""
        body = _present_fields(branch=branch, commitish=commitish, description=description)
        reply = await self._api.change("POST", path_of("apps", app, "builds"), body)
        return parse_started_build(parse_change_response(reply.body, resource="build"))

    async def config_vars(self, app: str) -> dict[str, str]:
        """Fetch the app's config vars with their values, which are secret."""
        return parse_config_vars((await self._api.read(path_of("apps", app, "config-vars"))).body)

    async def set_config_vars(self, app: str, values: Mapping[str, str]) -> None:
        """Set these config vars; the others stay unchanged."""
        await self._api.change("PATCH", path_of("apps", app, "config-vars"), dict(values))

    async def remove_config_var(self, app: str, key: str) -> None:
        """Remove a config var."""
        await self._api.change("DELETE", path_of("apps", app, "config-vars", key), None)


def _present_fields(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}
