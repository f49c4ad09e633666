"""The forms that set and remove config vars. What was typed as a value is put into no view again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, SecretStr, StringConstraints

from domain.build import FrozenModel
from domain.message import Block
from messages.kit import action_ids
from messages.kit.blocks import plain_text, section
from messages.kit.mrkdwn import plain
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import (
    LONGEST_TEXT,
    MOST_OPTIONS,
    FormValues,
    field,
    is_pickable,
    modal,
    option,
    text_element,
    warning,
)
from providers.buildio.config_vars.messages import ConfigVarOwner, restart_note
from providers.buildio.shared.arguments import is_key
from providers.buildio.shared.button_values import LONGEST_TITLE

KEY, VALUE, REST, MORE, KEYS = "key", "value", "rest", "more", "keys"
LONGEST_KEY = 128
_A_KEY = "A key has letters, digits and underscores, and begins with no digit."


class VarsOrigin(ViewMetadata):
    """Also whose config vars they are, where they are not the app's."""

    environment: Annotated[str, StringConstraints(pattern=re.compile(r"^[\w-]{0,64}\Z"))] = ""
    title: Annotated[str, Field(max_length=LONGEST_TITLE)] = ""

    @classmethod
    def for_owner(cls, of: ConfigVarOwner, *, channel: str) -> VarsOrigin:
        """The origin of a form about these. Raises ValidationError for an id that has no form of one."""
        return cls(
            channel=channel,
            app=of.app or "",
            environment=of.environment or "",
            title=plain(of.title, LONGEST_TITLE),
        )

    @property
    def owner(self) -> ConfigVarOwner:
        """Whose they are."""
        return ConfigVarOwner(app=self.app or None, environment=self.environment or None, title=self.title)


class SetConfigVarsForm(FrozenModel):
    """What was filled in: a key and its value, and more of both, a line each."""

    key: str = ""
    value: SecretStr = SecretStr("")
    more: SecretStr = SecretStr("")

    @property
    def values(self) -> Mapping[str, SecretStr]:
        """The values by their keys; only to be used where there are no problems."""
        pairs = dict(pair for line in self._lines() if (pair := _pair(line)) is not None)
        return ({self.key: self.value} if self.key else {}) | {
            key: SecretStr(value) for key, value in pairs.items()
        }

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong, by field. No value is said again."""
        found: dict[str, str] = {}
        if self.key and not is_key(self.key):
            found[KEY] = _A_KEY
        elif self.value.get_secret_value() and not self.key:
            found[KEY] = "Of which key is this the value?"
        elif self.key and not self.value.get_secret_value():
            found[VALUE] = "Type the value. To remove a config var there is another form."
        elif not self.key and not self._lines():
            found[KEY] = "Which key?"
        if (problem := self._problem_of_more()) is not None:
            found[MORE] = problem
        return found

    def _lines(self) -> list[str]:
        # A value may hold what else ends a line in Unicode, such as U+2028.
        lines = self.more.get_secret_value().replace("\r\n", "\n").split("\n")
        return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]

    def _problem_of_more(self) -> str | None:
        keys = [self.key] if self.key else []
        for number, line in enumerate(self._lines(), 1):
            pair = _pair(line)
            if pair is None:
                return f"Line {number} is not written as KEY=value."
            if pair[0] in keys:
                return f"{pair[0]} is given twice."
            keys.append(pair[0])
        return None


class UnsetConfigVarsForm(FrozenModel):
    """What was picked to be removed."""

    keys: tuple[str, ...] = ()

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong, by field."""
        if not self.keys:
            return {KEYS: "Which keys?"}
        return {} if all(is_key(key) for key in self.keys) else {KEYS: _A_KEY}


def vars_modal(
    of: ConfigVarOwner, *, origin: VarsOrigin, key: str | None = None, problem: str | None = None
) -> Block:
    """The form that sets config vars, with the key that is known."""
    return modal(
        "Set config vars",
        [
            *warning(problem),
            section(
                f"Of *{of.display_name}*. Keys that are there already get the new value. {restart_note(of)}"
                " The channel hears which keys change, and no values."
            ),
            field(KEY, "Key", text_element(key, most=LONGEST_KEY, placeholder="DATABASE_URL")),
            field(
                VALUE,
                "Value",
                text_element(None, multiline=True),
                hint="As it stands: lines, spaces, quotes and a last empty line are part of it.",
            ),
            field(
                REST,
                "The rest of the value",
                text_element(None, multiline=True),
                hint=f"Where it is longer than {LONGEST_TEXT} characters: both are joined as they stand.",
            ),
            field(
                MORE,
                "More, one on each line",
                text_element(None, multiline=True, placeholder="RAILS_ENV=production"),
                hint="KEY=value, where quotes and spaces are part of the value. Empty lines, and those that begin"
                " with #, count for nothing.",
            ),
        ],
        callback_id=action_ids.BUILDIO_VARS_MODAL,
        private_metadata=origin.encode(),
        submit="Set",
        close="Cancel",
    )


def read_vars(values: Mapping[str, Any]) -> SetConfigVarsForm:
    """What was filled in. `values` is the view's state as Slack sends it."""
    filled = FormValues(values)
    return SetConfigVarsForm(
        key=filled.text(KEY).strip(),
        value=SecretStr(filled.text(VALUE) + filled.text(REST)),
        more=SecretStr(filled.text(MORE)),
    )


def unset_modal(
    of: ConfigVarOwner,
    keys: Sequence[str],
    *,
    origin: VarsOrigin,
    chosen: Sequence[str] = (),
    problem: str | None = None,
) -> Block:
    """The form that removes config vars: `keys` are those that are there."""
    names = [key for key in sorted(keys) if is_key(key) and is_pickable(key)][:MOST_OPTIONS]
    initial = [option(name, name) for name in names if name in chosen]
    picker: Block = {
        "type": "multi_static_select",
        "options": [option(name, name) for name in names],
        "placeholder": plain_text("Pick one or several", 150),
    } | ({"initial_options": initial} if initial else {})
    typed = text_element(" ".join(chosen), placeholder="OLD_KEY OLDER_KEY")
    return modal(
        "Remove config vars",
        [
            *warning(problem),
            section(
                f"Of *{of.display_name}*. Their values are gone then. {restart_note(of)} The channel hears which keys."
            ),
            field(KEYS, "Keys", picker if names else typed, optional=False),
        ],
        callback_id=action_ids.BUILDIO_UNSET_MODAL,
        private_metadata=origin.encode(),
        submit="Remove",
        close="Cancel",
    )


def read_unset(values: Mapping[str, Any]) -> UnsetConfigVarsForm:
    """What was picked, or typed. `values` is the view's state as Slack sends it."""
    filled = FormValues(values)
    picked = filled.several(KEYS) or filled.text(KEYS).replace(",", " ").split()
    return UnsetConfigVarsForm(keys=tuple(dict.fromkeys(picked)))


def _pair(line: str) -> tuple[str, str] | None:
    key, equals, value = line.partition("=")
    return (key.strip(), value) if equals and is_key(key.strip()) else None
