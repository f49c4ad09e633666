"""Actions on config vars of apps and of pipelines' environments: set, unset, reveal.

Only names are shown. Values are stored encrypted and sent only to Build.io. After an approval, the requester may reveal
a value within ten minutes, by pressing a button with a signed grant.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import ClassVar, Literal

from domain.access_policy import Permission
from domain.action import Secret
from domain.commands.errors import UserError
from domain.provider_errors import ProviderError
from providers.buildio.action_base import AppAction, BuildioAction, Name, channel_result
from providers.buildio.api.access import own_client
from providers.buildio.config_vars import messages as config_var_messages
from providers.buildio.config_vars.messages import ConfigDiff, ConfigVarOwner
from providers.buildio.processes.actions import record_restart
from providers.buildio.shared import lookup
from providers.buildio.shared.button_values import RevealButton
from services.actions.action import ActionResult
from services.request.context import Reply, RequestContext, Visibility

GRANT_LASTS = timedelta(minutes=10)


def sign_grant(owner: ConfigVarOwner, key: str, context: RequestContext) -> str | None:
    """Return the value of the button that reveals; None if it doesn't fit, or without an encryption key.

    It grants access, so it is signed, for this person, this config var and a limited time.
    """
    secret_box = context.services.storage.vault
    if secret_box is None:
        return None
    until = int((context.now() + GRANT_LASTS).timestamp())
    seal = secret_box.sign(_signed_text(owner.app, owner.environment, key, until, context))
    return RevealButton.fitting(
        app=owner.app,
        environment=owner.environment,
        title=owner.title[:100],
        key=key,
        until=until,
        seal=seal,
    )


def is_granted(button: RevealButton, context: RequestContext) -> bool:
    """Return whether the button was granted to this person and has not expired."""
    secret_box = context.services.storage.vault
    if secret_box is None or button.key is None or button.until <= context.now().timestamp():
        return False
    text = _signed_text(button.app, button.environment, button.key, button.until, context)
    return secret_box.is_signed(text, button.seal)


def _signed_text(
    app: str | None, environment: str | None, key: str, until: int, context: RequestContext
) -> str:
    # No part contains a space.
    return f"reveal {context.team} {context.person} {app or '-'} {environment or '-'} {key} {until}"


NAMES_SAID = 5
# How a change of a config var is described; its value is never shown.
SET, UNSET = "new value (not shown)", "removed"
_VALUES_NOT_SHOWN = {"values": "values of config vars are never shown; their names are"}


class SetConfigAction(AppAction):
    """Set config vars of an app."""

    not_shown: ClassVar[Mapping[str, str]] = _VALUES_NOT_SHOWN
    permission: ClassVar = Permission.CONFIG
    act: Literal["set_config"] = "set_config"
    values: Mapping[Name, Secret]

    def audit_fields(self) -> dict[str, str]:
        """Return only the names."""
        return _names_label(self.values)

    def summary(self) -> str:
        """Return only the names."""
        return f"set {_format_names(self.values)} of {self.app.title}"

    def details(self) -> list[tuple[str, str]]:
        """Return only the names."""
        return [(f"config var {name}", SET) for name in sorted(self.values)]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Set the config vars. Raises ProviderError."""
        values = {key: value.get_secret_value() for key, value in self.values.items()}
        before = await own_client(context).config_vars(self.app.slug)
        await record_restart(self, context)  # Build.io restarts the dynos when config vars change
        await own_client(context).set_config_vars(self.app.slug, values)
        return _report_changes(ConfigVarOwner.of_app(self.app), ConfigDiff.between(before, values), context)


class UnsetConfigAction(AppAction):
    """Unset config vars of an app."""

    permission: ClassVar = Permission.CONFIG
    act: Literal["unset_config"] = "unset_config"
    keys: tuple[Name, ...]

    def audit_fields(self) -> dict[str, str]:
        """Return the names."""
        return _names_label(self.keys)

    def summary(self) -> str:
        """Return the names."""
        return f"remove {_format_names(self.keys)} from {self.app.title}"

    def details(self) -> list[tuple[str, str]]:
        """Return the names."""
        return [(f"config var {name}", UNSET) for name in sorted(self.keys)]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Unset the config vars. Raises ProviderError, UserError if only some could be unset."""
        await record_restart(self, context)
        await _unset_one_by_one(self.keys, partial(own_client(context).remove_config_var, self.app.slug))
        return _report_changes(ConfigVarOwner.of_app(self.app), ConfigDiff(removed=self.keys), context)


class RevealConfigAction(AppAction):
    """Show the value of a config var to the requester. Nothing changes, but it is authorized and audited."""

    permission: ClassVar = Permission.CONFIG
    act: Literal["reveal_config"] = "reveal_config"
    key: Name

    def audit_fields(self) -> dict[str, str]:
        """Return only the name."""
        return {"label": self.key}

    def summary(self) -> str:
        """Return only the name."""
        return f"view the value of {_format_names([self.key])} of {self.app.title}"

    def details(self) -> list[tuple[str, str]]:
        """Return only the name."""
        return [("config var", self.key)]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Give the requester the button that shows the value. Raises UserError, ProviderError."""
        existing = await own_client(context).config_vars(self.app.slug)
        return _grant_reveal(ConfigVarOwner.of_app(self.app), self.key, existing, context)


class _EnvironmentAction(BuildioAction):
    """Base of actions on the config vars of a pipeline's environment: its ID and its display name."""

    permission: ClassVar = Permission.CONFIG
    environment: Name
    label: Name

    @property
    def owner(self) -> ConfigVarOwner:
        """Return the environment as owner."""
        return ConfigVarOwner(environment=self.environment, title=self.label)

    def details(self) -> list[tuple[str, str]]:
        """Return the environment."""
        return [("environment", self.label), ("environment id", self.environment)]


class SetEnvironmentAction(_EnvironmentAction):
    """Set config vars of an environment; None unsets one."""

    not_shown: ClassVar[Mapping[str, str]] = _VALUES_NOT_SHOWN
    act: Literal["set_environment"] = "set_environment"
    values: Mapping[Name, Secret | None]

    def audit_fields(self) -> dict[str, str]:
        """Return the environment and only the names."""
        return {"environment": self.environment, **_names_label(self.values)}

    def summary(self) -> str:
        """Return only the names and the environment."""
        given = [key for key, value in self.values.items() if value is not None]
        gone = [key for key, value in self.values.items() if value is None]
        said = [f"set {_format_names(given)}"] if given else []
        said += [f"remove {_format_names(gone)}"] if gone else []
        return f"{' and '.join(said)} of the environment {self.label}"

    def details(self) -> list[tuple[str, str]]:
        """Return the environment and only the names."""
        return [
            *super().details(),
            *(
                (f"config var {key}", UNSET if value is None else SET)
                for key, value in sorted(self.values.items())
            ),
        ]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Set the config vars. Raises ProviderError."""
        values = {
            key: value.get_secret_value() if value is not None else None for key, value in self.values.items()
        }
        before = await own_client(context).environment(self.environment)
        await own_client(context).set_environment(self.environment, values)
        return _report_changes(self.owner, ConfigDiff.between(before, values), context)


class UnsetEnvironmentAction(_EnvironmentAction):
    """Unset config vars of an environment."""

    act: Literal["unset_environment"] = "unset_environment"
    keys: tuple[Name, ...]

    def audit_fields(self) -> dict[str, str]:
        """Return the environment and the names."""
        return {"environment": self.environment, **_names_label(self.keys)}

    def summary(self) -> str:
        """Return the names and the environment."""
        return f"remove {_format_names(self.keys)} from the environment {self.label}"

    def details(self) -> list[tuple[str, str]]:
        """Return the environment and the names."""
        return [*super().details(), *((f"config var {name}", UNSET) for name in sorted(self.keys))]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Unset the config vars. Raises ProviderError, UserError if only some could be unset."""
        remove = partial(own_client(context).remove_from_environment, self.environment)
        await _unset_one_by_one(self.keys, remove)
        return _report_changes(self.owner, ConfigDiff(removed=self.keys), context)


class RevealEnvironmentAction(_EnvironmentAction):
    """Show the value of an environment's config var to the requester."""

    act: Literal["reveal_environment"] = "reveal_environment"
    key: Name

    def audit_fields(self) -> dict[str, str]:
        """Return the environment and only the name."""
        return {"environment": self.environment, "label": self.key}

    def summary(self) -> str:
        """Return only the name and the environment."""
        return f"view the value of {_format_names([self.key])} of the environment {self.label}"

    def details(self) -> list[tuple[str, str]]:
        """Return the environment and only the name."""
        return [*super().details(), ("config var", self.key)]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Give the requester the button that shows the value. Raises UserError, ProviderError."""
        existing = await own_client(context).environment(self.environment)
        return _grant_reveal(self.owner, self.key, existing, context)


def _grant_reveal(
    owner: ConfigVarOwner,
    key: str,
    existing_keys: Collection[str],
    context: RequestContext,
) -> ActionResult:
    """Build the reply that lets the person reveal the value; it never contains the value itself. Raises UserError."""
    if key not in existing_keys:
        list_command = f"config {owner.title}" if owner.environment is None else f"envs {owner.environment}"
        raise UserError(lookup.unknown_key(key, existing_keys, lists=list_command))
    message = config_var_messages.vars_granted(
        owner, key, by=context.person, value=sign_grant(owner, key, context)
    )
    return ActionResult(Reply(message, Visibility.CHANNEL), provider_answer="shown only to them")


def _report_changes(owner: ConfigVarOwner, diff: ConfigDiff, context: RequestContext) -> ActionResult:
    return channel_result(config_var_messages.vars_changed(owner, diff, by=context.person))


async def _unset_one_by_one(keys: tuple[str, ...], unset: Callable[[str], Awaitable[None]]) -> None:
    """Unset keys one request at a time, as Build.io requires. Raises UserError if only some could be unset."""
    removed: list[str] = []
    for key in keys:
        try:
            await unset(key)
        except ProviderError as problem:
            if not removed:
                raise
            raise UserError(
                f"Removed {', '.join(removed)}, but not {key} and the rest: {problem}"
            ) from problem
        removed.append(key)


def _format_names(keys: Iterable[str]) -> str:
    names = sorted(keys)
    if len(names) > NAMES_SAID:
        return f"{len(names)} config vars"
    return f"the config var{'' if len(names) == 1 else 's'} {', '.join(names)}"


def _names_label(keys: Iterable[str]) -> dict[str, str]:
    return {"label": " ".join(sorted(keys))}
