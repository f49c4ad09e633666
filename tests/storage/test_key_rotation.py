"""Key rotation: everything is encrypted with the first key, or nothing; swapped values can't be decrypted."""

from __future__ import annotations

from functools import partial
from itertools import permutations
from typing import Any

import pytest
import sqlite_utils
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from domain.action import PendingAction
from domain.audit_chain import ChainBroken
from domain.credentials import Tokens
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from storage.audit_log import verify_chain
from storage.connection import Connection
from storage.database_url import open_database, open_shared_database
from storage.encryption import DecryptionError, SecretBox
from storage.installations import Installations
from storage.key_rotation import UndecryptableValue, rotate_key
from storage.sqlite_database import SqliteConnection, in_transaction
from tests.storage.full_database import (
    ANNA,
    BEN,
    NEW,
    OLD,
    TEAM,
    TOKEN,
    create_full_database,
    dump_rows,
    secret_box,
)
from tests.support.factories import NOON, make_recipient
from tests.support.repositories import make_repositories


@pytest.fixture
async def url(database_url: str) -> str:
    await create_full_database(database_url)
    return database_url


async def write_to_database(url: str, work: Any) -> Any:
    database = await open_shared_database(url)
    try:
        return await database.write(work)
    finally:
        await database.close()


async def test_everything_is_encrypted_with_the_first_key_and_the_old_one_can_be_removed(url: str) -> None:
    result = await write_to_database(url, lambda db: rotate_key(db, secret_box(NEW, OLD)))
    assert (result.accounts, result.installations, result.proposals, result.audit_ends, result.buttons) == (
        4,
        1,
        4,
        2,
        4,
    )
    assert result.sign_ins == 4
    again = await write_to_database(url, lambda db: rotate_key(db, secret_box(NEW, OLD)))
    assert again.nothing

    database = await open_database(url)
    storage = make_repositories(database, secret_box(NEW))
    account = await storage.of(TEAM).accounts.find(ANNA, BITRISE)
    assert account is not None
    assert storage.of(TEAM).accounts.token(account).get_secret_value() == TOKEN
    assert (await Installations(database, secret_box(NEW), lambda: NOON).of_workspace(TEAM)) is not None
    expired = await storage.pending_actions.expired(NOON.replace(year=2100))
    assert [type(action) for action in expired] == [PendingAction] * 4
    for team in (TEAM, "T2"):
        chain = await database.read(partial(verify_chain, team=team, vault=secret_box(NEW), expected=None))
        assert chain.sealed
    await database.close()
    assert (await write_to_database(url, lambda db: rotate_key(db, secret_box(NEW)))).nothing


async def test_buttons_of_pending_actions_are_signed_with_the_new_key_and_messages_change(
    url: str,
) -> None:
    database = await open_database(url)
    storage = make_repositories(database, secret_box(NEW, OLD))
    before = {
        message.parcel: message.content or ""
        for message in await storage.slack_messages.unfinished(make_recipient("C1"))
    }
    await database.write(lambda db: rotate_key(db, secret_box(NEW, OLD)))
    after = {
        message.parcel: message.content or ""
        for message in await storage.slack_messages.unfinished(make_recipient("C1"))
    }
    await database.close()
    changed = [parcel for parcel in before if before[parcel] != after[parcel]]
    assert len(changed) == 2
    for parcel in changed:
        [new] = [word for word in after[parcel].split('"') if len(word) == 32]
        assert secret_box(NEW).is_signed(f"proposal {TEAM} {parcel}", new)


async def test_tokens_that_are_renewed_during_a_rotation_are_stored(url: str) -> None:
    database = await open_database(url)
    accounts = make_repositories(database, secret_box(NEW, OLD)).of(TEAM).accounts
    old_accounts = make_repositories(database, secret_box(OLD)).of(TEAM).accounts
    first, second, third = (
        Tokens(access_token=SecretStr(f"access-{number}"), refresh_token=SecretStr(f"refresh-{number}"))
        for number in range(3)
    )
    before = await old_accounts.connect(ANNA, BUILDIO, first, provider_user="anna", name="anna", at=NOON)
    await database.write(lambda db: rotate_key(db, secret_box(NEW, OLD)))
    assert await accounts.store_renewed_tokens(before, second)
    renewed = await accounts.find(ANNA, BUILDIO)
    assert renewed is not None
    assert accounts.tokens(renewed) == second
    # Those of an account that was linked again, or disconnected, meanwhile are not.
    assert not await accounts.store_renewed_tokens(before, third)
    await accounts.disconnect(ANNA, BUILDIO, at=NOON)
    assert not await accounts.store_renewed_tokens(renewed, third)
    assert await accounts.find(ANNA, BUILDIO) is None
    await database.close()


@pytest.mark.parametrize(
    ("table", "column", "description"),
    [
        ("accounts", "sealed", f"accounts: of {ANNA} in {TEAM} at bitrise"),
        ("installations", "sealed", f"installations: of workspace {TEAM}"),
        ("proposals", "act", "proposals: "),
        ("audit_chains", "seal", f"audit log of workspace {TEAM}"),
    ],
)
async def test_nothing_is_changed_if_a_value_cannot_be_decrypted(
    url: str, table: str, column: str, description: str
) -> None:
    undecryptable = secret_box("lost-" * 10).encrypt("x")
    await write_to_database(
        url,
        lambda db: db.execute(f"UPDATE {table} SET {column} = ? WHERE team_id = ?", [undecryptable, TEAM]),  # noqa: S608
    )
    before = dump_rows(url)
    with pytest.raises(UndecryptableValue) as problem:
        await write_to_database(url, lambda db: rotate_key(db, secret_box(NEW, OLD)))
    assert description in str(problem.value)
    assert TOKEN not in str(problem.value)
    assert dump_rows(url) == before


async def test_undecryptable_decided_actions_do_not_prevent_a_rotation(url: str) -> None:
    undecryptable = secret_box("lost-" * 10).encrypt("x")
    await write_to_database(
        url, lambda db: db.execute("UPDATE proposals SET act = ?, state = 'done'", [undecryptable])
    )
    assert (await write_to_database(url, lambda db: rotate_key(db, secret_box(NEW, OLD)))).accounts == 4


async def test_a_forged_end_of_the_audit_log_is_not_sealed_again(url: str) -> None:
    await write_to_database(
        url, lambda db: db.execute("UPDATE audit_chains SET last_seq = 1 WHERE team_id = ?", [TEAM])
    )
    with pytest.raises(UndecryptableValue, match="differ from the sealed ones"):
        await write_to_database(url, lambda db: rotate_key(db, secret_box(NEW, OLD)))
    with pytest.raises(ChainBroken):
        await write_to_database(url, lambda db: verify_chain(db, TEAM, secret_box(OLD), None))


PEOPLE = [(team, person) for team in (TEAM, "T2") for person in (ANNA, BEN)]


@given(
    st.sampled_from([*permutations(range(len(PEOPLE)), 2)]), st.sampled_from([[OLD], [NEW, OLD], [OLD, NEW]])
)
def test_a_value_of_one_user_cannot_be_decrypted_for_another(pair: tuple[int, int], keys: list[str]) -> None:
    """Encrypted values are swapped between two users, or the same user of two workspaces."""
    db = SqliteConnection(sqlite_utils.Database(memory=True))
    box = SecretBox(keys)
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
    one, other = (PEOPLE[index] for index in pair)

    def swap(db: Connection) -> None:
        sealed = {(team, person): text for team, person, text in db.execute("SELECT * FROM accounts")}
        for target, source in ((one, other), (other, one)):
            db.execute(
                "UPDATE accounts SET sealed = ? WHERE team_id = ? AND user_id = ?", [sealed[source], *target]
            )

    in_transaction(db, swap)
    for team, person, text in db.execute("SELECT * FROM accounts").fetchall():
        if (team, person) in (one, other):
            with pytest.raises(DecryptionError):
                box.decrypt(text, "account", team, person, "bitrise")
        else:
            assert box.decrypt(text, "account", team, person, "bitrise") == f"token of {person} in {team}"


async def test_swapped_rows_cannot_be_decrypted_through_the_repositories(url: str) -> None:
    """The same, through the repositories."""
    for one, other in permutations(PEOPLE, 2):
        database = await open_database(url)
        storage = make_repositories(database, secret_box(OLD))

        def swap(db: Connection, one: Any = one, other: Any = other) -> None:
            [[first], [second]] = [
                db.execute(
                    "SELECT sealed FROM accounts WHERE team_id = ? AND user_id = ?", [*user]
                ).fetchone()
                for user in (one, other)
            ]
            for user, sealed in ((one, second), (other, first)):
                db.execute(
                    "UPDATE accounts SET sealed = ? WHERE team_id = ? AND user_id = ?", [sealed, *user]
                )

        await database.write(swap)
        for team, person in (one, other):
            account = await storage.of(team).accounts.find(person, BITRISE)
            assert account is not None
            with pytest.raises(DecryptionError):
                storage.of(team).accounts.token(account)
        await database.write(swap)
        await database.close()
