"""The drill: a backup while builds end, a disaster, a restore, and everything goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.bitrise.state import Build
from storage.database import DatabaseDamaged
from tests.bot.test_process import buildbell
from tests.support.bot_harness import BotHarness, bot_harness


async def command(harness: BotHarness, *arguments: str) -> str:
    """Type one of the commands beside the bot, with its settings."""
    settings = {name.upper(): value for name, value in harness.settings().items()}
    code, said = await buildbell(*arguments, **settings)
    assert code == 0, said
    return said


def database(harness: BotHarness) -> Path:
    return Path(harness.settings()["database_url"])


async def ended(harness: BotHarness, build: Build, result: str = "success") -> None:
    """Let the build end, and wait until everybody who waits for it was told."""
    harness.bitrise.finish(build, result)  # type: ignore[arg-type]
    await told(harness, build)


async def told(harness: BotHarness, build: Build) -> None:
    await harness.wait_for_message(f"#{build.number} ", person=None)
    await harness.wait_for_message(f"#{build.number} ", person=None, channel="random")


def times(harness: BotHarness, build: Build) -> tuple[int, int]:
    """How often each channel was told of the build."""
    said = f"Sample Android #{build.number} "
    return len(harness.messages_with(said)), len(harness.messages_with(said, "random"))


def overwrite_a_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-8192:-4096] = b"\x5a" * 4096
    path.write_bytes(content)


async def before_the_disaster(harness: BotHarness, backup: Path) -> list[Build]:
    """A life with a backup in its midst: builds that ended before and after it, and one that still runs."""
    await harness.connect("anna", "ben")
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise subscribe android", "subscribed", person="ben", channel="random")
    builds = [harness.bitrise.start_build(harness.bitrise.android, ends_as=None) for _ in range(6)]
    await ended(harness, builds[0])
    harness.bitrise.finish(builds[1])  # this one ends in the midst of the backup
    said = await command(harness, "backup", str(backup))
    assert "checked, SHA-256 " in said
    assert "accounts 2" in said
    await told(harness, builds[1])
    await ended(harness, builds[2], "error")
    builds.append(harness.bitrise.start_build(harness.bitrise.android, ends_as=None))
    await ended(harness, builds[6])
    await harness.ask("/bitrise abort android #4 not needed", "anna aborted Sample Android #4")
    await harness.wait_for_message("#4 was aborted", person=None, channel="random")
    await harness.stop_bot()
    return builds


async def disaster(harness: BotHarness, backup: Path) -> None:
    overwrite_a_page(database(harness))
    with pytest.raises(DatabaseDamaged, match=r"is damaged .* restore a backup"):
        await harness.start_bot()
    settings = {name.upper(): value for name, value in harness.settings().items()}
    code, said = await buildbell("backup", str(backup.with_name("second.db")), **settings)
    assert (code, said.count("\n")) == (1, 1)
    assert "is damaged" in said


async def everything_goes_on(harness: BotHarness, builds: list[Build]) -> None:
    """Anna's token opens, what still ran is told once it ends, and what comes next too; the audit log holds."""
    await harness.start_bot()
    await ended(harness, builds[4])
    await harness.ask("/bitrise abort android #6 after the restore", "anna aborted Sample Android #6")
    await harness.wait_for_message("#6 was aborted", person=None, channel="random")
    aborting = [one.member for one in harness.bitrise.requests if one.path.endswith("/abort")]
    assert aborting == ["anna-berg", "anna-berg"]
    builds.append(harness.bitrise.start_build(harness.bitrise.android, ends_as=None))
    await ended(harness, builds[7], "error")
    await harness.wait_for_poll()
    for build in (builds[4], builds[7]):
        assert times(harness, build) == (1, 1)
    assert "ok: " in (said := await command(harness, "audit", "--verify"))
    assert "its end is sealed" in said
    entries = [json.loads(line) for line in (await command(harness, "audit", "--export")).splitlines()]
    assert [one["seq"] for one in entries] == [*range(1, len(entries) + 1)]
    assert "after the restore" in [one.get("reason") for one in entries]
    assert harness.slack.violations == []


async def test_after_a_disaster_the_backup_goes_on_and_tells_again_what_it_does_not_know(
    tmp_path: Path,
) -> None:
    async with bot_harness(tmp_path, service_token_acts="0") as town:
        builds = await before_the_disaster(town, tmp_path / "backup.db")
        await disaster(town, tmp_path / "backup.db")
        said = await command(town, "restore", str(tmp_path / "backup.db"), "--yes")
        assert "Notifications that were sent after the backup will be sent again." in said
        await everything_goes_on(town, builds)
        # Nothing is left out; what is told twice is what the backup did not know as told.
        assert times(town, builds[0]) == (1, 1)
        for build in (builds[2], builds[6]):
            assert times(town, build) == (2, 2)


async def test_with_what_was_owed_forgotten_nothing_is_told_twice(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, service_token_acts="0") as town:
        builds = await before_the_disaster(town, tmp_path / "backup.db")
        before = {build.slug: times(town, build) for build in builds}
        await disaster(town, tmp_path / "backup.db")
        said = await command(town, "restore", str(tmp_path / "backup.db"), "--forget-owed", "--yes")
        assert "polling starts from the current state" in said
        while_down = town.bitrise.start_build(town.bitrise.android, ends_as=None)
        town.bitrise.finish(while_down)
        await everything_goes_on(town, builds)
        assert times(town, while_down) == (1, 1)
        still_ran = {builds[4].slug, builds[5].slug, builds[7].slug}
        for build in builds:
            if build.slug not in still_ran:
                assert times(town, build) == before[build.slug]
