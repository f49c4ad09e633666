"""Export and erasure of everything stored about one user of a workspace, and removal of a whole workspace.

Export and erasure use the list of columns in `storage.personal_data_columns`, so that what is exported is what is
erased. Builds belong to no workspace. They identify a user by Slack ID, if Buildbell started them, and by names at the
provider.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.audit_chain import ERASED
from domain.build_author import STARTED_BY, parse_trigger
from domain.redaction.redactor import redact
from storage.audit_log import erase_person, records_about, wipe_audit
from storage.connection import Connection, escape_like
from storage.database import PERSON, mark_removed
from storage.encryption import SecretBox
from storage.pending_actions import withdraw_pending_actions
from storage.personal_data_columns import COLUMNS, Columns
from storage.subscribed_apps import index_subscriptions
from storage.subscriptions import end_access, end_subscription, select_subscriptions
from storage.watched_builds import lock_watching

# JSON keys for authors in stored builds, series, approvals and filters.
_AUTHORS = frozenset({"by", "author", "pull_request_author"})
# A build's environment variable may contain a secret.
_NOT_SHOWN = "(not shown)"

Row = dict[str, Any]


@dataclass(frozen=True)
class ErasureReport:
    """The result of an erasure: deleted rows and blanked rows by table, and blanked entries of the audit log."""

    deleted: Mapping[str, int] = field(default_factory=dict)
    blanked: Mapping[str, int] = field(default_factory=dict)
    entries: int = 0

    @property
    def nothing(self) -> bool:
        """True if nothing was stored about the user."""
        return not (self.deleted or self.blanked or self.entries)


def export_person(db: Connection, team: str, user: str) -> dict[str, Any]:
    """Return everything stored about the user, ready for JSON. It contains no tokens, not even encrypted ones."""
    person = _Person.find(db, team, user)
    tables: dict[str, list[Row]] = {}
    for table in COLUMNS:
        rows = [*_owned_rows(db, person, table), *(row for row, _ in _other_rows(db, person, table))]
        if rows:
            tables[table] = [_exported_row(table, row) for row in rows]
    return {
        "team": team,
        "user": user,
        "tables": tables,
        "audit": [link.as_json() for link in records_about(db, team, user)],
    }


def erase_everywhere(
    db: Connection, team: str, user: str, vault: SecretBox | None, at: datetime
) -> ErasureReport:
    """Delete the user's rows, and blank the user in rows that others need; for use inside a transaction.

    A channel's subscription stays, without a creator. If it relies on the user's access it shows nothing from now on,
    and is stopped once the bot notices that the account is gone. The audit log keeps what was done, but not who did
    it. Raises ChainBroken if the log's seal is wrong, or there is no key to continue the chain.
    """
    lock_workspaces(db, [team])
    db.lock("account", team, user)
    person = _Person.find(db, team, user)
    end_access(db, team, user, at)
    blanked = {table: _blank_rows(db, person, table) for table in COLUMNS}
    deleted = {table: _delete_rows(db, person, table) for table in COLUMNS}
    db.notify(PERSON, json.dumps(["", team, user]))
    return ErasureReport(
        deleted={table: count for table, count in deleted.items() if count},
        blanked={table: count for table, count in blanked.items() if count},
        entries=erase_person(db, team, vault, user, at),
    )


@dataclass(frozen=True)
class _Person:
    """The user: names at the provider in lower case, and the known direct message channels."""

    team: str
    user: str
    names: frozenset[str]
    channels: frozenset[str]

    @classmethod
    def find(cls, db: Connection, team: str, user: str) -> _Person:
        arguments = [team, user]
        names = {
            str(name).casefold()
            for query in (
                "SELECT name FROM people WHERE team_id = ? AND user_id = ?",
                "SELECT email FROM people WHERE team_id = ? AND user_id = ?",
                "SELECT name FROM accounts WHERE team_id = ? AND user_id = ?",
            )
            for (name,) in db.execute(query, arguments)
            if name
        }
        # A direct message channel belongs to the user who created something or acted in it.
        rows = db.execute(
            "SELECT channel_id FROM subscriptions WHERE team_id = ? AND created_by = ? AND channel_id LIKE 'D%'"
            " UNION SELECT channel_id FROM channels WHERE team_id = ? AND set_by = ? AND channel_id LIKE 'D%'"
            " UNION SELECT channel_id FROM ties WHERE team_id = ? AND set_by = ? AND channel_id LIKE 'D%'",
            [*arguments, *arguments, *arguments],
        )
        channels = {channel for (channel,) in rows}
        for link in records_about(db, team, user):
            if link.entry.personal.person == user and link.entry.channel.startswith("D"):
                channels.add(link.entry.channel)
        return cls(team, user, frozenset(names), frozenset({user, *channels}))

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the user's Slack ID in a text."""
        user = re.escape(self.user)
        return re.compile(rf"<@{user}(?:\|[^>]*)?>|(?<![A-Za-z0-9]){user}(?![A-Za-z0-9])", re.IGNORECASE)

    def blank(self, content: Any, *, author: bool = False) -> Any:
        """Return JSON content without the user. `author`: a name in this place means a user."""
        if isinstance(content, dict):
            return {key: self._blank_value(key, value, author=author) for key, value in content.items()}
        if isinstance(content, list):
            return [self.blank(item, author=author) for item in content]
        if not isinstance(content, str):
            return content
        if author and content.casefold() in self.names:
            return ERASED
        return self.pattern.sub(ERASED, content)

    def _blank_value(self, key: str, value: Any, *, author: bool) -> Any:
        if key == "triggered_by":
            return self._blank_starter(value)
        if key == "people" and isinstance(value, list):
            # Rules may contain only IDs, so the user is removed and not replaced. A rule without users allows nobody.
            return [user for user in value if user != self.user]
        patterns = author and key in ("include", "exclude")
        return self.blank(value, author=key in _AUTHORS or patterns)

    def _blank_starter(self, value: Any) -> Any:
        parsed = parse_trigger(value) if isinstance(value, str) else None
        if parsed is not None and parsed[1].casefold() in self.names:
            return value[: len(value) - len(parsed[1])] + ERASED
        return self.blank(value, author=True)


def _owned_rows(db: Connection, person: _Person, table: str) -> Iterator[Row]:
    """Yield the rows that belong to the user as a whole."""
    where, arguments = _owner_condition(person, COLUMNS[table])
    if where:
        yield from _rows(
            db,
            table,
            f"{_team_condition(table)} AND ({where})",
            [*_team_arguments(table, person), *arguments],
        )


def _other_rows(db: Connection, person: _Person, table: str) -> Iterator[tuple[Row, Row]]:
    """Yield other rows that identify the user, each with the blanked columns."""
    columns = COLUMNS[table]
    if not (columns.user_ids or columns.texts):
        return
    conditions = [f"{column} = ?" for column in columns.user_ids]
    arguments = [person.user for _ in columns.user_ids]
    for column in columns.texts:
        for name in (person.user, *sorted(person.names)):
            conditions.append(f"LOWER({column}) LIKE ? ESCAPE '\\'")
            arguments.append(f"%{escape_like(name.lower())}%")
    where, owner_arguments = _owner_condition(person, columns)
    where = f"{_team_condition(table)} AND ({' OR '.join(conditions)})" + (
        f" AND NOT ({where})" if where else ""
    )
    for row in _rows(db, table, where, [*_team_arguments(table, person), *arguments, *owner_arguments]):
        new = {column: ERASED for column in columns.user_ids if row[column] == person.user}
        new |= {
            column: text
            for column in columns.texts
            if row[column] is not None and (text := _blank_text(person, row[column])) is not None
        }
        if new:
            yield row, new


def _blank_text(person: _Person, text: str) -> str | None:
    """Return the text without the user, or None if it does not identify the user."""
    try:
        content = json.loads(text)
    except ValueError:
        changed = person.pattern.sub(ERASED, text)
        return changed if changed != text else None
    without = person.blank(content)
    if without == content:
        return None
    return json.dumps(without, ensure_ascii=False, separators=(",", ":"))


def _blank_rows(db: Connection, person: _Person, table: str) -> int:
    blanked = 0
    for row, new in list(_other_rows(db, person, table)):
        sets = ", ".join(f"{column} = ?" for column in new)
        key = db.primary_key(table)
        where = " AND ".join(f"{column} = ?" for column in key)
        db.execute(
            f"UPDATE {table} SET {sets} WHERE {where}", [*new.values(), *(row[column] for column in key)]
        )
        if table == "subscriptions":
            index_subscriptions(db, where, [row[column] for column in key])
        blanked += 1
    return blanked


def _delete_rows(db: Connection, person: _Person, table: str) -> int:
    where, arguments = _owner_condition(person, COLUMNS[table])
    if not where:
        return 0
    where, arguments = (
        f"{_team_condition(table)} AND ({where})",
        [*_team_arguments(table, person), *arguments],
    )
    if table == "proposals":
        return withdraw_pending_actions(db, where, arguments)
    if table == "subscriptions":
        subscriptions = select_subscriptions(db, f"subscriptions.{where}", arguments)
        for subscription in subscriptions:
            end_subscription(db, subscription)
        return len(subscriptions)
    return int(db.execute(f"DELETE FROM {table} WHERE {where}", arguments).rowcount)


def _owner_condition(person: _Person, columns: Columns) -> tuple[str, list[str]]:
    """Return the SQL condition for rows that belong to the user as a whole; empty if the table has none."""
    conditions = [f"{column} = ?" for column in columns.owner]
    arguments = [person.user for _ in columns.owner]
    for column in columns.channels:
        conditions.append(f"{column} IN ({', '.join('?' * len(person.channels))})")
        arguments += sorted(person.channels)
    return " OR ".join(conditions), arguments


def _team_condition(table: str) -> str:
    if table == "installations":
        # An organisation's installation belongs to all its workspaces.
        return (
            "(team_id = ? OR (team_id = '' AND enterprise_id IN"
            " (SELECT enterprise_id FROM workspaces WHERE team_id = ?)))"
        )
    return "team_id = ?" if "team_id" in COLUMNS[table].all else "1 = 1"


def _team_arguments(table: str, person: _Person) -> list[str]:
    return [person.team] * _team_condition(table).count("?")


def _rows(db: Connection, table: str, where: str, arguments: list[str]) -> Iterator[Row]:
    columns = COLUMNS[table].all
    for row in db.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {where}", arguments):
        yield dict(zip(columns, row, strict=True))


def _exported_row(table: str, row: Row) -> Row:
    """Return the row for an export: parsed JSON, without encrypted columns and anything that looks like a secret."""
    hidden = COLUMNS[table].encrypted
    return {column: _exported_value(value) for column, value in row.items() if column not in hidden}


def _exported_value(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.startswith(("{", "[")):
        try:
            return _redact_content(json.loads(value))
        except ValueError:
            return redact(value)
    return redact(value)


def _redact_content(content: Any) -> Any:
    if isinstance(content, dict):
        variable = {content.get("key"), content.get("mapped_to")} - {None}
        if "value" in content and variable and STARTED_BY not in variable:
            content = {**content, "value": _NOT_SHOWN}
        return {key: _redact_content(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_redact_content(item) for item in content]
    return redact(content) if isinstance(content, str) else content


# Tables with tokens: they are rewritten at once after a deletion, the rest of the file within an hour.
WITH_TOKENS = ("accounts", "installations", "sign_ins")
# Every table with workspaces, except subscriptions, the audit log and installations, which are deleted separately.
WORKSPACE_TABLES = (
    "accounts",
    "budgets",
    "channels",
    "deliveries",
    "messages",
    "notifications",
    "passing_files",
    "people",
    "policies",
    "proposals",
    "sign_ins",
    "starts",
    "ties",
    "workflow_steps",
    "workspaces",
)


def known_teams(db: Connection) -> list[str]:
    """Return every workspace with stored data; for use on the database's thread."""
    tables = ("subscriptions", "audit_chains", *WORKSPACE_TABLES)
    query = " UNION ".join(f"SELECT team_id FROM {table}" for table in tables)
    return [team for (team,) in db.execute(query)]


def lock_workspaces(db: Connection, teams: Iterable[str]) -> None:
    """Wait for all writes of these workspaces' data, and keep others away until the transaction ends."""
    for team in sorted(teams):
        db.lock("workspace", team)
    lock_watching(db)


def wipe_workspaces(db: Connection, teams: Sequence[str], vault: SecretBox | None, at: datetime) -> None:
    """Delete all data of workspaces that the transaction has locked.

    Apps without other subscriptions are not watched any more.
    """
    for team in teams:
        for subscription in select_subscriptions(db, "team_id = ?", [team]):
            end_subscription(db, subscription)
        for table in WORKSPACE_TABLES:
            db.execute(f"DELETE FROM {table} WHERE team_id = ?", [team])
        mark_removed(db, team, at)
    for team in teams:
        wipe_audit(db, team, vault, at)
    db.mark_for_rewriting()
