"""Messages about config vars: the masked list, one value for one person, and changes by key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import takewhile

from domain.build import App, FrozenModel
from domain.message import Block, Message
from messages.kit.blocks import SECTION_TEXT, button_row, context, paragraphs, section, text_message
from messages.kit.mrkdwn import beginning_of_code, code, escape, mention, plain, visible_text, when
from providers.buildio import action_ids
from providers.buildio.api.models import Environment
from providers.buildio.shared.blocks import optional_button
from providers.buildio.shared.button_values import LONGEST_TITLE, ConfigVarsButton, RemoveVarsButton

# An unknown scheme could be the secret itself.
_SCHEMES = frozenset(
    """
    http https ws wss postgres postgresql mysql mysql2 mariadb sqlserver redis rediss valkey memcached mongodb
    mongodb+srv amqp amqps kafka kafka+ssl nats smtp smtps ldap ldaps s3 gs ftp sftp ssh file elasticsearch opensearch
    clickhouse cassandra neo4j bolt influxdb mqtt mqtts tcp udp unix
    """.split()  # noqa: SIM905 - forty quotes would hide the names
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+]{0,19})://")


def mask_value(value: str) -> str:
    """Mask the value: `postgres://…`, or only a sign that it is not empty."""
    match = _SCHEME.match(value)
    if match is not None and match[1].lower() in _SCHEMES:
        return f"{match[1].lower()}://…"
    return "…" if value else "empty"


def describe_length(value: str) -> str:
    """Return the length as text."""
    return f"{len(value)} character{'s' if len(value) != 1 else ''}"


class ConfigDiff(FrozenModel):
    """The keys that are added, those whose value changes, and those that are removed."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @classmethod
    def between(cls, before: Mapping[str, str], wanted: Mapping[str, str | None]) -> ConfigDiff:
        """Return the difference that setting `wanted` makes; None removes a config var."""
        new = {key: value for key, value in wanted.items() if value is not None}
        return cls(
            added=tuple(sorted(new.keys() - before.keys())),
            changed=tuple(sorted(key for key, value in new.items() if before.get(key, value) != value)),
            removed=tuple(sorted(key for key, value in wanted.items() if value is None and key in before)),
        )

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


ROWS_WITH_BUTTONS = 25
LONGEST_VALUE = 2900
GONE_AFTER = "1 minute"


class ConfigVarOwner(FrozenModel):
    """The app or environment that config vars belong to, by ID; `title` is its display name."""

    app: str | None = None
    environment: str | None = None
    title: str

    @classmethod
    def of_app(cls, app: App) -> ConfigVarOwner:
        """Return an app as owner."""
        return cls(app=app.slug, title=app.title)

    @classmethod
    def of_environment(cls, environment: Environment) -> ConfigVarOwner:
        """Return an environment as owner."""
        return cls(environment=environment.id, title=environment.name)

    @property
    def display_name(self) -> str:
        """Return the owner's display text, escaped."""
        name = escape(self.title, 150) or "…"
        return name if self.environment is None else f"the environment {name}"

    def value(self, key: str | None = None) -> str | None:
        """Return the value of a button for these config vars or one key; None if it doesn't fit into a button."""
        title = plain(self.title, LONGEST_TITLE)
        return ConfigVarsButton.fitting(app=self.app, environment=self.environment, title=title, key=key)


def vars_list(
    owner: ConfigVarOwner, values: Mapping[str, str], *, changed: Mapping[str, datetime]
) -> Message:
    """The keys with their masked values; `changed` holds when each was last changed, as far as the bot knows."""
    keys = sorted(values)
    count = f"{len(keys)} config var{'s' if len(keys) != 1 else ''}"
    lines = {key: _line(key, values[key], changed.get(key)) for key in keys}
    blocks = [section(f"*{owner.display_name}*: {count}")]
    for key in keys[:ROWS_WITH_BUTTONS]:
        label = f"Reveal {key} to yourself"
        blocks.append(
            section(
                lines[key],
                optional_button("Reveal", action_ids.REVEAL, owner.value(key), label=label),
            )
        )
    blocks += paragraphs([lines[key] for key in keys[ROWS_WITH_BUTTONS:]], max_blocks=2)
    blocks += _buttons(owner, can_remove=bool(keys))
    if keys:
        blocks.append(context(f"Reveal shows a value only to you, for {GONE_AFTER}. Views are logged."))
    return Message(escape(f"Config vars of {owner.title}: {', '.join(keys) or 'none'}", 2000), blocks)


def vars_revealed(owner: ConfigVarOwner, key: str, value: str) -> Message:
    """One value for one person. The message text does not contain it, since it is also the notification."""
    head = f"👁️ {code(key)} of *{owner.display_name}*. Only visible to you. Hides in {GONE_AFTER}."
    notes = []
    shown = beginning_of_code(value, LONGEST_VALUE)
    if shown.endswith("…\n```"):
        notes.append(f"Only the beginning of {describe_length(value)} is shown.")
    if visible_text(value) != value or "```" in value:
        notes.append("Invisible characters are left out.")
    block = section(shown) if value else section("_The value is empty._")
    return text_message(head, block, *([context(*notes)] if notes else []))


def vars_hidden(owner: ConfigVarOwner, key: str) -> Message:
    """The replacement for a revealed value after a minute."""
    text = f"🙈 {code(key)} of *{owner.display_name}* was shown here for {GONE_AFTER}."
    reveal = optional_button("Reveal again", action_ids.REVEAL, owner.value(key))
    show_all = optional_button("View all config vars", action_ids.VARS_REFRESH, owner.value())
    return text_message(text, *button_row(reveal, show_all))


def vars_granted(owner: ConfigVarOwner, key: str, *, by: str, value: str | None) -> Message:
    """Channel message after an approval: the requester may reveal the value. The button works only for them."""
    text = f"👁️ {mention(by)} can view {code(key)} of *{owner.display_name}* for 10 minutes."
    reveal = optional_button("Reveal", action_ids.REVEAL_GRANTED, value)
    return text_message(text, *button_row(reveal))


def restart_note(owner: ConfigVarOwner) -> str:
    """Describe how a change of config vars affects running processes; empty for an environment."""
    return (
        ""
        if owner.app is None
        else f"Build.io restarts the processes of *{owner.display_name}* when its config vars change."
    )


def unset_question(owner: ConfigVarOwner, keys: Sequence[str]) -> Message:
    """The confirmation before named config vars are removed: what will be deleted, and the button."""
    text = _unset_text(owner, keys)
    remove = optional_button("Remove", action_ids.VARS_REMOVE, _unset_value(owner, keys), style="danger")
    return text_message(text, *button_row(remove))


def count_keys_that_fit(owner: ConfigVarOwner, keys: Sequence[str]) -> int:
    """Return how many of the keys, from the first, fit into `unset_question` and its button."""
    fits = (
        _unset_value(owner, keys[:count]) is not None
        and len(_unset_text(owner, keys[:count])) <= SECTION_TEXT
        for count in range(1, len(keys) + 1)
    )
    return sum(takewhile(bool, fits))


def _unset_text(owner: ConfigVarOwner, keys: Sequence[str]) -> str:
    names = ", ".join(code(key, 140) for key in keys)
    text = f"Remove {names} from *{owner.display_name}*? This can't be undone: Buildbell keeps no values."
    return f"{text} {note}" if (note := restart_note(owner)) else text


def _unset_value(owner: ConfigVarOwner, keys: Sequence[str]) -> str | None:
    if (vars_button := owner.value()) is None:
        return None
    return RemoveVarsButton.fitting(of=ConfigVarsButton.decode(vars_button), keys=tuple(keys))


def vars_changed(owner: ConfigVarOwner, diff: ConfigDiff, *, by: str) -> Message:
    """Channel message: keys that were set, changed and removed, without values."""
    head = f"{mention(by)} changed config vars of *{owner.display_name}*"
    if not diff:
        return text_message(
            f"{mention(by)} set config vars of *{owner.display_name}* to the values they already had",
            symbol="🔧",
        )
    lines = [
        *(f"+ {code(key)}" for key in diff.added),
        *(f"~ {code(key)}" for key in diff.changed),
        *(f"− {code(key)}" for key in diff.removed),
    ]
    notes = ["+ added · ~ changed · − removed. Values are never posted to a channel.", restart_note(owner)]
    legend = context(*(note for note in notes if note))
    summary = "; ".join(
        f"{word} {', '.join(keys)}"
        for word, keys in (("added", diff.added), ("changed", diff.changed), ("removed", diff.removed))
        if keys
    )
    return Message(
        f"{head}: {escape(summary, 2000)}", [section(f"🔧 {head}"), *paragraphs(lines, max_blocks=2), legend]
    )


def _line(key: str, value: str, changed: datetime | None) -> str:
    when_changed = f" · changed {when(changed)}" if changed is not None else ""
    return f"{code(key, 140)} = {mask_value(value)} · {describe_length(value)}{when_changed}"


def _buttons(owner: ConfigVarOwner, *, can_remove: bool) -> list[Block]:
    value = owner.value()
    return button_row(
        optional_button("Set…", action_ids.VARS_SET, value, style="primary"),
        optional_button("Remove…", action_ids.VARS_UNSET, value) if can_remove else None,
        optional_button("Refresh", action_ids.VARS_REFRESH, value),
    )
