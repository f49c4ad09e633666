"""One person in one workspace: everything that is held about them, handed over or erased.

`storage.personal_data_columns` lists the columns that name people; export and erasure both go by that list, so that
what is exported is what is erased. Builds belong to no workspace; they name a person by their Slack id, where
Buildbell started them, and by the names that they have at the provider.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlite_utils

from domain.audit_log import ERASED
from domain.build_author import STARTED_BY, parse_trigger
from domain.redaction.redactor import redact
from storage.audit_log import erase_person, records_about
from storage.encryption import SecretBox
from storage.pending_actions import withdraw_pending_actions
from storage.personal_data_columns import COLUMNS, Columns
from storage.subscriptions import end_access, end_subscription, select_subscriptions

# What an author is called by in what is kept of builds, series, approvals and filters.
_AUTHORS = frozenset({"by", "author", "pull_request_author"})
# A variable that a build was started with may hold a secret.
_NOT_SHOWN = "(not shown)"

Row = dict[str, Any]


@dataclass(frozen=True)
class ErasureReport:
    """What erasing did: rows that went, rows that stay without the person by table, and entries of the audit log."""

    deleted: Mapping[str, int] = field(default_factory=dict)
    blanked: Mapping[str, int] = field(default_factory=dict)
    entries: int = 0

    @property
    def nothing(self) -> bool:
        """Whether nothing was known of the person."""
        return not (self.deleted or self.blanked or self.entries)


def export_person(db: sqlite_utils.Database, team: str, user: str) -> dict[str, Any]:
    """Everything that is held about the person, ready for JSON; no token, sealed or not, is in it."""
    person = _Person.find(db, team, user)
    tables: dict[str, list[Row]] = {}
    for table in COLUMNS:
        rows = [*_theirs(db, person, table), *(row for row, _ in _naming(db, person, table))]
        if rows:
            tables[table] = [_shown(table, row) for row in rows]
    return {
        "team": team,
        "user": user,
        "tables": tables,
        "audit": [link.as_json() for link in records_about(db, team, user)],
    }


def erase_everywhere(
    db: sqlite_utils.Database, team: str, user: str, vault: SecretBox | None, at: datetime
) -> ErasureReport:
    """Delete what is the person's, and blank them in what others need; for use inside a transaction.

    A channel's subscription stays, made by nobody; what showed what the person could see is shown no more, and is told
    no more once the bot finds their account gone. The audit log keeps what was done, without who. Raises ChainBroken
    where the log's seal does not fit, or there is no key to go on from it.
    """
    person = _Person.find(db, team, user)
    end_access(db, team, user, at)
    blanked = {table: _blank(db, person, table) for table in COLUMNS}
    deleted = {table: _delete(db, person, table) for table in COLUMNS}
    return ErasureReport(
        deleted={table: count for table, count in deleted.items() if count},
        blanked={table: count for table, count in blanked.items() if count},
        entries=erase_person(db, team, vault, user, at),
    )


@dataclass(frozen=True)
class _Person:
    """Whom it is about: names at the provider in lower case, and their direct messages as far as they are known."""

    team: str
    user: str
    names: frozenset[str]
    places: frozenset[str]

    @classmethod
    def find(cls, db: sqlite_utils.Database, team: str, user: str) -> _Person:
        given = [team, user]
        names = {
            str(name).casefold()
            for query in (
                "SELECT name FROM people WHERE team_id = ? AND user_id = ?",
                "SELECT email FROM people WHERE team_id = ? AND user_id = ?",
                "SELECT name FROM accounts WHERE team_id = ? AND user_id = ?",
            )
            for (name,) in db.execute(query, given)
            if name
        }
        # A direct message belongs to whoever has asked for something, or done it, in it.
        asked = db.execute(
            "SELECT channel_id FROM subscriptions WHERE team_id = ? AND created_by = ? AND channel_id LIKE 'D%'"
            " UNION SELECT channel_id FROM channels WHERE team_id = ? AND set_by = ? AND channel_id LIKE 'D%'"
            " UNION SELECT channel_id FROM ties WHERE team_id = ? AND set_by = ? AND channel_id LIKE 'D%'",
            [*given, *given, *given],
        )
        places = {place for (place,) in asked}
        for link in records_about(db, team, user):
            if link.entry.personal.person == user and link.entry.channel.startswith("D"):
                places.add(link.entry.channel)
        return cls(team, user, frozenset(names), frozenset({user, *places}))

    @property
    def pattern(self) -> re.Pattern[str]:
        """Where their Slack id stands in a text."""
        user = re.escape(self.user)
        return re.compile(rf"<@{user}(?:\|[^>]*)?>|(?<![A-Za-z0-9]){user}(?![A-Za-z0-9])", re.IGNORECASE)

    def blanked_in(self, content: Any, *, author: bool = False) -> Any:
        """What was read from JSON, without them; `author`: it stands where a name means a person."""
        if isinstance(content, dict):
            return {key: self._blanked_at(key, value, author=author) for key, value in content.items()}
        if isinstance(content, list):
            return [self.blanked_in(one, author=author) for one in content]
        if not isinstance(content, str):
            return content
        if author and content.casefold() in self.names:
            return ERASED
        return self.pattern.sub(ERASED, content)

    def _blanked_at(self, key: str, value: Any, *, author: bool) -> Any:
        if key == "triggered_by":
            return self._without_starter(value)
        if key == "people" and isinstance(value, list):
            # In a rule only ids may stand; one that names nobody any more allows nobody.
            return [one for one in value if one != self.user]
        patterns = author and key in ("include", "exclude")
        return self.blanked_in(value, author=key in _AUTHORS or patterns)

    def _without_starter(self, value: Any) -> Any:
        named = parse_trigger(value) if isinstance(value, str) else None
        if named is not None and named[1].casefold() in self.names:
            return value[: len(value) - len(named[1])] + ERASED
        return self.blanked_in(value, author=True)


def _theirs(db: sqlite_utils.Database, person: _Person, table: str) -> Iterator[Row]:
    """The rows that are the person's as a whole."""
    where, given = _whose(person, COLUMNS[table])
    if where:
        yield from _rows(db, table, f"{_of_team(table)} AND ({where})", [*_team_given(table, person), *given])


def _naming(db: sqlite_utils.Database, person: _Person, table: str) -> Iterator[tuple[Row, Row]]:
    """The rows that name the person and are not theirs, each with what it is to become."""
    columns = COLUMNS[table]
    if not (columns.ids or columns.words):
        return
    likely = [f"{column} = ?" for column in columns.ids]
    given = [person.user for _ in columns.ids]
    for column in columns.words:
        for name in (person.user, *sorted(person.names)):
            likely.append(f"{column} LIKE ? ESCAPE '\\'")
            given.append(f"%{_literally(name)}%")
    where, of_theirs = _whose(person, columns)
    where = f"{_of_team(table)} AND ({' OR '.join(likely)})" + (f" AND NOT ({where})" if where else "")
    for row in _rows(db, table, where, [*_team_given(table, person), *given, *of_theirs]):
        new = {column: ERASED for column in columns.ids if row[column] == person.user}
        new |= {
            column: text
            for column in columns.words
            if row[column] is not None and (text := _without(person, row[column])) is not None
        }
        if new:
            yield row, new


def _without(person: _Person, text: str) -> str | None:
    """The text without the person; None where it does not name them."""
    try:
        content = json.loads(text)
    except ValueError:
        changed = person.pattern.sub(ERASED, text)
        return changed if changed != text else None
    without = person.blanked_in(content)
    if without == content:
        return None
    return json.dumps(without, ensure_ascii=False, separators=(",", ":"))


def _blank(db: sqlite_utils.Database, person: _Person, table: str) -> int:
    blanked = 0
    for row, new in list(_naming(db, person, table)):
        sets = ", ".join(f"{column} = ?" for column in new)
        key = db.table(table).pks
        where = " AND ".join(f"{column} IS ?" for column in key)
        db.execute(f"UPDATE {table} SET {sets} WHERE {where}", [*new.values(), *(row[one] for one in key)])
        blanked += 1
    return blanked


def _delete(db: sqlite_utils.Database, person: _Person, table: str) -> int:
    where, given = _whose(person, COLUMNS[table])
    if not where:
        return 0
    where, given = f"{_of_team(table)} AND ({where})", [*_team_given(table, person), *given]
    if table == "proposals":
        return withdraw_pending_actions(db, where, given)
    if table == "subscriptions":
        ending = select_subscriptions(db, f"subscriptions.{where}", given)
        for one in ending:
            end_subscription(db, one)
        return len(ending)
    return int(db.execute(f"DELETE FROM {table} WHERE {where}", given).rowcount)


def _whose(person: _Person, columns: Columns) -> tuple[str, list[str]]:
    """The condition that a row is the person's as a whole; empty where no row of the table can be."""
    conditions = [f"{column} = ?" for column in columns.own]
    given = [person.user for _ in columns.own]
    for column in columns.places:
        conditions.append(f"{column} IN ({', '.join('?' * len(person.places))})")
        given += sorted(person.places)
    return " OR ".join(conditions), given


def _of_team(table: str) -> str:
    if table == "installations":
        # An organisation's own is everybody's whose workspace belongs to it.
        return (
            "(team_id = ? OR (team_id = '' AND enterprise_id IN"
            " (SELECT enterprise_id FROM workspaces WHERE team_id = ?)))"
        )
    return "team_id = ?" if "team_id" in COLUMNS[table].all else "1 = 1"


def _team_given(table: str, person: _Person) -> list[str]:
    return [person.team] * _of_team(table).count("?")


def _rows(db: sqlite_utils.Database, table: str, where: str, given: list[str]) -> Iterator[Row]:
    columns = COLUMNS[table].all
    for row in db.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {where}", given):
        yield dict(zip(columns, row, strict=True))


def _shown(table: str, row: Row) -> Row:
    """The row as it is handed over: JSON read, nothing that is sealed, nothing that looks like a secret."""
    hidden = COLUMNS[table].sealed
    return {column: _readable(value) for column, value in row.items() if column not in hidden}


def _readable(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.startswith(("{", "[")):
        try:
            return _safe(json.loads(value))
        except ValueError:
            return redact(value)
    return redact(value)


def _safe(content: Any) -> Any:
    if isinstance(content, dict):
        variable = {content.get("key"), content.get("mapped_to")} - {None}
        if "value" in content and variable and STARTED_BY not in variable:
            content = {**content, "value": _NOT_SHOWN}
        return {key: _safe(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_safe(one) for one in content]
    return redact(content) if isinstance(content, str) else content


def _literally(text: str) -> str:
    """The text for LIKE, in which nothing stands for something else."""
    return re.sub(r"([\\%_])", r"\\\1", text)
