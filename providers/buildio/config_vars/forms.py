"""The forms that set and remove config vars. A typed value is never put into a view again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, SecretStr, StringConstraints

from domain.build import FrozenModel
from domain.commands.errors import UserError
from domain.message import Block
from messages.kit.blocks import section
from messages.kit.button_values import InvalidButtonValue
from messages.kit.mrkdwn import plain
from messages.kit.views import (
    LONGEST_TEXT,
    FormValues,
    ViewMetadata,
    field,
    multi_select,
    pickable_options,
    text_element,
)
from providers.buildio import action_ids
from providers.buildio.config_vars.messages import ConfigVarOwner, restart_note
from providers.buildio.config_vars.scope import (
    AppScope,
    ConfigVarScope,
    check_access,
    find_environment,
    remove,
)
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.arguments import is_key
from providers.buildio.shared.button_values import LONGEST_TITLE
from services.actions import run
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug
from services.request.forms import CheckedInput, Form

KEY, VALUE, REST, MORE, KEYS = "key", "value", "rest", "more", "keys"
LONGEST_KEY = 128
_A_KEY = "A key has letters, digits and underscores, and doesn't begin with a digit."


class VarsOrigin(ViewMetadata):
    """Metadata with the owner of the config vars."""

    environment: Annotated[str, StringConstraints(pattern=re.compile(r"^[\w-]{0,64}\Z"))] = ""
    title: Annotated[str, Field(max_length=LONGEST_TITLE)] = ""

    @classmethod
    def for_owner(cls, owner: ConfigVarOwner, *, channel: str) -> VarsOrigin:
        """Return the metadata for this owner. Raises ValidationError if its ID is invalid."""
        return cls(
            channel=channel,
            app=owner.app or "",
            environment=owner.environment or "",
            title=plain(owner.title, LONGEST_TITLE),
        )

    @property
    def owner(self) -> ConfigVarOwner:
        """Return the owner."""
        return ConfigVarOwner(app=self.app or None, environment=self.environment or None, title=self.title)

    @classmethod
    def decode(cls, metadata: str) -> Self:
        """Read the metadata of a form. Raises InvalidButtonValue if it names no owner, as in another version."""
        origin = cls.read(metadata)
        if not origin.app and not origin.environment:
            raise InvalidButtonValue
        return origin

    async def find_scope(self, context: RequestContext) -> ConfigVarScope:
        """Find the scope again. Raises UserError, ProviderError."""
        if self.environment:
            return await find_environment(self.environment, context)
        return AppScope(await app_by_slug(context, self.app, BUILDIO))


class SetConfigVarsForm(FrozenModel, CheckedInput):
    """The input: a key and its value, and further pairs, one per line."""

    key: str = ""
    value: SecretStr = SecretStr("")
    more: SecretStr = SecretStr("")

    @property
    def values(self) -> Mapping[str, SecretStr]:
        """Return the values by key; only valid if there are no problems."""
        pairs = dict(pair for line in self._pair_lines() if (pair := _parse_pair(line)) is not None)
        return ({self.key: self.value} if self.key else {}) | {
            key: SecretStr(value) for key, value in pairs.items()
        }

    @property
    def problems(self) -> Mapping[str, str]:
        """Return errors by field. They never contain a value."""
        errors: dict[str, str] = {}
        if self.key and not is_key(self.key):
            errors[KEY] = _A_KEY
        elif self.value.get_secret_value() and not self.key:
            errors[KEY] = "Enter the key of this value."
        elif self.key and not self.value.get_secret_value():
            errors[VALUE] = "Enter a value. Another form removes config vars."
        elif not self.key and not self._pair_lines():
            errors[KEY] = "Enter a key."
        if (problem := self._find_pair_problem()) is not None:
            errors[MORE] = problem
        return errors

    def _pair_lines(self) -> list[str]:
        # Not `splitlines`: a value may contain other line breaks of Unicode, such as U+2028.
        lines = self.more.get_secret_value().replace("\r\n", "\n").split("\n")
        return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]

    def _find_pair_problem(self) -> str | None:
        keys = [self.key] if self.key else []
        for number, line in enumerate(self._pair_lines(), 1):
            pair = _parse_pair(line)
            if pair is None:
                return f"Line {number} isn't KEY=value."
            if pair[0] in keys:
                return f"{pair[0]} is given twice."
            keys.append(pair[0])
        return None


class UnsetConfigVarsForm(FrozenModel, CheckedInput):
    """The keys picked for removal."""

    keys: tuple[str, ...] = ()

    @property
    def problems(self) -> Mapping[str, str]:
        """Return errors by field."""
        if not self.keys:
            return {KEYS: "Pick at least one key."}
        return {} if all(is_key(key) for key in self.keys) else {KEYS: _A_KEY}


def read_vars(values: FormValues) -> SetConfigVarsForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    return SetConfigVarsForm(
        key=values.text(KEY).strip(),
        value=SecretStr(values.text(VALUE) + values.text(REST)),
        more=SecretStr(values.text(MORE)),
    )


def read_unset(values: FormValues) -> UnsetConfigVarsForm:
    """Read the picked or typed keys from `values`, the view's state as Slack sends it."""
    picked = values.several(KEYS) or values.text(KEYS).replace(",", " ").split()
    return UnsetConfigVarsForm(keys=tuple(dict.fromkeys(picked)))


@dataclass
class SetVarsForm(Form[VarsOrigin, SetConfigVarsForm, Reply | None]):
    """Sets config vars. A typed value is never put into a view again."""

    callback_id = action_ids.VARS_MODAL
    title = "Set config vars"
    error_field = KEY
    progress = "Setting config vars…"
    read_origin = VarsOrigin.decode
    read_input = staticmethod(read_vars)

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with the key."""
        owner = self.origin.owner
        return self.draw(
            section(
                f"Sets config vars of *{owner.display_name}*. Existing keys get the new value. {restart_note(owner)}"
                " Key names are posted to the channel; values never are."
            ),
            field(KEY, "Key", text_element(self.filled.key, most=LONGEST_KEY, placeholder="DATABASE_URL")),
            field(
                VALUE,
                "Value",
                text_element(None, multiline=True),
                hint="Kept as typed: line breaks, spaces, quotes and a last empty line are part of it.",
            ),
            field(
                REST,
                "Value (continued)",
                text_element(None, multiline=True),
                hint=f"For values longer than {LONGEST_TEXT} characters: both parts are joined as typed.",
            ),
            field(
                MORE,
                "More config vars, one per line",
                text_element(None, multiline=True, placeholder="RAILS_ENV=production"),
                hint="KEY=value. Quotes and spaces are part of the value. Empty lines, and lines that begin with #,"
                " are ignored.",
            ),
            submit="Set",
            problem=problem,
        )

    def render_error(self, problem: str) -> Block:
        """Draw the form with the key, and say that the values are not kept."""
        return self.render(f"{problem} Values aren't kept: type them again.")

    async def submit(self) -> Reply | None:
        """Set the config vars. Raises PermissionDenied, UserError, ProviderError."""
        scope = await self.origin.find_scope(self.context)
        return (await run.run_action(scope.setting(self.filled.values), self.context)).answer


@dataclass
class UnsetVarsForm(Form[VarsOrigin, UnsetConfigVarsForm, Reply | None]):
    """Removes config vars; `keys` are those to pick from."""

    callback_id = action_ids.UNSET_MODAL
    title = "Remove config vars"
    error_field = KEYS
    progress = "Removing config vars…"
    read_origin = VarsOrigin.decode
    read_input = staticmethod(read_unset)

    keys: Sequence[str] = ()

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with the picked keys."""
        owner, chosen = self.origin.owner, self.filled.keys
        options = pickable_options(key for key in sorted(self.keys or chosen) if is_key(key))
        picker = multi_select(options, "Pick one or more", chosen)
        typed = text_element(" ".join(chosen), placeholder="OLD_KEY OLDER_KEY")
        return self.draw(
            section(
                f"Removes config vars of *{owner.display_name}*. Their values can't be restored. {restart_note(owner)}"
                " Key names are posted to the channel."
            ),
            field(KEYS, "Keys", picker if options else typed, optional=False),
            submit="Remove",
            problem=problem,
        )

    async def submit(self) -> Reply | None:
        """Remove the config vars. Raises PermissionDenied, UserError, ProviderError."""
        return await remove(await self.origin.find_scope(self.context), self.filled.keys, self.context)


async def load_set_form(scope: ConfigVarScope, key: str | None, context: RequestContext) -> SetVarsForm:
    """Return the form for values. Raises PermissionDenied."""
    await check_access(scope, context)
    origin = VarsOrigin.for_owner(scope.owner, channel=context.channel)
    return SetVarsForm(context, origin, SetConfigVarsForm(key=key or ""))


async def load_unset_form(scope: ConfigVarScope, context: RequestContext) -> UnsetVarsForm:
    """Return the form in which config vars to remove are picked. Raises PermissionDenied, UserError, ProviderError."""
    await check_access(scope, context)
    keys = list(await scope.read(context))
    if not keys:
        raise UserError("There are no config vars to remove.")
    origin = VarsOrigin.for_owner(scope.owner, channel=context.channel)
    return UnsetVarsForm(context, origin, UnsetConfigVarsForm(), keys)


def _parse_pair(line: str) -> tuple[str, str] | None:
    key, equals, value = line.partition("=")
    return (key.strip(), value) if equals and is_key(key.strip()) else None
