"""What Build.io's API says and does of apps, their builds and their config vars."""

from __future__ import annotations

from collections.abc import Mapping

from providers.buildio.api.app_models import parse_app
from providers.buildio.api.config_vars import parse_config_vars
from providers.buildio.api.connection import Connection, path_of
from providers.buildio.api.deployments import parse_started_build
from providers.buildio.api.field_parsing import parse_change_response, parse_fields, parse_list
from providers.buildio.api.models import BuildioApp, StartedBuild


class AppsApi(Connection):
    """What Build.io's API says and does of apps (reference, "Apps" to "Config Vars").

    Every method raises ProviderError.
    """

    async def apps(self, *, team: str | None = None) -> list[BuildioApp]:
        """The apps that the token may see; with the id of a team those of the team."""
        reply = await self._api.read("/apps", {"team_id": team} if team is not None else None)
        return parse_list(reply.body, parse_app, resource="apps")

    async def app(self, name: str) -> BuildioApp:
        """One app, by id or name, with its current deployment."""
        reply = await self._api.read(path_of("apps", name))
        return parse_app(parse_fields(reply.body, resource="app"), asked=name) or BuildioApp(
            id=name, name=name
        )

    async def create_app(
        self, name: str, *, team: str | None = None, region: str | None = None
    ) -> BuildioApp:
        """Make an app; `team` is the team's id."""
        body = _given(name=name, team_id=team, region=region)
        reply = await self._api.change("POST", "/apps", body)
        return parse_app(parse_change_response(reply.body, resource="app"), asked=name) or BuildioApp(
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
        """Start a build; never asked twice. Raises ResponseLost where it may have started all the same."""
        body = _given(branch=branch, commitish=commitish, description=description)
        reply = await self._api.change("POST", path_of("apps", app, "builds"), body)
        return parse_started_build(parse_change_response(reply.body, resource="build"))

    async def config_vars(self, app: str) -> dict[str, str]:
        """The app's config vars with their values, which are secret."""
        return parse_config_vars((await self._api.read(path_of("apps", app, "config-vars"))).body)

    async def set_config_vars(self, app: str, values: Mapping[str, str]) -> None:
        """Set these, and leave the others as they are."""
        await self._api.change("PATCH", path_of("apps", app, "config-vars"), dict(values))

    async def remove_config_var(self, app: str, key: str) -> None:
        """Take one away."""
        await self._api.change("DELETE", path_of("apps", app, "config-vars", key), None)


def _given(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}
