"""The code of an earlier release, beside which today's bots have to work."""

from __future__ import annotations

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parents[2]
# There is no release yet in which several bots share a database: one of the first commits with that stands for it.
EARLIER_COMMIT = "07649602b236a901fc244d508cf97d06f90cc456"


def has_commit(commit: str) -> bool:
    """Return whether git's history is here, and has this commit."""
    try:
        found = subprocess.run(
            ["git", "cat-file", "-e", f"{commit}^{{commit}}"],
            cwd=ROOT, check=False, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return False
    return found.returncode == 0


def check_out(commit: str, folder: Path) -> Path:
    """Write the files of a commit into the folder. Raises subprocess.CalledProcessError."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder
