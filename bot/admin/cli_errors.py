"""What every duty says to whoever typed it: one line for a problem, and a code that tells two kinds of them apart."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from bot.settings import EnvFileUnreadable, in_words
from domain.audit_log import ChainBroken
from domain.errors import ProviderError
from domain.redaction.redactor import redact
from storage.backup import BackupCorrupt, BackupProblem
from storage.database import DatabaseDamaged, DatabaseProblem
from storage.key_rotation import UndecryptableValue

# Something is not well with the data, as `buildbell doctor` says it; or the command can't be used so.
NOT_WELL, MISUSED = 1, 2
MOST_ROWS = 10

err = Console(stderr=True, highlight=False, soft_wrap=True)


class UsageError(Exception):
    """The command can't be used so; the sentence says how."""


@contextmanager
def report_errors() -> Iterator[None]:
    """Ends the program with one line for whatever can go wrong with a duty."""
    try:
        yield
    except ValidationError as problem:
        stop(in_words(problem), MISUSED)
    except UndecryptableValue as problem:
        rows = "; ".join(problem.rows[:MOST_ROWS])
        more = f"; and {len(problem.rows) - MOST_ROWS} more" if len(problem.rows) > MOST_ROWS else ""
        stop(
            f"nothing was changed, since not all can be opened: {rows}{more}. Put the key that sealed it behind the"
            " others in BUILDBELL_SECRET_KEY, or let people link their accounts anew.",
            NOT_WELL,
        )
    except ChainBroken as problem:
        stop(f"the audit log is not as it should be: {problem}. Nothing was changed.", NOT_WELL)
    except (DatabaseDamaged, BackupCorrupt, ProviderError, sqlite3.Error) as problem:
        stop(str(problem), NOT_WELL)
    except (UsageError, DatabaseProblem, BackupProblem, EnvFileUnreadable) as problem:
        stop(str(problem), MISUSED)
    except BrokenPipeError:
        raise  # whoever reads has enough
    except OSError as problem:
        stop(f"{problem.filename or 'a file'}: {problem.strerror or problem}.", MISUSED)


def stop(words: str, code: int) -> NoReturn:
    """End the program with this line."""
    err.print(f"[red]buildbell:[/] {escape(redact(' '.join(words.split())))}")
    sys.exit(code)


def make_sure(question: str, *, yes: bool) -> None:
    """Go on only if whoever typed the command wants it."""
    if yes:
        return
    try:
        wanted = typer.confirm(question, err=True)
    except typer.Abort:
        err.print()
        wanted = False
    if not wanted:
        stop("nothing was done. Say --yes to do it without being asked.", MISUSED)
