"""File modes of the database: only its owner has access. Files of older versions are corrected."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_OTHERS_MASK = 0o077
# File systems create this in the root of a mounted volume.
_SYSTEM_NAMES = frozenset({"lost+found"})

log = logging.getLogger(__name__)


def make_folder(path: Path) -> None:
    """Create the database's folder if necessary, accessible only to its owner."""
    path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def make_file(path: Path) -> None:
    """Create the file if necessary, before SQLite creates it readable for everybody.

    SQLite's other files get the same mode (sqlite.org, "Write-Ahead Logging").
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))


def restrict_modes(path: Path) -> None:
    """Remove other users' access to the database's files, and to its folder if it contains nothing else.

    If that fails, a warning is logged: in a container the volume may belong to another user.
    """
    changed, failed = [], []
    for file in open_to_others(path):
        mode = FOLDER_MODE if file.is_dir() else FILE_MODE
        try:
            file.chmod(mode)
        except OSError as problem:
            failed.append(f"{file} ({problem.strerror})")
        else:
            changed.append(str(file))
    if changed:
        log.info("database.made_private %s", ", ".join(changed))
    if failed:
        log.warning("database.open_to_others: can't change the mode of %s", ", ".join(failed))
    if (folder := shared_folder(path)) is not None:
        log.warning(
            "database.folder_open_to_others: other users can list %s; give the database its own folder",
            folder,
        )


def open_to_others(path: Path) -> list[Path]:
    """Return the database's files that other users can access, and its folder if it contains nothing else."""
    found = [file for file in _files_of(path) if _is_open(file)]
    folder = path.resolve().parent
    return [*found, *([folder] if _is_dedicated_folder(path) and _is_open(folder) else [])]


def shared_folder(path: Path) -> Path | None:
    """Return the folder if other users can access it and the bot must not change that; otherwise None."""
    folder = path.resolve().parent
    return folder if folder.is_dir() and _is_open(folder) and not _is_dedicated_folder(path) else None


def give_to_owner(file: int, path: Path) -> None:
    """Give a file that root has created for an operator to the bot's user."""
    if os.geteuid() == 0:
        owner = (path if path.exists() else path.parent).stat()
        os.fchown(file, owner.st_uid, owner.st_gid)


def _files_of(path: Path) -> Iterator[Path]:
    path = path.resolve()
    if path.parent.is_dir():
        for file in sorted(path.parent.iterdir()):
            if _is_of_database(file.name, path.name) and stat.S_ISREG(file.lstat().st_mode):
                yield file


def _is_of_database(name: str, database: str) -> bool:
    suffixes = ("-wal", "-shm", "-journal", ".lock", ".beside")
    temporary = (f".{database}.restore-", f".{database}.backup-")
    return (
        name == database
        or name in {database + suffix for suffix in suffixes}
        or name.startswith((f"{database}.before-restore-", *temporary))
    )


def _is_dedicated_folder(path: Path) -> bool:
    path = path.resolve()
    if not path.parent.is_dir() or path.parent == Path.home():
        return False
    folder = path.parent.stat()
    # Not if it belongs to another user, is shared as /tmp, or was deliberately given to a group.
    if folder.st_uid != os.geteuid() or folder.st_mode & (stat.S_ISVTX | stat.S_ISGID):
        return False
    return all(
        _is_of_database(file.name, path.name) or file.name in _SYSTEM_NAMES for file in path.parent.iterdir()
    )


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & _OTHERS_MASK)
    except FileNotFoundError:
        return False  # SQLite has just deleted this log
