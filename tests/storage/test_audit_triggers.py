"""The triggers that protect the audit log: each change of them is detected, in both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.audit_register import changed_triggers
from storage.database import Database
from storage.sqlite_database import SqliteDatabase
from tests.support.postgres import PostgresServer
from tests.support.schema import connect_directly

ALWAYS = "CREATE TRIGGER another BEFORE INSERT ON audit_chains"
POSTGRES_CHANGES = {
    "DROP TRIGGER audit_is_not_cut ON audit": {"audit_is_not_cut": "removed"},
    "DROP FUNCTION refuse_audit_cut CASCADE": {"audit_is_not_cut": "removed"},
    "ALTER TABLE audit DISABLE TRIGGER audit_is_not_cut": {"audit_is_not_cut": "changed"},
    "ALTER TABLE audit_register DISABLE TRIGGER ALL": {"audit_register_stays": "changed"},
    "CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RETURN NEW; END $$": {"audit_is_not_changed": "changed", "audit_register_stays": "changed"},
    "ALTER FUNCTION refuse_audit_cut SET search_path = elsewhere": {"audit_is_not_cut": "changed"},
    "CREATE OR REPLACE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit FOR EACH ROW WHEN (NEW.seq < 0)"
    " EXECUTE FUNCTION refuse_audit_change('the audit log is only added to')": {
        "audit_is_not_changed": "changed"
    },
    f"{ALWAYS} FOR EACH ROW EXECUTE FUNCTION refuse_audit_cut()": {"another": "added"},
    "CREATE RULE another AS ON INSERT TO audit DO INSTEAD NOTHING": {"another": "added"},
}


async def test_the_triggers_of_a_new_database_are_those_of_this_version(database: Database) -> None:
    assert await database.read(changed_triggers) == {}


@pytest.mark.parametrize("statement", POSTGRES_CHANGES)
def test_a_changed_trigger_is_detected_in_postgres(statement: str, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    with connect_directly(url) as db:
        db.execute(statement)
        assert changed_triggers(db) == POSTGRES_CHANGES[statement]
    postgres.drop_database(url)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DROP TRIGGER audit_is_not_cut", {"audit_is_not_cut": "removed"}),
        (f"{ALWAYS} BEGIN SELECT 1; END", {"another": "added"}),
    ],
)
async def test_a_changed_trigger_is_detected_in_a_file(
    statement: str, expected: dict[str, str], tmp_path: Path
) -> None:
    database = await SqliteDatabase.open(tmp_path / "b.db")
    await database.write(lambda db: db.execute(statement))
    assert await database.read(changed_triggers) == expected
    await database.close()
