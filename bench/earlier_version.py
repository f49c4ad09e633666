"""An earlier commit with a virtual environment of its own, made once and kept in `.bench/`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEPT = ROOT / ".bench"
# The process replaces itself with the Python of that version, which finds the code there.
_RUN = "import os, sys; os.environ['PYTHONPATH'] = sys.argv[1]; os.execv(sys.argv[2], sys.argv[2:])"


class VersionNotAvailable(Exception):
    """The commit can't be run here; the message says why."""


@dataclass(frozen=True)
class EarlierVersion:
    """The source of a commit, and the Python that has the packages of its lock."""

    source: Path
    python: Path

    @property
    def program(self) -> tuple[str, ...]:
        """The arguments with which a Python becomes `buildbell run` of this version, in the same process."""
        return ("-c", _RUN, str(self.source), str(self.python), "-m", "bot", "run")


def prepare_version(commit: str) -> EarlierVersion:
    """Unpack the commit and install its lock, unless that was done before. Raises VersionNotAvailable."""
    folder = KEPT / commit
    version = EarlierVersion(folder / "source", folder / "venv" / "bin" / "python")
    is_complete = folder / "complete"
    if is_complete.exists():
        return version
    shutil.rmtree(folder, ignore_errors=True)
    version.source.mkdir(parents=True)
    archive = _run("git", "-C", str(ROOT), "archive", commit, step="reading it from the git history")
    with tarfile.open(fileobj=BytesIO(archive)) as tree:
        tree.extractall(version.source, filter="data")
    _run(sys.executable, "-m", "venv", str(folder / "venv"), step="making its virtual environment")
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r")
    lock = str(version.source / "requirements.lock")
    _run(str(version.python), *install, lock, step="installing its packages")
    is_complete.touch()
    return version


def _run(*command: str, step: str) -> bytes:
    """Return the output of the command. Raises VersionNotAvailable."""
    try:
        return subprocess.run(command, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as problem:
        output = (
            problem.stderr.decode(errors="replace")
            if isinstance(problem, subprocess.CalledProcessError)
            else ""
        )
        reason = (output.strip().splitlines() or [type(problem).__name__])[-1]
        raise VersionNotAvailable(f"{step} failed ({reason[:200]})") from problem
