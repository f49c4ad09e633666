"""A user who types a token anywhere is asked to revoke it; it is neither repeated nor stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from providers.buildio.provider import BUILDIO
from sandbox.bitrise.members import ANNA_TOKEN, BEN_TOKEN
from sandbox.buildio import members
from sandbox.buildio.members import TOKEN
from tests.providers.buildio.config_var_harness import leaks, logged
from tests.security.test_other_companies import change_user
from tests.support.bot_harness import BotHarness, bot_harness

REVOKE = "Revoke it at {} now"


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with bot_harness(tmp_path, service_token_acts="0") as opened:
        opened.users.invite("builds")
        yield opened


async def test_a_typed_token_is_to_be_revoked_and_is_never_repeated(
    harness: BotHarness, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    await harness.connect("anna")
    await harness.connect("anna", provider=BUILDIO)
    at_bitrise, at_buildio = REVOKE.format("Bitrise"), REVOKE.format("Build.io")
    for command, expected in (
        (f"/bitrise {BEN_TOKEN}", at_bitrise),
        (f"/bitrise abort android #1 since {BEN_TOKEN} ends", at_bitrise),
        (f"/buildio status token={ANNA_TOKEN}", at_bitrise),
        (f"/bitrise builds {members.ANNA_TOKEN}", at_buildio),
        (f"/buildio deploy shop message:'{members.ANNA_TOKEN}'", at_buildio),
        (f"/buildio {TOKEN}", at_buildio),
    ):
        post = await harness.ask(command, expected)
        assert post.only_for == "U0ANNA"
        assert "[Connect account…]" in harness.message_text(post)
    assert [entry for entry in harness.bitrise.requests if "bit" in entry.path] == []
    # The person's own message keeps the token; the bot never repeats it.
    harness.users.say("anna", "builds", f"@buildbell my token is {BEN_TOKEN}")
    assert (await harness.wait_for_message(at_bitrise, after=post)).only_for == "U0ANNA"
    harness.users.say("anna", "D0ANNA", f"my token is {BEN_TOKEN}, thanks")
    post = await harness.wait_for_message(at_bitrise, channel="D0ANNA")
    # A long text before the token makes no difference.
    harness.users.say("anna", "D0ANNA", f"{'a ' * 600}{members.ANNA_TOKEN}")
    await harness.wait_for_message(at_buildio, channel="D0ANNA", after=post)
    # A build's form is stored in the audit log and shown to others; only the account form accepts tokens.
    await harness.users.command("anna", "builds", "/bitrise trigger android")
    await harness.slack.wait_for_modal("anna", "Workflow or pipeline")
    await harness.users.submit("anna", {"tag": "v1", "message": f"with {ANNA_TOKEN}"})
    opened = harness.users.modal("anna")
    assert opened is not None
    assert list(opened.errors) == ["message"]
    assert at_bitrise in opened.errors["message"]
    assert harness.bitrise.state.builds == []
    by_people = [
        entry for entry in leaks(harness, logged(capfd, caplog), BEN_TOKEN) if "my token is" not in entry
    ]
    assert by_people == []
    assert harness.slack.violations == []


async def test_a_word_that_only_resembles_a_token_is_accepted(harness: BotHarness) -> None:
    await harness.connect("anna")
    for branch in ("bitpat_x", "feature/bitpat_rotation_docs", "fix-bitwat_login-page"):
        await harness.ask(f"/bitrise builds android branch:{branch}", "newest first")
    await harness.ask("/bitrise use 0123456789abcdef0123", "No app named")


async def test_people_of_other_companies_are_not_offered_to_link_an_account(harness: BotHarness) -> None:
    change_user(harness, home="T0ELSEWHERE")
    post = await harness.ask(f"/bitrise {BEN_TOKEN}", REVOKE.format("Bitrise"), person="ben")
    assert post.only_for == "U0BEN"
    assert "connect" not in harness.message_text(post)
    assert "Connect account" not in harness.message_text(post)
