"""The config vars of an app or environment: who may see them, and when they were last changed.

Values are read only with the person's own token, never with the bot's, whatever the settings are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from domain.access_policy import AccessRequest, Permission
from domain.audit_chain import Event
from domain.build import App
from domain.commands.errors import UserError
from domain.provider_errors import NotFound
from providers.buildio.api.access import own_client
from providers.buildio.api.models import Environment
from providers.buildio.config_vars.actions import (
    RevealConfigAction,
    RevealEnvironmentAction,
    SetConfigAction,
    SetEnvironmentAction,
    UnsetConfigAction,
    UnsetEnvironmentAction,
)
from providers.buildio.config_vars.messages import ConfigVarOwner
from providers.buildio.provider import BUILDIO
from providers.buildio.shared import lookup
from services.actions import run
from services.actions.action import ExecutableAction
from services.actions.audit import audit_refusal
from services.actions.permissions import PermissionDenied, authorize, build_permission_denied
from services.request.context import Reply, RequestContext

# The number of audit log entries that are searched for last changes.
MAX_ENTRIES = 300
MAX_ENVIRONMENT_MATCHES = 5
_ENVIRONMENT_ID = re.compile(r"[\w-]{1,64}")
_CHANGES = ("set_config", "unset_config", "set_environment", "unset_environment")


@dataclass(frozen=True)
class AppScope:
    """The config vars of an app."""

    app: App

    @property
    def owner(self) -> ConfigVarOwner:
        """Return the app as owner."""
        return ConfigVarOwner.of_app(self.app)

    @property
    def command(self) -> str:
        """Return the command with the app's name."""
        return f"config {self.app.title}"

    async def read(self, context: RequestContext) -> dict[str, str]:
        """Fetch all config vars. Raises ProviderError."""
        return await own_client(context).config_vars(self.app.slug)

    def setting(self, values: Mapping[str, SecretStr]) -> ExecutableAction:
        """Return the action; config vars that are not named stay unchanged."""
        return SetConfigAction(app=self.app, values=dict(values))

    def unsetting(self, keys: Sequence[str]) -> ExecutableAction:
        """Return the action; it removes one after another, as Build.io requires."""
        return UnsetConfigAction(app=self.app, keys=tuple(keys))

    def revealing(self, key: str) -> ExecutableAction:
        """Return the action; only the name is logged."""
        return RevealConfigAction(app=self.app, key=key)


@dataclass(frozen=True)
class EnvironmentScope:
    """The config vars of a pipeline's environment."""

    environment: Environment
    app: None = None

    @property
    def owner(self) -> ConfigVarOwner:
        """Return the environment as owner."""
        return ConfigVarOwner.of_environment(self.environment)

    @property
    def command(self) -> str:
        """Return the command with the environment's ID."""
        return f"envs {self.environment.id}"

    async def read(self, context: RequestContext) -> dict[str, str]:
        """Fetch all config vars. Raises ProviderError."""
        return await own_client(context).environment(self.environment.id)

    def setting(self, values: Mapping[str, SecretStr]) -> ExecutableAction:
        """Return the action; config vars that are not named stay unchanged."""
        return SetEnvironmentAction(**self._environment_fields, values=dict(values))

    def unsetting(self, keys: Sequence[str]) -> ExecutableAction:
        """Return the action; several are removed in one request by setting them to null (reference, "Environments")."""
        if len(keys) == 1:
            return UnsetEnvironmentAction(**self._environment_fields, keys=tuple(keys))
        return SetEnvironmentAction(**self._environment_fields, values=dict.fromkeys(keys))

    def revealing(self, key: str) -> ExecutableAction:
        """Return the action; only the name is logged."""
        return RevealEnvironmentAction(**self._environment_fields, key=key)

    @property
    def _environment_fields(self) -> dict[str, str]:
        return {"environment": self.environment.id, "label": self.environment.name}


ConfigVarScope = AppScope | EnvironmentScope


async def check_access(scope: ConfigVarScope, context: RequestContext) -> None:
    """Check that the person may see these config vars; a refusal is audited. Raises PermissionDenied."""
    access_request = AccessRequest(
        permission=Permission.CONFIG, provider=BUILDIO, app=scope.app, channel=context.channel
    )
    decision = await authorize(access_request, context)
    reason = decision.refusal
    if reason is None and not decision.needs_confirmation:
        return
    reason = reason or "Slack doesn't say who runs a workflow, so workflows can't view config vars."
    about = {"environment": scope.owner.environment} if scope.owner.environment is not None else None
    await audit_refusal("look_at_config", context, reason, app=scope.app, about=about)
    if decision.refusal is None:
        raise PermissionDenied(reason)
    raise await build_permission_denied(decision, context, BUILDIO, scope.app)


async def check_keys_exist(scope: ConfigVarScope, keys: Sequence[str], context: RequestContext) -> None:
    """Check that all keys exist. Raises UserError with the most similar names, ProviderError."""
    existing = await scope.read(context)
    for key in keys:
        if key not in existing:
            raise UserError(lookup.unknown_key(key, existing, lists=scope.command))


async def remove(scope: ConfigVarScope, keys: Sequence[str], context: RequestContext) -> Reply | None:
    """Remove config vars. Raises PermissionDenied, UserError, ProviderError."""
    await check_access(scope, context)
    await check_keys_exist(scope, keys, context)
    return (await run.run_action(scope.unsetting(keys), context)).answer


async def find_environment(name: str, context: RequestContext) -> EnvironmentScope:
    """Find an environment by ID or unique name. Raises UserError, ProviderError."""
    pairs = await list_all_environments(context)
    by_id = [pair for pair in pairs if pair[1].id == name]
    matches = by_id or [pair for pair in pairs if pair[1].name.casefold() == name.casefold()]
    if len(matches) > 1:
        ids = ", ".join(f"{match.id} of {pipeline}" for pipeline, match in matches[:MAX_ENVIRONMENT_MATCHES])
        raise UserError(f"{len(matches)} environments are named `{name[:80]}`. Use an ID: {ids}.")
    for pipeline, environment in matches:
        return EnvironmentScope(Environment(id=environment.id, name=f"{environment.name} of {pipeline}"))
    return await _fetch_unlisted(name, [known.name for _, known in pairs], context)


async def _fetch_unlisted(id_: str, names: list[str], context: RequestContext) -> EnvironmentScope:
    """Fetch an environment that no pipeline lists: a pipeline's response may be incomplete."""
    try:
        if _ENVIRONMENT_ID.fullmatch(id_):
            await own_client(context).environment(id_)
            return EnvironmentScope(Environment(id=id_, name=id_))
    except NotFound:
        pass
    raise UserError(lookup.unknown_thing("environment", id_, names, lists="envs"))


async def list_all_environments(context: RequestContext) -> list[tuple[str, Environment]]:
    """List all environments, each with the name of its pipeline."""
    client, pairs = own_client(context), []
    for pipeline in await client.pipelines():
        # Only the details are sure to list environments (reference, "Pipelines").
        details = pipeline if pipeline.environments else await client.pipeline(pipeline.id)
        pairs += [(pipeline.name, environment) for environment in details.environments]
    return pairs


async def last_changes(scope: ConfigVarScope, context: RequestContext) -> dict[str, datetime]:
    """Return when each key was last changed through the bot, as far as the audit log was searched."""
    app = scope.app.slug if scope.app is not None else None
    changes: dict[str, datetime] = {}
    for record in await context.storage.audit_log.latest(MAX_ENTRIES, app=app, acts=_CHANGES):
        entry = record.entry
        if entry.event is Event.DONE and entry.about.get("environment") == scope.owner.environment:
            for key in entry.about.get("label", "").split():
                changes.setdefault(key, record.at)
    return changes
