"""Whose config vars are meant, who may look at them, and when they were changed last.

Values are read with the person's own token alone: never with the bot's, whatever the operator has settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

from domain.access_policy import AccessRequest, Permission
from domain.action import Action
from domain.audit_log import AuditEntry, Event, PersonalFields
from domain.build import App
from domain.provider import Provider
from providers.buildio.actions import (
    RevealConfigAction,
    RevealEnvironmentAction,
    SetConfigAction,
    SetEnvironmentAction,
    UnsetConfigAction,
    UnsetEnvironmentAction,
)
from providers.buildio.api.access import own_client
from providers.buildio.api.models import Environment
from providers.buildio.config_vars.messages import ConfigVarOwner
from providers.buildio.shared import error_texts
from services.actions.audit import write_audit_entry
from services.actions.permissions import authorize, build_permission_denied
from services.actions.result import PermissionDenied
from services.request.context import RequestContext
from services.request.finder import UserError

# How far back the audit log is read for the last change of each.
MOST_ENTRIES = 300
_CHANGES = ("set_config", "unset_config", "set_environment", "unset_environment")


class ConfigVarScope(Protocol):
    """The config vars of one app or environment, and what can be done with them."""

    @property
    def owner(self) -> ConfigVarOwner:
        """Whose they are, for messages and buttons."""

    @property
    def app(self) -> App | None:
        """The app whose they are; None for an environment's."""

    @property
    def command(self) -> str:
        """The words of the command that lists them."""

    async def read(self, context: RequestContext) -> dict[str, str]:
        """All of them, as the person themselves. Raises ProviderError."""

    def setting(self, values: Mapping[str, SecretStr]) -> Action:
        """Set some."""

    def unsetting(self, keys: Sequence[str]) -> Action:
        """Take some away."""

    def revealing(self, key: str) -> Action:
        """Show one to whoever asks."""


@dataclass(frozen=True)
class AppScope:
    """An app's."""

    app: App

    @property
    def owner(self) -> ConfigVarOwner:
        """See Vars, here and below."""
        return ConfigVarOwner.of_app(self.app)

    @property
    def command(self) -> str:
        """With the app's name."""
        return f"config {self.app.title}"

    async def read(self, context: RequestContext) -> dict[str, str]:
        """Raises ProviderError."""
        return await own_client(context).config_vars(self.app.slug)

    def setting(self, values: Mapping[str, SecretStr]) -> Action:
        """Those that are not named stay as they are."""
        return SetConfigAction(app=self.app, values=dict(values))

    def unsetting(self, keys: Sequence[str]) -> Action:
        """One after the other, as Build.io takes them away."""
        return UnsetConfigAction(app=self.app, keys=tuple(keys))

    def revealing(self, key: str) -> Action:
        """Its name alone is noted."""
        return RevealConfigAction(app=self.app, key=key)


@dataclass(frozen=True)
class EnvironmentScope:
    """Those of a pipeline's environment."""

    environment: Environment
    app: None = None

    @property
    def owner(self) -> ConfigVarOwner:
        """See Vars, here and below."""
        return ConfigVarOwner.of_environment(self.environment)

    @property
    def command(self) -> str:
        """With the environment's id."""
        return f"envs {self.environment.id}"

    async def read(self, context: RequestContext) -> dict[str, str]:
        """Raises ProviderError."""
        return await own_client(context).environment(self.environment.id)

    def setting(self, values: Mapping[str, SecretStr]) -> Action:
        """Those that are not named stay as they are."""
        return SetEnvironmentAction(**self._named, values=dict(values))

    def unsetting(self, keys: Sequence[str]) -> Action:
        """Several at once: what is set to null is deleted (reference, "Environments")."""
        if len(keys) == 1:
            return UnsetEnvironmentAction(**self._named, keys=tuple(keys))
        return SetEnvironmentAction(**self._named, values=dict.fromkeys(keys))

    def revealing(self, key: str) -> Action:
        """Its name alone is noted."""
        return RevealEnvironmentAction(**self._named, key=key)

    @property
    def _named(self) -> dict[str, str]:
        return {"environment": self.environment.id, "label": self.environment.name}


async def check_access(its: ConfigVarScope, context: RequestContext) -> None:
    """Whether the person may see anything of them at all; a refusal is written down. Raises PermissionDenied."""
    question = AccessRequest(
        permission=Permission.CONFIG, provider=Provider.BUILDIO, app=its.app, channel=context.channel
    )
    ruling = await authorize(question, context)
    refused = ruling.refusal
    if refused is None and not ruling.needs_confirmation:
        return
    refused = refused or "Slack does not say who runs a workflow, so config vars are shown to none."
    entry = AuditEntry(
        event=Event.REFUSED,
        act="look_at_config",
        personal=PersonalFields(person=context.person),
        channel=context.channel,
        app=its.app.slug if its.app is not None else "",
        about={"environment": its.owner.environment} if its.owner.environment is not None else {},
        answer=refused,
    )
    await write_audit_entry(context, entry)
    if ruling.refusal is None:
        raise PermissionDenied(refused)
    raise await build_permission_denied(ruling, context, Provider.BUILDIO, its.app)


async def check_keys_exist(its: ConfigVarScope, keys: Sequence[str], context: RequestContext) -> None:
    """Whether all of these are there. Raises UserError with the nearest, ProviderError."""
    there = await its.read(context)
    for key in keys:
        if key not in there:
            raise UserError(error_texts.unknown_key(key, there, lists=its.command))


async def last_changes(its: ConfigVarScope, context: RequestContext) -> dict[str, datetime]:
    """When each was changed last through the bot, as far as the audit log goes back."""
    app = its.app.slug if its.app is not None else None
    found: dict[str, datetime] = {}
    for link in await context.storage.audit_log.latest(MOST_ENTRIES, app=app, acts=_CHANGES):
        entry = link.entry
        if entry.event is Event.DONE and entry.about.get("environment") == its.owner.environment:
            for key in entry.about.get("label", "").split():
                found.setdefault(key, link.at)
    return found
