"""API endpoints for apps, builds and config vars."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from providers.buildio.api.app_models import parse_app
from providers.buildio.api.config_vars import parse_config_vars
from providers.buildio.api.connection import Connection, path_of, present_fields
from providers.buildio.api.deployments import parse_started_build
from providers.buildio.api.models import BuildioApp, StartedBuild


class AppsApi(Connection):
    """Endpoints from "Apps" to "Config Vars" in the reference. Every method raises ProviderError."""

    async def apps(self, *, team: str | None = None) -> list[BuildioApp]:
        """List the apps that the token can see; with a team's ID, only those of the team."""
        params = {"team_id": team} if team is not None else None
        return await self._list("/apps", parse_app, "apps", params)

    async def app(self, name: str) -> BuildioApp:
        """Fetch one app, by ID or name, with its current deployment."""
        return await self._fetch(path_of("apps", name), partial(parse_app, requested=name), "app")

    async def create_app(
        self, name: str, *, team: str | None = None, region: str | None = None
    ) -> BuildioApp:
        """Create an app; `team` is the team's ID."""
        body = present_fields(name=name, team_id=team, region=region)
        return await self._change("POST", "/apps", body, partial(parse_app, requested=name), "app")

    async def start_build(
        self,
        app: str,
        *,
        branch: str | None = None,
        commitish: str | None = None,
        description: str | None = None,
    ) -> StartedBuild:
        """Start a build; never retried. Raises ResponseLost if the build may have started."""
        body = present_fields(branch=branch, commitish=commitish, description=description)
        return await self._change("POST", path_of("apps", app, "builds"), body, parse_started_build, "build")

    async def config_vars(self, app: str) -> dict[str, str]:
        """Fetch the app's config vars with their values, which are secret."""
        return parse_config_vars((await self._api.read(path_of("apps", app, "config-vars"))).body)

    async def set_config_vars(self, app: str, values: Mapping[str, str]) -> None:
        """Set these config vars; the others stay unchanged."""
        await self._api.change("PATCH", path_of("apps", app, "config-vars"), dict(values))

    async def remove_config_var(self, app: str, key: str) -> None:
        """Remove a config var."""
        await self._api.change("DELETE", path_of("apps", app, "config-vars", key), None)
