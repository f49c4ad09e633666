"""The wheel in an empty environment: it contains everything that the program needs."""

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
class InstalledWheel:
    """A virtual environment with only the wheel and its requirements."""

    folder: Path
    wheel: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    async def run(self, *arguments: str | Path) -> tuple[int, str]:
        """Run a program of the environment in the environment's folder; returns its exit code and output."""
        process = await asyncio.create_subprocess_exec(
            self.folder / "bin" / arguments[0],
            *arguments[1:],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "COLUMNS": "200"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> InstalledWheel:
    """Build as for a release (source archive, then the wheel from it), and install without a package index."""
    build_folder = tmp_path_factory.mktemp("built")
    build(ROOT, "sdist", build_folder)
    [archive] = build_folder.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(build_folder, filter="data")
    build(build_folder / archive.name.removesuffix(".tar.gz"), "wheel", build_folder)
    [wheel] = build_folder.glob("*.whl")
    folder = tmp_path_factory.mktemp("empty")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "--disable-pip-version-check")
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", wheel], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    for required in find_requirements(wheel):
        link(required, packages)
    return InstalledWheel(folder, wheel)


def build(source: Path, kind: str, folder: Path) -> None:
    """Build with the backend of pyproject.toml, without downloading it."""
    command = (sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder)
    subprocess.run(command, cwd=source, check=True, capture_output=True)


def find_requirements(wheel: Path) -> Iterator[Distribution]:
    """Return the requirements of the wheel with its extra `sandbox`, and their requirements."""
    with zipfile.ZipFile(wheel) as file:
        [metadata] = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        lines = file.read(metadata).decode().partition("\n\n")[0].splitlines()
    requirements = [
        line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")
    ]
    remaining = [(Requirement(line), frozenset({"", "sandbox"})) for line in requirements]
    seen = set[tuple[str, frozenset[str]]]()
    while remaining:
        requirement, extras = remaining.pop()
        marker = requirement.marker
        wanted = marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if not wanted or key in seen:
            continue
        seen.add(key)
        found = distribution(requirement.name)
        yield found
        remaining += [(Requirement(require), frozenset({"", *key[1]})) for require in found.requires or ()]


def link(distribution: Distribution, packages: Path) -> None:
    """Link a distribution of this environment into another one."""
    for name in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
        target = packages / name
        if not target.exists():
            target.symlink_to(Path(str(distribution.locate_file(name))))


async def test_the_wheel_contains_every_file_of_its_packages_and_the_manifest(
    installed: InstalledWheel,
) -> None:
    with zipfile.ZipFile(installed.wheel) as file:
        names = set(file.namelist())
    files = {
        str(path.relative_to(ROOT))
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert files | {"bot/manifest.yml"} == {name for name in names if ".dist-info/" not in name}
    code, output = await installed.run(
        "python", "-c", "import bot, sys; print(bot.__file__, *sys.path, sep='\\n')"
    )
    assert code == 0, output
    assert output.startswith(str(installed.folder.resolve()))
    assert str(ROOT) not in output.splitlines()


async def test_each_command_that_needs_a_file_finds_it_in_the_wheel(installed: InstalledWheel) -> None:
    code, output = await installed.run("buildbell", "manifest", "--url", "https://bot.example.com")
    assert code == 0, output
    assert yaml.safe_load(output) == http_manifest("https://bot.example.com")
    code, output = await installed.run("buildbell", "run")
    assert (code, output.count("\n")) == (2, 1), output
    assert "set SLACK_BOT_TOKEN" in output
    code, output = await installed.run("buildbell", "help", "--write")
    assert (code, output.count("\n")) == (2, 1), output
    assert "in a checkout" in output


async def test_the_story_succeeds_with_the_installed_bot_and_simulators(
    installed: InstalledWheel,
) -> None:
    """`buildbell sandbox --story`, whose bot is `buildbell run` of the same environment."""
    code, output = await installed.run("buildbell", "sandbox", "--story")
    assert code == 0, output
    assert "passed without violations of the rules of Slack" in output
