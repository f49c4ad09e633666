"""Whose config vars are meant, who may look at them, and when they were changed last.

Values are read with the person's own token alone: never with the bot's, whatever the operator has settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

from domain.access_policy import Permission, Question
from domain.audit_log import Entry, Event, Personal
from domain.build import App
from domain.provider import Provider
from providers.buildio.api.models import Environment
from providers.buildio.config_vars.messages import VarsOf
from providers.buildio.shared import error_texts
from services.actions import action_types
from services.actions.action_types import Act
from services.actions.audit import note
from services.actions.permissions import refusal_of, ruling_on
from services.actions.result import NotAllowed
from services.request.context import Caller
from services.request.finder import NotNamed

# How far back the audit log is read for the last change of each.
MOST_ENTRIES = 300
_CHANGES = ("set_config", "unset_config", "set_environment", "unset_environment")


class Vars(Protocol):
    """The config vars of one app or environment, and what can be done with them."""

    @property
    def of(self) -> VarsOf:
        """Whose they are, for messages and buttons."""

    @property
    def app(self) -> App | None:
        """The app whose they are; None for an environment's."""

    @property
    def command(self) -> str:
        """The words of the command that lists them."""

    async def read(self, caller: Caller) -> dict[str, str]:
        """All of them, as the person themselves. Raises ProviderError."""

    def setting(self, values: Mapping[str, SecretStr]) -> Act:
        """Set some."""

    def unsetting(self, keys: Sequence[str]) -> Act:
        """Take some away."""

    def revealing(self, key: str) -> Act:
        """Show one to whoever asks."""


@dataclass(frozen=True)
class OfApp:
    """An app's."""

    app: App

    @property
    def of(self) -> VarsOf:
        """See Vars, here and below."""
        return VarsOf.of_app(self.app)

    @property
    def command(self) -> str:
        """With the app's name."""
        return f"config {self.app.title}"

    async def read(self, caller: Caller) -> dict[str, str]:
        """Raises ProviderError."""
        return await caller.own_buildio.config_vars(self.app.slug)

    def setting(self, values: Mapping[str, SecretStr]) -> Act:
        """Those that are not named stay as they are."""
        return action_types.SetConfig(app=self.app, values=dict(values))

    def unsetting(self, keys: Sequence[str]) -> Act:
        """One after the other, as Build.io takes them away."""
        return action_types.UnsetConfig(app=self.app, keys=tuple(keys))

    def revealing(self, key: str) -> Act:
        """Its name alone is noted."""
        return action_types.RevealConfig(app=self.app, key=key)


@dataclass(frozen=True)
class OfEnvironment:
    """Those of a pipeline's environment."""

    environment: Environment
    app: None = None

    @property
    def of(self) -> VarsOf:
        """See Vars, here and below."""
        return VarsOf.of_environment(self.environment)

    @property
    def command(self) -> str:
        """With the environment's id."""
        return f"envs {self.environment.id}"

    async def read(self, caller: Caller) -> dict[str, str]:
        """Raises ProviderError."""
        return await caller.own_buildio.environment(self.environment.id)

    def setting(self, values: Mapping[str, SecretStr]) -> Act:
        """Those that are not named stay as they are."""
        return action_types.SetEnvironment(**self._named, values=dict(values))

    def unsetting(self, keys: Sequence[str]) -> Act:
        """Several at once: what is set to null is deleted (reference, "Environments")."""
        if len(keys) == 1:
            return action_types.UnsetEnvironment(**self._named, keys=tuple(keys))
        return action_types.SetEnvironment(**self._named, values=dict.fromkeys(keys))

    def revealing(self, key: str) -> Act:
        """Its name alone is noted."""
        return action_types.RevealEnvironment(**self._named, key=key)

    @property
    def _named(self) -> dict[str, str]:
        return {"environment": self.environment.id, "label": self.environment.name}


async def check_may_look(its: Vars, caller: Caller) -> None:
    """Whether the person may see anything of them at all; a refusal is written down. Raises NotAllowed."""
    question = Question(
        permission=Permission.CONFIG, provider=Provider.BUILDIO, app=its.app, channel=caller.channel
    )
    ruling = await ruling_on(question, caller)
    refused = ruling.refused
    if refused is None and not ruling.confirm:
        return
    refused = refused or "Slack does not say who runs a workflow, so config vars are shown to none."
    entry = Entry(
        event=Event.REFUSED,
        act="look_at_config",
        personal=Personal(person=caller.person),
        channel=caller.channel,
        app=its.app.slug if its.app is not None else "",
        about={"environment": its.of.environment} if its.of.environment is not None else {},
        answer=refused,
    )
    await note(caller, entry)
    if ruling.refused is None:
        raise NotAllowed(refused)
    raise await refusal_of(ruling, caller, Provider.BUILDIO, its.app)


async def check_known(its: Vars, keys: Sequence[str], caller: Caller) -> None:
    """Whether all of these are there. Raises NotNamed with the nearest, ProviderError."""
    there = await its.read(caller)
    for key in keys:
        if key not in there:
            raise NotNamed(error_texts.unknown_key(key, there, lists=its.command))


async def last_changes(its: Vars, caller: Caller) -> dict[str, datetime]:
    """When each was changed last through the bot, as far as the audit log goes back."""
    app = its.app.slug if its.app is not None else None
    found: dict[str, datetime] = {}
    for link in await caller.storage.audit.latest(MOST_ENTRIES, app=app, acts=_CHANGES):
        entry = link.entry
        if entry.event is Event.DONE and entry.about.get("environment") == its.of.environment:
            for key in entry.about.get("label", "").split():
                found.setdefault(key, link.at)
    return found
