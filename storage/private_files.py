"""The database's files are their owner's alone: made so, and mended where an older version left them open."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_OTHERS = 0o077
# What a file system puts into the folder that is mounted.
_NOBODYS = frozenset({"lost+found"})

log = logging.getLogger(__name__)


def make_folder(path: Path) -> None:
    """Make the folder that the database is to lie in; one that is made is its owner's alone."""
    path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def make_file(path: Path) -> None:
    """Make the file where it is missing, before SQLite does so for everybody to read.

    What SQLite makes beside it gets the same mode (sqlite.org, "Write-Ahead Logging").
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))


def restrict_modes(path: Path) -> None:
    """Take the database's files, and a folder that holds nothing else, away from everybody but their owner.

    What can't be changed is said and left: in a container the volume may be somebody else's.
    """
    mended, left = [], []
    for one in open_to_others(path):
        mode = FOLDER_MODE if one.is_dir() else FILE_MODE
        try:
            one.chmod(mode)
        except OSError as problem:
            left.append(f"{one} ({problem.strerror})")
        else:
            mended.append(str(one))
    if mended:
        log.info("database.made_private %s", ", ".join(mended))
    if left:
        log.warning("database.open_to_others: can't change the mode of %s", ", ".join(left))
    if (folder := shared_folder(path)) is not None:
        log.warning(
            "database.folder_open_to_others: others can look into %s; give the database a folder of its own",
            folder,
        )


def open_to_others(path: Path) -> list[Path]:
    """The database's files that others may read or write, and its folder if it is one of its own."""
    found = [one for one in _files_of(path) if _is_open(one)]
    folder = path.resolve().parent
    return [*found, *([folder] if _is_ours_alone(path) and _is_open(folder) else [])]


def shared_folder(path: Path) -> Path | None:
    """The folder, where others may look into it and it is not for the bot to change that."""
    folder = path.resolve().parent
    return folder if folder.is_dir() and _is_open(folder) and not _is_ours_alone(path) else None


def give_to_owner(file: int, path: Path) -> None:
    """Let a file that an operator's root has made belong to whom the bot runs as, who needs it."""
    if os.geteuid() == 0:
        there = (path if path.exists() else path.parent).stat()
        os.fchown(file, there.st_uid, there.st_gid)


def _files_of(path: Path) -> Iterator[Path]:
    path = path.resolve()
    if path.parent.is_dir():
        for one in sorted(path.parent.iterdir()):
            if _is_of_database(one.name, path.name) and stat.S_ISREG(one.lstat().st_mode):
                yield one


def _is_of_database(name: str, database: str) -> bool:
    beside = ("-wal", "-shm", "-journal", ".lock", ".beside")
    hidden = (f".{database}.restore-", f".{database}.backup-")
    return (
        name == database
        or name in {database + one for one in beside}
        or name.startswith((f"{database}.before-restore-", *hidden))
    )


def _is_ours_alone(path: Path) -> bool:
    path = path.resolve()
    if not path.parent.is_dir() or path.parent == Path.home():
        return False
    folder = path.parent.stat()
    # Neither somebody else's, nor everybody's as /tmp is, nor one that a group was given on purpose.
    if folder.st_uid != os.geteuid() or folder.st_mode & (stat.S_ISVTX | stat.S_ISGID):
        return False
    return all(_is_of_database(one.name, path.name) or one.name in _NOBODYS for one in path.parent.iterdir())


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except FileNotFoundError:
        return False  # a log that SQLite has just taken away
