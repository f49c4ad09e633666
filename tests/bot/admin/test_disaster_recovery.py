"""The disaster drill: a backup while builds end, a disaster, a restore, and everything works again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.bitrise.state import Build
from storage.database import DatabaseDamaged
from storage.database_url import sqlite_path
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.forked_process import run_forked


async def run_operator_command(harness: BotHarness, *arguments: str) -> str:
    """Run an operator's command beside the bot, with its settings."""
    settings = {name.upper(): value for name, value in harness.settings().items()}
    code, output = await run_forked(*arguments, **settings)
    assert code == 0, output
    return output


def database_path(harness: BotHarness) -> Path:
    return Path(sqlite_path(harness.settings()["database_url"]))


async def finish_build(harness: BotHarness, build: Build, result: str = "success") -> None:
    """Finish the build, and wait for its notifications in both channels."""
    harness.bitrise.finish(build, result)  # type: ignore[arg-type]
    await wait_for_notifications(harness, build)


async def wait_for_notifications(harness: BotHarness, build: Build) -> None:
    await harness.wait_for_message(f"#{build.number} ", person=None)
    await harness.wait_for_message(f"#{build.number} ", person=None, channel="random")


def count_notifications(harness: BotHarness, build: Build) -> tuple[int, int]:
    """Return how many notifications of the build each channel got."""
    output = f"Sample Android #{build.number} "
    return len(harness.messages_with(output)), len(harness.messages_with(output, "random"))


def overwrite_a_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-8192:-4096] = b"\x5a" * 4096
    path.write_bytes(content)


async def run_until_disaster(harness: BotHarness, backup: Path) -> list[Build]:
    """Make a backup, with builds that end before, during and after it, and some that still run."""
    await harness.connect("anna", "ben")
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise subscribe android", "subscribed", person="ben", channel="random")
    builds = [harness.bitrise.start_build(harness.bitrise.android, ends_as=None) for _ in range(6)]
    await finish_build(harness, builds[0])
    harness.bitrise.finish(builds[1])  # this build ends during the backup
    output = await run_operator_command(harness, "backup", str(backup))
    assert "checked, SHA-256 " in output
    assert "accounts 2" in output
    await wait_for_notifications(harness, builds[1])
    await finish_build(harness, builds[2], "error")
    builds.append(harness.bitrise.start_build(harness.bitrise.android, ends_as=None))
    await finish_build(harness, builds[6])
    await harness.ask("/bitrise abort android #4 not needed", "anna aborted Sample Android #4")
    await harness.wait_for_message("#4 was aborted", person=None, channel="random")
    await harness.stop_bot()
    return builds


async def damage_database(harness: BotHarness, backup: Path) -> None:
    overwrite_a_page(database_path(harness))
    with pytest.raises(DatabaseDamaged, match=r"is damaged .* restore a backup"):
        await harness.start_bot()
    settings = {name.upper(): value for name, value in harness.settings().items()}
    code, output = await run_forked("backup", str(backup.with_name("second.db")), **settings)
    assert (code, output.count("\n")) == (1, 1)
    assert "is damaged" in output


async def assert_everything_works(harness: BotHarness, builds: list[Build]) -> None:
    """Assert that Anna's token works, that running and new builds are notified, and that the audit log is valid."""
    await harness.start_bot()
    await finish_build(harness, builds[4])
    await harness.ask("/bitrise abort android #6 after the restore", "anna aborted Sample Android #6")
    await harness.wait_for_message("#6 was aborted", person=None, channel="random")
    aborting = [request.member for request in harness.bitrise.requests if request.path.endswith("/abort")]
    assert aborting == ["anna-berg", "anna-berg"]
    builds.append(harness.bitrise.start_build(harness.bitrise.android, ends_as=None))
    await finish_build(harness, builds[7], "error")
    await harness.wait_for_poll()
    for build in (builds[4], builds[7]):
        assert count_notifications(harness, build) == (1, 1)
    assert "ok: " in (output := await run_operator_command(harness, "audit", "--verify"))
    assert "its end is sealed" in output
    entries = [
        json.loads(line) for line in (await run_operator_command(harness, "audit", "--export")).splitlines()
    ]
    assert [entry["seq"] for entry in entries] == [*range(1, len(entries) + 1)]
    assert "after the restore" in [entry.get("reason") for entry in entries]
    assert harness.slack.violations == []


async def test_after_a_restore_notifications_since_the_backup_are_sent_again(
    tmp_path: Path,
) -> None:
    async with bot_harness(tmp_path, service_token_acts="0") as harness:
        builds = await run_until_disaster(harness, tmp_path / "backup.db")
        await damage_database(harness, tmp_path / "backup.db")
        output = await run_operator_command(harness, "restore", str(tmp_path / "backup.db"), "--yes")
        assert "Notifications that were sent after the backup will be sent again." in output
        await assert_everything_works(harness, builds)
        # No notification is missing; only those sent after the backup are repeated.
        assert count_notifications(harness, builds[0]) == (1, 1)
        for build in (builds[2], builds[6]):
            assert count_notifications(harness, build) == (2, 2)


async def test_a_restore_that_forgets_pending_notifications_repeats_none(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, service_token_acts="0") as harness:
        builds = await run_until_disaster(harness, tmp_path / "backup.db")
        before = {build.slug: count_notifications(harness, build) for build in builds}
        await damage_database(harness, tmp_path / "backup.db")
        output = await run_operator_command(
            harness, "restore", str(tmp_path / "backup.db"), "--forget-owed", "--yes"
        )
        assert "Polling starts from the current state" in output
        while_down = harness.bitrise.start_build(harness.bitrise.android, ends_as=None)
        harness.bitrise.finish(while_down)
        await assert_everything_works(harness, builds)
        assert count_notifications(harness, while_down) == (1, 1)
        still_ran = {builds[4].slug, builds[5].slug, builds[7].slug}
        for build in builds:
            if build.slug not in still_ran:
                assert count_notifications(harness, build) == before[build.slug]
