"""The wheel, installed into an empty environment: it has everything that the program needs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bot.manifest import http_manifest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("bot", "handlers", "providers", "services", "storage", "messages", "domain", "sandbox")


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel and what the wheel requires, and nothing else."""

    folder: Path
    wheel: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    async def run(self, *arguments: str | Path) -> tuple[int, str]:
        """Run a program of the environment's in a folder of its own; returns its exit code and all that it said."""
        process = await asyncio.create_subprocess_exec(
            self.folder / "bin" / arguments[0],
            *arguments[1:],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "COLUMNS": "200"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build as a release is built (source archive, then the wheel from it), and install without any index."""
    built = tmp_path_factory.mktemp("built")
    build(ROOT, "sdist", built)
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(built, filter="data")
    build(built / archive.name.removesuffix(".tar.gz"), "wheel", built)
    [wheel] = built.glob("*.whl")
    folder = tmp_path_factory.mktemp("empty")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "--disable-pip-version-check")
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", wheel], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    for one in required_by(wheel):
        link(one, packages)
    return Installed(folder, wheel)


def build(source: Path, what: str, into: Path) -> None:
    """Build with the backend that pyproject.toml names, without asking anybody for it."""
    command = (sys.executable, "-m", "hatchling", "build", "-t", what, "-d", into)
    subprocess.run(command, cwd=source, check=True, capture_output=True)


def required_by(wheel: Path) -> Iterator[Distribution]:
    """What the wheel requires, with its extra `sandbox`, and what that requires in turn."""
    with zipfile.ZipFile(wheel) as file:
        [metadata] = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        lines = file.read(metadata).decode().partition("\n\n")[0].splitlines()
    begin = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    waiting = [(Requirement(one), frozenset({"", "sandbox"})) for one in begin]
    seen = set[tuple[str, frozenset[str]]]()
    while waiting:
        requirement, extras = waiting.pop()
        marker = requirement.marker
        wanted = marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if not wanted or key in seen:
            continue
        seen.add(key)
        found = distribution(requirement.name)
        yield found
        waiting += [(Requirement(one), frozenset({"", *key[1]})) for one in found.requires or ()]


def link(one: Distribution, packages: Path) -> None:
    """Put a distribution of this environment into another one."""
    for name in {file.parts[0] for file in one.files or ()} - {"..", "__pycache__"}:
        place = packages / name
        if not place.exists():
            place.symlink_to(Path(str(one.locate_file(name))))


async def test_the_wheel_has_every_file_of_its_packages_and_the_manifest(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as file:
        there = set(file.namelist())
    files = {
        str(path.relative_to(ROOT))
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert files | {"bot/manifest.yml"} == {name for name in there if ".dist-info/" not in name}
    code, said = await installed.run(
        "python", "-c", "import bot, sys; print(bot.__file__, *sys.path, sep='\\n')"
    )
    assert code == 0, said
    assert said.startswith(str(installed.folder.resolve()))
    assert str(ROOT) not in said.splitlines()


async def test_each_command_that_needs_a_file_finds_it_in_the_wheel(installed: Installed) -> None:
    code, said = await installed.run("buildbell", "manifest", "--url", "https://bot.example.com")
    assert code == 0, said
    assert yaml.safe_load(said) == http_manifest("https://bot.example.com")
    code, said = await installed.run("buildbell", "run")
    assert (code, said.count("\n")) == (2, 1), said
    assert "set SLACK_BOT_TOKEN" in said
    code, said = await installed.run("buildbell", "help", "--write")
    assert (code, said.count("\n")) == (2, 1), said
    assert "in a checkout" in said


async def test_a_whole_day_goes_as_it_should_with_the_installed_bot_and_simulators(
    installed: Installed,
) -> None:
    """`buildbell sandbox --story`, whose bot is `buildbell run` of the same environment."""
    code, said = await installed.run("buildbell", "sandbox", "--story")
    assert code == 0, said
    assert "without violations of the rules of Slack" in said
