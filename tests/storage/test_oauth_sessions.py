"""Signing in elsewhere: each state and code once, in time, for the one who began; nothing readable in the file."""

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
from storage.accounts import EncryptionKeyMissing
from storage.database import Database, WorkspaceGone
from storage.encryption import SecretBox
from storage.oauth_sessions import SESSION_LIFETIME, AuthorizedSession, OAuthSession, OAuthSessions, is_code
from tests.support.factories import NOON
from tests.support.repositories import make_repositories

KEY, CANARY = "key-" * 10, "canary-4711-canary"
AT = Provider.BUILDIO
TOKENS = Tokens(
    access_token=SecretStr(CANARY),
    refresh_token=SecretStr(f"{CANARY}-refresh"),
    expires_at=NOON,
    scopes=("read",),
)
ALLOWED = AuthorizedSession(TOKENS, ProviderUser(id="a@b.c", name="A@b.c"))


@dataclass
class OAuthSessionFixture:
    path: Path
    database: Database
    sign_ins: OAuthSessions

    async def code(self) -> str:
        state = await self.sign_ins.begin("T1", "U1", AT, NOON)
        sign_in = await self.sign_ins.take_started(state, AT, NOON)
        assert sign_in is not None
        return await self.sign_ins.store_authorized(sign_in, AT, ALLOWED, NOON)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[OAuthSessionFixture]:
    database = await Database.open(tmp_path / "b.db")
    yield OAuthSessionFixture(tmp_path, database, OAuthSessions(database, SecretBox([KEY])))
    await database.close()


async def test_a_state_says_who_began_and_is_taken_once(scene: OAuthSessionFixture) -> None:
    state = await scene.sign_ins.begin("T1", "U1", AT, NOON)
    begun = await scene.sign_ins.find_started(state, AT, NOON)
    assert begun is not None
    assert (begun.team, begun.person, len(begun.verifier)) == ("T1", "U1", 64)
    assert await scene.sign_ins.take_started(state, AT, NOON) == begun
    assert await scene.sign_ins.take_started(state, AT, NOON) is None
    assert await scene.sign_ins.find_started(state, AT, NOON) is None


async def test_of_two_who_come_at_once_one_is_taken(scene: OAuthSessionFixture) -> None:
    import asyncio

    state = await scene.sign_ins.begin("T1", "U1", AT, NOON)
    came = await asyncio.gather(*(scene.sign_ins.take_started(state, AT, NOON) for _ in range(8)))
    assert len([one for one in came if one is not None]) == 1


async def test_a_state_is_good_for_its_provider_and_its_time_alone(scene: OAuthSessionFixture) -> None:
    state = await scene.sign_ins.begin("T1", "U1", AT, NOON)
    assert await scene.sign_ins.take_started(state, Provider.BITRISE, NOON) is None
    assert (
        await scene.sign_ins.take_started(state, AT, NOON + SESSION_LIFETIME + timedelta(seconds=1)) is None
    )
    assert await scene.sign_ins.take_started(state, AT, NOON + SESSION_LIFETIME) is not None


@pytest.mark.parametrize(
    ("team", "person", "provider", "late"),
    [
        ("T2", "U1", AT, timedelta(0)),
        ("T1", "U2", AT, timedelta(0)),
        ("T1", "U1", Provider.BITRISE, timedelta(0)),
        ("T1", "U1", AT, SESSION_LIFETIME + timedelta(seconds=1)),
    ],
)
async def test_a_code_is_good_for_whoever_began_and_nobody_else(
    scene: OAuthSessionFixture, team: str, person: str, provider: Provider, late: timedelta
) -> None:
    code = await scene.code()
    assert await scene.sign_ins.take_authorized(code, team, person, provider, NOON + late) is None
    allowed = await scene.sign_ins.take_authorized(f" {code.lower()} ", "T1", "U1", AT, NOON)
    assert allowed == ALLOWED
    assert await scene.sign_ins.take_authorized(code, "T1", "U1", AT, NOON) is None


async def test_a_state_is_no_code_and_a_code_no_state(scene: OAuthSessionFixture) -> None:
    code = await scene.code()
    assert await scene.sign_ins.take_started(code, AT, NOON) is None
    state = await scene.sign_ins.begin("T1", "U1", AT, NOON)
    assert await scene.sign_ins.take_authorized(state, "T1", "U1", AT, NOON) is None


async def test_nothing_of_it_can_be_read_in_the_file(scene: OAuthSessionFixture) -> None:
    state, code = await scene.sign_ins.begin("T1", "U1", AT, NOON), await scene.code()
    begun = await scene.sign_ins.find_started(state, AT, NOON)
    assert begun is not None
    kept = b"".join(one.read_bytes() for one in scene.path.iterdir())
    for word in (state, code, CANARY, begun.verifier):
        assert word.encode() not in kept


async def test_under_another_key_or_none_it_is_begun_anew(scene: OAuthSessionFixture) -> None:
    state = await scene.sign_ins.begin("T1", "U1", AT, NOON)
    assert (
        await OAuthSessions(scene.database, SecretBox(["other-" * 10])).find_started(state, AT, NOON) is None
    )
    with pytest.raises(EncryptionKeyMissing):
        await OAuthSessions(scene.database, None).begin("T1", "U1", AT, NOON)


async def test_a_state_that_was_never_issued_is_refused_before_the_database_is_asked(
    scene: OAuthSessionFixture,
) -> None:
    state = await scene.sign_ins.begin("T1", "U1", AT, NOON)
    asking_none = OAuthSessions(NoDatabase(), SecretBox([KEY]))  # type: ignore[arg-type]
    for made_up in ("", "x" * 4000, state[:-1], state + "0", state.replace("-", "_"), "0" + state[1:]):
        assert await asking_none.find_started(made_up, AT, NOON) is None
        assert await asking_none.take_started(made_up, AT, NOON) is None


class NoDatabase:
    """Whoever asks it has asked it for nothing."""


async def test_where_the_app_is_gone_nothing_is_kept(scene: OAuthSessionFixture) -> None:
    await make_repositories(scene.database, SecretBox([KEY])).wipe("T1")
    with pytest.raises(WorkspaceGone):
        await scene.sign_ins.begin("T1", "U1", AT, NOON)
    with pytest.raises(WorkspaceGone):
        await scene.sign_ins.store_authorized(OAuthSession("T1", "U1", "v"), AT, ALLOWED, NOON)


@given(st.text(max_size=40))
def test_only_what_is_written_as_codes_are_is_one(text: str) -> None:
    parts = text.strip().upper().split("-")
    assert is_code(text) is (
        len(parts) == 4
        and all(len(one) == 4 and set(one) <= set("23456789ABCDEFGHJKLMNPQRSTUVWXYZ") for one in parts)
    )


@pytest.mark.parametrize("text", ["ABCD-EFGH-JKLM-NPQR", " abcd-efgh-jklm-npqr "])
def test_a_code_is_known_however_it_is_typed(text: str) -> None:
    assert is_code(text)
