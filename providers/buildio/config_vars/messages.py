"""Config vars of an app or an environment: masked for all, one value for one person, changes by their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import takewhile

from domain.build import App, FrozenModel
from domain.message import Block, Message
from messages.kit import action_ids
from messages.kit.blocks import SECTION_TEXT, context, paragraphs, section
from messages.kit.mrkdwn import beginning_of_code, code, escape, mention, plain, visible_text, when
from providers.buildio.api.models import Environment
from providers.buildio.config_vars.config_diff import ConfigDiff
from providers.buildio.config_vars.mask import describe_length, mask_value
from providers.buildio.shared.blocks import button_row, optional_button
from providers.buildio.shared.button_values import LONGEST_TITLE, ConfigVarsButton, RemoveVarsButton

ROWS_WITH_BUTTONS = 25
LONGEST_VALUE = 2900
GONE_AFTER = "a minute"


class ConfigVarOwner(FrozenModel):
    """Whose config vars they are: an app's or an environment's, by its id; `title` is what people call it."""

    app: str | None = None
    environment: str | None = None
    title: str

    @classmethod
    def of_app(cls, app: App) -> ConfigVarOwner:
        """Those of this app."""
        return cls(app=app.slug, title=app.title)

    @classmethod
    def of_environment(cls, one: Environment) -> ConfigVarOwner:
        """Those of this environment."""
        return cls(environment=one.id, title=one.name)

    @classmethod
    def named(cls, button: ConfigVarsButton) -> ConfigVarOwner:
        """Those that a button is about."""
        return cls(app=button.app, environment=button.environment, title=button.title)

    @property
    def display_name(self) -> str:
        """What they are of, escaped."""
        name = escape(self.title, 150) or "…"
        return name if self.environment is None else f"the environment {name}"

    def value(self, key: str | None = None) -> str | None:
        """The value of a button about them, or about one of them; None where none could carry it."""
        title = plain(self.title, LONGEST_TITLE)
        return ConfigVarsButton.fitting(app=self.app, environment=self.environment, title=title, key=key)


def vars_list(
    of: ConfigVarOwner, values: Mapping[str, str], *, changed: Mapping[str, datetime] | None = None
) -> Message:
    """The keys with what can be told of their values; `changed`: when each was last changed, as far as I know."""
    known = changed or {}
    keys = sorted(values)
    count = f"{len(keys)} config var{'s' if len(keys) != 1 else ''}"
    lines = {key: _line(key, values[key], known.get(key)) for key in keys}
    blocks = [section(f"*{of.display_name}*: {count}")]
    for key in keys[:ROWS_WITH_BUTTONS]:
        label = f"Reveal {key} to yourself"
        blocks.append(
            section(
                lines[key], optional_button("Reveal", action_ids.BUILDIO_REVEAL, of.value(key), label=label)
            )
        )
    blocks += paragraphs([lines[key] for key in keys[ROWS_WITH_BUTTONS:]], most_blocks=2)
    blocks += _buttons(of, some=bool(keys))
    if keys:
        blocks.append(context(f"Reveal shows a value to you alone, for {GONE_AFTER}. Who looked is noted."))
    return Message(escape(f"Config vars of {of.title}: {', '.join(keys) or 'none'}", 2000), blocks)


def vars_revealed(of: ConfigVarOwner, key: str, value: str) -> Message:
    """One value for one person; the words beside it, which are a notification too, do not hold it."""
    head = f"👁️ {code(key)} of {of.display_name}, for your eyes only. It vanishes in {GONE_AFTER}."
    notes = []
    shown = beginning_of_code(value, LONGEST_VALUE)
    if shown.endswith("…\n```"):
        notes.append(f"It has {describe_length(value)}; here is the beginning.")
    if visible_text(value) != value or "```" in value:
        notes.append("Letters that nobody would see are left out here.")
    block = section(shown) if value else section("_It is empty._")
    return Message(head, [section(head), block, *([context(*notes)] if notes else [])])


def vars_hidden(of: ConfigVarOwner, key: str) -> Message:
    """What stands there when the minute is over."""
    text = f"🙈 {code(key)} of {of.display_name} was shown here for {GONE_AFTER}."
    again = optional_button("Reveal again", action_ids.BUILDIO_REVEAL, of.value(key))
    others = optional_button("All config vars", action_ids.BUILDIO_VARS_REFRESH, of.value())
    return Message(text, [section(text), *button_row(again, others)])


def vars_granted(of: ConfigVarOwner, key: str, *, by: str, value: str | None) -> Message:
    """To the channel, once somebody has agreed: whoever asked may look now. The button works for them alone."""
    text = f"👁️ {mention(by)} may look at {code(key)} of {of.display_name} now, for some minutes."
    look = optional_button("Reveal", action_ids.BUILDIO_REVEAL_GRANTED, value)
    return Message(text, [section(text), *button_row(look)])


def restart_note(of: ConfigVarOwner) -> str:
    """What a change of config vars does to what runs; empty where nothing runs with them."""
    return (
        ""
        if of.app is None
        else f"Build.io restarts the processes of {of.display_name} when its config vars change."
    )


def unset_question(of: ConfigVarOwner, keys: Sequence[str]) -> Message:
    """Before config vars are removed that somebody has named: what will be gone, and the button for it."""
    text = _unset_text(of, keys)
    remove = optional_button("Remove", action_ids.BUILDIO_VARS_REMOVE, _unset_value(of, keys), style="danger")
    return Message(text, [section(text), *button_row(remove)])


def count_keys_that_fit(of: ConfigVarOwner, keys: Sequence[str]) -> int:
    """How many of the keys, from the first on, `unset_question` can name and its button carry."""
    fits = (
        _unset_value(of, keys[:count]) is not None and len(_unset_text(of, keys[:count])) <= SECTION_TEXT
        for count in range(1, len(keys) + 1)
    )
    return sum(takewhile(bool, fits))


def _unset_text(of: ConfigVarOwner, keys: Sequence[str]) -> str:
    named = ", ".join(code(key, 140) for key in keys)
    text = f"Remove {named} from {of.display_name}? The bot keeps no values, so this can't be undone here."
    return f"{text} {note}" if (note := restart_note(of)) else text


def _unset_value(of: ConfigVarOwner, keys: Sequence[str]) -> str | None:
    about = ConfigVarsButton.fitting(
        app=of.app, environment=of.environment, title=plain(of.title, LONGEST_TITLE)
    )
    if about is None:
        return None
    return RemoveVarsButton.fitting(of=ConfigVarsButton.decode(about), keys=tuple(keys))


def vars_changed(of: ConfigVarOwner, diff: ConfigDiff, *, by: str) -> Message:
    """To the channel: which keys somebody set, changed and removed; no values."""
    head = f"{mention(by)} changed config vars of {of.display_name}"
    if not diff:
        text = f"{mention(by)} set config vars of {of.display_name} to what they were"
        return Message(text, [section(f"🔧 {text}")])
    lines = [
        *(f"+ {code(key)}" for key in diff.added),
        *(f"~ {code(key)}" for key in diff.changed),
        *(f"− {code(key)}" for key in diff.removed),
    ]
    notes = ["+ set · ~ changed · − removed. Values are never shown in a channel.", restart_note(of)]
    legend = context(*(note for note in notes if note))
    spoken = "; ".join(
        f"{word} {', '.join(keys)}"
        for word, keys in (("set", diff.added), ("changed", diff.changed), ("removed", diff.removed))
        if keys
    )
    return Message(
        f"{head}: {escape(spoken, 2000)}", [section(f"🔧 {head}"), *paragraphs(lines, most_blocks=2), legend]
    )


def _line(key: str, value: str, changed: datetime | None) -> str:
    when_changed = f" · changed {when(changed)}" if changed is not None else ""
    return f"{code(key, 140)} = {mask_value(value)} · {describe_length(value)}{when_changed}"


def _buttons(of: ConfigVarOwner, *, some: bool) -> list[Block]:
    value = of.value()
    return button_row(
        optional_button("Set…", action_ids.BUILDIO_VARS_SET, value, style="primary"),
        optional_button("Remove…", action_ids.BUILDIO_VARS_UNSET, value) if some else None,
        optional_button("Refresh", action_ids.BUILDIO_VARS_REFRESH, value),
    )
