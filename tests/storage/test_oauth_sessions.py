"""OAuth sign-ins: each state and code can be used once, in time, by the user who started; stored encrypted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from domain.credentials import ProviderUser, Tokens
from domain.provider import Provider
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from storage.accounts import EncryptionKeyMissing
from storage.database import Database, WorkspaceGone
from storage.encryption import SecretBox
from storage.oauth_sessions import SESSION_LIFETIME, AuthorizedSession, OAuthSession, OAuthSessions, is_code
from storage.sqlite_database import SqliteDatabase
from tests.support.factories import NOON
from tests.support.repositories import make_repositories

KEY, CANARY = "key-" * 10, "canary-4711-canary"
PROVIDER = BUILDIO
TOKENS = Tokens(
    access_token=SecretStr(CANARY),
    refresh_token=SecretStr(f"{CANARY}-refresh"),
    expires_at=NOON,
    scopes=("read",),
)
AUTHORIZED = AuthorizedSession(TOKENS, ProviderUser(id="a@b.c", name="A@b.c"))


@dataclass
class OAuthFixture:
    path: Path
    database: Database
    sessions: OAuthSessions

    async def make_code(self) -> str:
        state = await self.sessions.begin("T1", "U1", PROVIDER, NOON)
        session = await self.sessions.take_started(state, PROVIDER, NOON)
        assert session is not None
        return await self.sessions.store_authorized(session, PROVIDER, AUTHORIZED, NOON)


@pytest.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[OAuthFixture]:
    database = await SqliteDatabase.open(tmp_path / "b.db")
    yield OAuthFixture(tmp_path, database, OAuthSessions(database, SecretBox([KEY])))
    await database.close()


async def test_a_state_identifies_the_user_and_can_be_used_once(fixture: OAuthFixture) -> None:
    state = await fixture.sessions.begin("T1", "U1", PROVIDER, NOON)
    started = await fixture.sessions.find_started(state, PROVIDER, NOON)
    assert started is not None
    assert (started.team, started.person, len(started.verifier)) == ("T1", "U1", 64)
    assert await fixture.sessions.take_started(state, PROVIDER, NOON) == started
    assert await fixture.sessions.take_started(state, PROVIDER, NOON) is None
    assert await fixture.sessions.find_started(state, PROVIDER, NOON) is None


async def test_a_state_used_concurrently_succeeds_once(fixture: OAuthFixture) -> None:
    import asyncio

    state = await fixture.sessions.begin("T1", "U1", PROVIDER, NOON)
    results = await asyncio.gather(*(fixture.sessions.take_started(state, PROVIDER, NOON) for _ in range(8)))
    assert len([result for result in results if result is not None]) == 1


async def test_a_state_is_valid_only_for_its_provider_until_it_expires(fixture: OAuthFixture) -> None:
    state = await fixture.sessions.begin("T1", "U1", PROVIDER, NOON)
    assert await fixture.sessions.take_started(state, BITRISE, NOON) is None
    assert (
        await fixture.sessions.take_started(state, PROVIDER, NOON + SESSION_LIFETIME + timedelta(seconds=1))
        is None
    )
    assert await fixture.sessions.take_started(state, PROVIDER, NOON + SESSION_LIFETIME) is not None


@pytest.mark.parametrize(
    ("team", "person", "provider", "late"),
    [
        ("T2", "U1", PROVIDER, timedelta(0)),
        ("T1", "U2", PROVIDER, timedelta(0)),
        ("T1", "U1", BITRISE, timedelta(0)),
        ("T1", "U1", PROVIDER, SESSION_LIFETIME + timedelta(seconds=1)),
    ],
)
async def test_a_code_is_valid_only_for_the_user_who_started(
    fixture: OAuthFixture, team: str, person: str, provider: Provider, late: timedelta
) -> None:
    code = await fixture.make_code()
    assert await fixture.sessions.take_authorized(code, team, person, provider, NOON + late) is None
    authorized = await fixture.sessions.take_authorized(f" {code.lower()} ", "T1", "U1", PROVIDER, NOON)
    assert authorized == AUTHORIZED
    assert await fixture.sessions.take_authorized(code, "T1", "U1", PROVIDER, NOON) is None


async def test_states_and_codes_are_not_interchangeable(fixture: OAuthFixture) -> None:
    code = await fixture.make_code()
    assert await fixture.sessions.take_started(code, PROVIDER, NOON) is None
    state = await fixture.sessions.begin("T1", "U1", PROVIDER, NOON)
    assert await fixture.sessions.take_authorized(state, "T1", "U1", PROVIDER, NOON) is None


async def test_no_secret_of_a_sign_in_is_readable_in_the_file(fixture: OAuthFixture) -> None:
    state, code = await fixture.sessions.begin("T1", "U1", PROVIDER, NOON), await fixture.make_code()
    started = await fixture.sessions.find_started(state, PROVIDER, NOON)
    assert started is not None
    stored = b"".join(file.read_bytes() for file in fixture.path.iterdir())
    for secret in (state, code, CANARY, started.verifier):
        assert secret.encode() not in stored


async def test_with_another_key_or_none_a_sign_in_must_start_again(fixture: OAuthFixture) -> None:
    state = await fixture.sessions.begin("T1", "U1", PROVIDER, NOON)
    assert (
        await OAuthSessions(fixture.database, SecretBox(["other-" * 10])).find_started(state, PROVIDER, NOON)
        is None
    )
    with pytest.raises(EncryptionKeyMissing):
        await OAuthSessions(fixture.database, None).begin("T1", "U1", PROVIDER, NOON)


async def test_an_unknown_state_is_refused_without_a_query(
    fixture: OAuthFixture,
) -> None:
    state = await fixture.sessions.begin("T1", "U1", PROVIDER, NOON)
    sessions = OAuthSessions(NoDatabase(), SecretBox([KEY]))  # type: ignore[arg-type]
    for unknown in ("", "x" * 4000, state[:-1], state + "0", state.replace("-", "_"), "0" + state[1:]):
        assert await sessions.find_started(unknown, PROVIDER, NOON) is None
        assert await sessions.take_started(unknown, PROVIDER, NOON) is None


class NoDatabase:
    """Fails on any query."""


async def test_nothing_is_stored_for_a_removed_workspace(fixture: OAuthFixture) -> None:
    await make_repositories(fixture.database, SecretBox([KEY])).wipe("T1")
    with pytest.raises(WorkspaceGone):
        await fixture.sessions.begin("T1", "U1", PROVIDER, NOON)
    with pytest.raises(WorkspaceGone):
        await fixture.sessions.store_authorized(OAuthSession("T1", "U1", "v"), PROVIDER, AUTHORIZED, NOON)


@given(st.text(max_size=40))
def test_only_text_in_the_format_of_a_code_is_a_code(text: str) -> None:
    parts = text.strip().upper().split("-")
    assert is_code(text) is (
        len(parts) == 4
        and all(len(part) == 4 and set(part) <= set("23456789ABCDEFGHJKLMNPQRSTUVWXYZ") for part in parts)
    )


@pytest.mark.parametrize("text", ["ABCD-EFGH-JKLM-NPQR", " abcd-efgh-jklm-npqr "])
def test_a_code_is_recognized_in_any_case_and_with_spaces(text: str) -> None:
    assert is_code(text)
