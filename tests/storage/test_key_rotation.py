"""Other keys: everything sealed anew with the first, or nothing; and what was swapped opens nowhere."""

from __future__ import annotations

from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from hypothesis import given
from hypothesis import strategies as st

from domain.audit_log import ChainBroken
from domain.pending_action import PendingAction
from domain.provider import Provider
from storage.audit_log import verify_chain
from storage.database import Database, in_transaction
from storage.encryption import DecryptionError, SecretBox
from storage.installations import Installations
from storage.key_rotation import UndecryptableValue, rotate_key
from tests.storage.full_database import ANNA, BEN, NEW, OLD, TEAM, TOKEN, create_full_database, secret_box
from tests.support.factories import NOON, make_recipient
from tests.support.repositories import make_repositories


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    await create_full_database(tmp_path / "b.db")
    return tmp_path / "b.db"


async def with_database(path: Path, work: Any) -> Any:
    database = await Database.open_shared(path)
    try:
        return await database.write(work)
    finally:
        await database.close()


async def test_everything_is_sealed_with_the_first_key_and_the_old_one_can_be_left_out(path: Path) -> None:
    done = await with_database(path, lambda db: rotate_key(db, secret_box(NEW, OLD)))
    assert (done.accounts, done.installations, done.proposals, done.audit_ends, done.buttons) == (
        4,
        1,
        4,
        2,
        4,
    )
    assert done.sign_ins == 4
    again = await with_database(path, lambda db: rotate_key(db, secret_box(NEW, OLD)))
    assert again.nothing

    database = await Database.open(path)
    storage = make_repositories(database, secret_box(NEW))
    account = await storage.of(TEAM).accounts.find(ANNA, Provider.BITRISE)
    assert account is not None
    assert storage.of(TEAM).accounts.token(account).get_secret_value() == TOKEN
    assert (await Installations(database, secret_box(NEW), lambda: NOON).of_workspace(TEAM)) is not None
    expired = await storage.pending_actions.expired(NOON.replace(year=2100))
    assert [type(one) for one in expired] == [PendingAction] * 4
    for team in (TEAM, "T2"):
        chain = await database.read(partial(verify_chain, team=team, vault=secret_box(NEW), expected=None))
        assert chain.sealed
    await database.close()
    assert (await with_database(path, lambda db: rotate_key(db, secret_box(NEW)))).nothing


async def test_the_buttons_of_open_proposals_are_known_under_the_new_key_and_their_messages_change(
    path: Path,
) -> None:
    database = await Database.open(path)
    storage = make_repositories(database, secret_box(NEW, OLD))
    before = {
        one.parcel: one.content or "" for one in await storage.slack_messages.unfinished(make_recipient("C1"))
    }
    await database.write(lambda db: rotate_key(db, secret_box(NEW, OLD)))
    after = {
        one.parcel: one.content or "" for one in await storage.slack_messages.unfinished(make_recipient("C1"))
    }
    await database.close()
    asked = [parcel for parcel in before if before[parcel] != after[parcel]]
    assert len(asked) == 2
    for parcel in asked:
        [new] = [word for word in after[parcel].split('"') if len(word) == 32]
        assert secret_box(NEW).is_signed(f"proposal {TEAM} {parcel}", new)


@pytest.mark.parametrize(
    ("table", "column", "whose"),
    [
        ("accounts", "sealed", f"accounts: of {ANNA} in {TEAM} at bitrise"),
        ("installations", "sealed", f"installations: of workspace {TEAM}"),
        ("proposals", "act", "proposals: "),
        ("audit_chains", "seal", f"audit of workspace {TEAM}"),
    ],
)
async def test_nothing_is_changed_where_something_opens_under_no_key(
    path: Path, table: str, column: str, whose: str
) -> None:
    lost = secret_box("lost-" * 10).encrypt("x")
    await with_database(
        path,
        lambda db: db.execute(f"UPDATE {table} SET {column} = ? WHERE team_id = ?", [lost, TEAM]),  # noqa: S608
    )
    before = path_content(path)
    with pytest.raises(UndecryptableValue) as problem:
        await with_database(path, lambda db: rotate_key(db, secret_box(NEW, OLD)))
    assert whose in str(problem.value)
    assert TOKEN not in str(problem.value)
    assert path_content(path) == before


async def test_what_was_decided_long_ago_keeps_nobody_from_a_new_key(path: Path) -> None:
    lost = secret_box("lost-" * 10).encrypt("x")
    await with_database(path, lambda db: db.execute("UPDATE proposals SET act = ?, state = 'done'", [lost]))
    assert (await with_database(path, lambda db: rotate_key(db, secret_box(NEW, OLD)))).accounts == 4


async def test_a_forged_end_of_the_audit_log_is_not_sealed_anew(path: Path) -> None:
    await with_database(
        path, lambda db: db.execute("UPDATE audit_chains SET last_seq = 1 WHERE team_id = ?", [TEAM])
    )
    with pytest.raises(UndecryptableValue, match="not those that were sealed"):
        await with_database(path, lambda db: rotate_key(db, secret_box(NEW, OLD)))
    with pytest.raises(ChainBroken):
        await with_database(path, lambda db: verify_chain(db, TEAM, secret_box(OLD), None))


def path_content(path: Path) -> list[Any]:
    db = sqlite_utils.Database(path)
    try:
        return [list(db.table(name).rows) for name in sorted(db.table_names())]
    finally:
        db.close()


PEOPLE = [(team, person) for team in (TEAM, "T2") for person in (ANNA, BEN)]


@given(
    st.sampled_from([*permutations(range(len(PEOPLE)), 2)]), st.sampled_from([[OLD], [NEW, OLD], [OLD, NEW]])
)
def test_what_is_sealed_for_one_never_opens_for_another(pair: tuple[int, int], keys: list[str]) -> None:
    """Rows' seals swapped between two people, or one person of two workspaces."""
    db = sqlite_utils.Database(memory=True)
    opened = SecretBox(keys)
    db.execute("CREATE TABLE accounts (team_id, user_id, sealed)")
    for team, person in PEOPLE:
        db.execute(
            "INSERT INTO accounts VALUES (?, ?, ?)",
            [
                team,
                person,
                secret_box(OLD).encrypt(f"token of {person} in {team}", "account", team, person, "bitrise"),
            ],
        )
    one, other = (PEOPLE[place] for place in pair)

    def swap(db: sqlite_utils.Database) -> None:
        sealed = {(team, person): text for team, person, text in db.execute("SELECT * FROM accounts")}
        for here, there in ((one, other), (other, one)):
            db.execute(
                "UPDATE accounts SET sealed = ? WHERE team_id = ? AND user_id = ?", [sealed[there], *here]
            )

    in_transaction(db, swap)
    for team, person, text in db.execute("SELECT * FROM accounts").fetchall():
        if (team, person) in (one, other):
            with pytest.raises(DecryptionError):
                opened.decrypt(text, "account", team, person, "bitrise")
        else:
            assert opened.decrypt(text, "account", team, person, "bitrise") == f"token of {person} in {team}"


async def test_rows_swapped_in_the_database_do_not_open_through_the_repositories(path: Path) -> None:
    """The same, as the bot itself would read them."""
    for one, other in permutations(PEOPLE, 2):
        database = await Database.open(path)
        storage = make_repositories(database, secret_box(OLD))

        def swap(db: sqlite_utils.Database, one: Any = one, other: Any = other) -> None:
            [[mine], [theirs]] = [
                db.execute("SELECT sealed FROM accounts WHERE team_id = ? AND user_id = ?", [*who]).fetchone()
                for who in (one, other)
            ]
            for who, sealed in ((one, theirs), (other, mine)):
                db.execute("UPDATE accounts SET sealed = ? WHERE team_id = ? AND user_id = ?", [sealed, *who])

        await database.write(swap)
        for team, person in (one, other):
            account = await storage.of(team).accounts.find(person, Provider.BITRISE)
            assert account is not None
            with pytest.raises(DecryptionError):
                storage.of(team).accounts.token(account)
        await database.write(swap)
        await database.close()
