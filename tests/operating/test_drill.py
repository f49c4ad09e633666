"""The drill: a backup while builds end, a disaster, a restore, and everything goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.bitrise import Build
from storage import DatabaseDamaged
from tests.operating.forking import forked
from tests.town import Town, open_town


async def command(town: Town, *arguments: str) -> str:
    """Type one of the commands beside the bot, with its settings."""
    settings = {name.upper(): value for name, value in town.settings().items()}
    code, said = await forked(*arguments, **settings)
    assert code == 0, said
    return said


def database(town: Town) -> Path:
    return Path(town.settings()["database_url"])


async def ended(town: Town, build: Build, result: str = "success") -> None:
    """Let the build end, and wait until everybody who waits for it was told."""
    town.bitrise.finish(build, result)  # type: ignore[arg-type]
    await told(town, build)


async def told(town: Town, build: Build) -> None:
    await town.told(f"#{build.number} ", person=None)
    await town.told(f"#{build.number} ", person=None, channel="random")


def times(town: Town, build: Build) -> tuple[int, int]:
    """How often each channel was told of the build."""
    said = f"Sample Android #{build.number} "
    return len(town.telling(said)), len(town.telling(said, "random"))


def overwrite_a_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-8192:-4096] = b"\x5a" * 4096
    path.write_bytes(content)


async def before_the_disaster(town: Town, backup: Path) -> list[Build]:
    """A life with a backup in its midst: builds that ended before and after it, and one that still runs."""
    await town.connect("anna", "ben")
    await town.ask("/bitrise subscribe android", "subscribed")
    await town.ask("/bitrise subscribe android", "subscribed", person="ben", channel="random")
    builds = [town.bitrise.start_build(town.bitrise.android, ends_as=None) for _ in range(6)]
    await ended(town, builds[0])
    town.bitrise.finish(builds[1])  # this one ends in the midst of the backup
    said = await command(town, "backup", str(backup))
    assert "checked, SHA-256 " in said
    assert "accounts 2" in said
    await told(town, builds[1])
    await ended(town, builds[2], "error")
    builds.append(town.bitrise.start_build(town.bitrise.android, ends_as=None))
    await ended(town, builds[6])
    await town.ask("/bitrise abort android #4 not needed", "anna aborted Sample Android #4")
    await town.told("#4 was aborted", person=None, channel="random")
    await town.stop_bot()
    return builds


async def disaster(town: Town, backup: Path) -> None:
    overwrite_a_page(database(town))
    with pytest.raises(DatabaseDamaged, match=r"is damaged .* restore a backup"):
        await town.start_bot()
    settings = {name.upper(): value for name, value in town.settings().items()}
    code, said = await forked("backup", str(backup.with_name("second.db")), **settings)
    assert (code, said.count("\n")) == (1, 1)
    assert "is damaged" in said


async def everything_goes_on(town: Town, builds: list[Build]) -> None:
    """Anna's token opens, what still ran is told once it ends, and what comes next too; the audit log holds."""
    await town.start_bot()
    await ended(town, builds[4])
    await town.ask("/bitrise abort android #6 after the restore", "anna aborted Sample Android #6")
    await town.told("#6 was aborted", person=None, channel="random")
    aborting = [one.member for one in town.bitrise.requests if one.path.endswith("/abort")]
    assert aborting == ["anna-berg", "anna-berg"]
    builds.append(town.bitrise.start_build(town.bitrise.android, ends_as=None))
    await ended(town, builds[7], "error")
    await town.looked()
    for build in (builds[4], builds[7]):
        assert times(town, build) == (1, 1)
    assert "well: " in (said := await command(town, "audit", "--verify"))
    assert "its end is sealed" in said
    entries = [json.loads(line) for line in (await command(town, "audit", "--export")).splitlines()]
    assert [one["seq"] for one in entries] == [*range(1, len(entries) + 1)]
    assert "after the restore" in [one.get("reason") for one in entries]
    assert town.slack.violations == []


async def test_after_a_disaster_the_backup_goes_on_and_tells_again_what_it_does_not_know(
    tmp_path: Path,
) -> None:
    async with open_town(tmp_path, service_token_acts="0") as town:
        builds = await before_the_disaster(town, tmp_path / "backup.db")
        await disaster(town, tmp_path / "backup.db")
        said = await command(town, "restore", str(tmp_path / "backup.db"), "--yes")
        assert "What was told since the backup will be told again." in said
        await everything_goes_on(town, builds)
        # Nothing is left out; what is told twice is what the backup did not know as told.
        assert times(town, builds[0]) == (1, 1)
        for build in (builds[2], builds[6]):
            assert times(town, build) == (2, 2)


async def test_with_what_was_owed_forgotten_nothing_is_told_twice(tmp_path: Path) -> None:
    async with open_town(tmp_path, service_token_acts="0") as town:
        builds = await before_the_disaster(town, tmp_path / "backup.db")
        before = {build.slug: times(town, build) for build in builds}
        await disaster(town, tmp_path / "backup.db")
        said = await command(town, "restore", str(tmp_path / "backup.db"), "--forget-owed", "--yes")
        assert "apps are watched from now on" in said
        while_down = town.bitrise.start_build(town.bitrise.android, ends_as=None)
        town.bitrise.finish(while_down)
        await everything_goes_on(town, builds)
        assert times(town, while_down) == (1, 1)
        still_ran = {builds[4].slug, builds[5].slug, builds[7].slug}
        for build in builds:
            if build.slug not in still_ran:
                assert times(town, build) == before[build.slug]
