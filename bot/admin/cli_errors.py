"""Errors of the operator commands: one line on standard error, and an exit code."""

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

from bot.data_settings import EnvFileUnreadable
from bot.settings_errors import describe_errors
from domain.audit_chain import ChainBroken
from domain.provider_errors import ProviderError
from domain.redaction.redactor import redact
from storage.backup import BackupCorrupt, BackupProblem
from storage.database import DatabaseDamaged, DatabaseProblem
from storage.database_url import describe_server_error, server_errors
from storage.key_rotation import UndecryptableValue

# Exit codes: a problem with the data, or a command that was used wrongly.
DATA_ERROR, USAGE_ERROR = 1, 2
MAX_ROWS = 10

err = Console(stderr=True, highlight=False, soft_wrap=True)


class UsageError(Exception):
    """The command was used wrongly; the message says how to use it."""


@contextmanager
def report_errors() -> Iterator[None]:
    """Convert an error of an operator command into one line and an exit code."""
    try:
        yield
    except ValidationError as problem:
        stop(describe_errors(problem), USAGE_ERROR)
    except UndecryptableValue as problem:
        rows = "; ".join(problem.rows[:MAX_ROWS])
        more = f"; and {len(problem.rows) - MAX_ROWS} more" if len(problem.rows) > MAX_ROWS else ""
        stop(
            f"nothing was changed, because these can't be decrypted: {rows}{more}. Add the key that encrypted them at"
            " the end of BUILDBELL_SECRET_KEY, or ask the users to reconnect their accounts.",
            DATA_ERROR,
        )
    except ChainBroken as problem:
        stop(f"the audit log failed its check: {problem}. Nothing was changed.", DATA_ERROR)
    except (DatabaseDamaged, BackupCorrupt, ProviderError, sqlite3.Error) as problem:
        stop(str(problem), DATA_ERROR)
    except (UsageError, DatabaseProblem, BackupProblem, EnvFileUnreadable) as problem:
        stop(str(problem), USAGE_ERROR)
    except server_errors() as problem:
        stop(f"the database server reports: {describe_server_error(problem)}", DATA_ERROR)
    except BrokenPipeError:
        raise  # the program that reads the output, such as `head`, has ended
    except OSError as problem:
        stop(f"{problem.filename or 'a file'}: {problem.strerror or problem}.", USAGE_ERROR)


def stop(message: str, code: int) -> NoReturn:
    """Print the message as one line on standard error, and exit with the code."""
    err.print(f"[red]buildbell:[/] {escape(redact(' '.join(message.split())))}")
    sys.exit(code)


def require_confirmation(question: str, *, yes: bool) -> None:
    """Ask for confirmation unless `yes`; exit if the operator declines."""
    if yes:
        return
    try:
        confirmed = typer.confirm(question, err=True)
    except typer.Abort:
        err.print()
        confirmed = False
    if not confirmed:
        stop("nothing was done. Add --yes to skip the question.", USAGE_ERROR)
