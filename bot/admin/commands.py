"""Operator commands. They work while the bot runs, except `restore`, `copy-database`, and `migrate` of a file."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Self, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from bot import logging_setup
from bot.admin.audit_check import AuditCheck, count_noun
from bot.admin.cli_errors import DATA_ERROR, USAGE_ERROR, err, report_errors, require_confirmation, stop
from bot.data_settings import DataSettings
from bot.providers_setup import SPECS, connect_provider
from bot.settings import Settings
from domain.build import App
from domain.credentials import FixedToken
from domain.redaction.redactor import redact
from domain.slack_ids import is_slack_id
from providers.http.transport import HttpTransport
from storage.audit_log import records_of, seal_chains, teams_with_chains
from storage.backup import back_up, restore
from storage.connection import Connection
from storage.database import Database, DatabaseDamaged, DatabaseProblem
from storage.database_url import (
    find_url_problem,
    is_postgres,
    migrate_database,
    open_shared_database,
    sqlite_path,
)
from storage.encryption import SecretBox
from storage.key_rotation import rotate_key
from storage.personal_data import erase_everywhere, export_person
from storage.watch_reset import WatchBaseline, reset_watching, watched_apps


async def read_baseline(settings: Settings, apps: Sequence[App]) -> WatchBaseline:
    """Read the builds of each app; skip apps that the token can't access. Raises ProviderError."""
    baseline = WatchBaseline()
    async with HttpTransport() as http:
        for spec in SPECS:
            connection = connect_provider(spec, settings, http, clock=lambda: datetime.now(UTC))
            token = connection.config.token
            if token is None or connection.read_baseline is None:
                continue
            provider_baseline = await connection.read_baseline(
                connection.make_client(FixedToken(token)),
                [app for app in apps if app.provider is spec.provider],
            )
            baseline = WatchBaseline(
                {**baseline.builds, **provider_baseline.builds},
                [*baseline.requests, *provider_baseline.requests],
            )
    return baseline


T = TypeVar("T")

Team = Annotated[str, typer.Argument(help="Slack ID of the workspace, T….", metavar="TEAM")]
User = Annotated[str, typer.Argument(help="Slack ID of the user, U….", metavar="USER")]
Yes = Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")]


WAL_NOT_EMPTIED = (
    "Some of the old data is still in the write-ahead log beside the database, because another program is"
    " reading it: stop that program, or run the same command again later."
)

TRACES_IN_POSTGRES = (
    "PostgreSQL overwrites the space of the old data only gradually (VACUUM FULL rewrites the tables), and its"
    " write-ahead log and backups still have it."
)

BACKUP_OF_POSTGRES = (
    "this command copies SQLite files. Back up PostgreSQL with: pg_dump --format=custom --file=FILE"
    ' "$DATABASE_URL"'
)
RESTORE_OF_POSTGRES = (
    "this command restores SQLite files. Stop the bot, and restore PostgreSQL with: pg_restore --clean --if-exists"
    ' --dbname="$DATABASE_URL" FILE'
)


def register(cli: typer.Typer) -> None:
    """Add the commands to the program."""
    cli.command(name="migrate")(migrate)
    cli.command(name="new-key")(new_key)
    cli.command(name="rotate-key")(rotate_encryption_key)
    cli.command(name="audit")(audit)
    cli.command(name="export-user")(export_user)
    cli.command(name="erase-user")(erase_user)
    cli.command(name="backup")(make_backup)
    cli.command(name="restore")(restore_backup)
    cli.command(name="copy-database")(copy_into_postgres)


def migrate() -> None:
    """Bring the database up to date. On PostgreSQL, bots of the previous release can keep running."""
    with report_errors():
        settings = DataSettings()
        logging_setup.configure("warning")
        asyncio.run(migrate_database(settings.database_url))
    typer.echo("The database is up to date.")


def new_key() -> None:
    """Print a new key for BUILDBELL_SECRET_KEY."""
    typer.echo(secrets.token_urlsafe(32))


def rotate_encryption_key() -> None:
    """Encrypt everything again with the first key of BUILDBELL_SECRET_KEY="NEW,OLD"; then OLD can be removed."""
    with report_errors():
        settings = DataSettings()
        vault = _require_secret_box(
            settings, 'set BUILDBELL_SECRET_KEY to "NEW,OLD"; `buildbell new-key` prints a new key.'
        )
        result, rewritten = _with_database(
            settings, lambda database: _write_and_rewrite_file(database, lambda db: rotate_key(db, vault))
        )
    _report_traces(settings, rewritten=rewritten, changed=not result.nothing)
    if result.nothing:
        typer.echo("Nothing left to do: everything uses the first key. You can remove the others.")
        return
    counts = {
        "account": result.accounts,
        "installation": result.installations,
        "pending action": result.proposals,
        "sign-in": result.sign_ins,
        "audit end": result.audit_ends,
        "audit register": result.audit_register,
    }
    typer.echo(f"Encrypted again: {', '.join(count_noun(count, noun) for noun, count in counts.items())}.")
    if result.buttons:
        typer.echo(f"Signed again: the buttons of {count_noun(result.buttons, 'pending action')}.")
    typer.echo("Now remove the other keys from BUILDBELL_SECRET_KEY and restart the bot.")


def audit(
    team: Annotated[str | None, typer.Option(help="Only this workspace.", metavar="TEAM")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that nothing was changed (default).")
    ] = False,
    expect: Annotated[
        str | None,
        typer.Option(help="Check that an entry has this hash, noted earlier.", metavar="HASH"),
    ] = None,
    anchor: Annotated[
        list[Path] | None,
        typer.Option(
            help="File with the lines of AUDIT_ANCHOR; repeat for several, oldest first.", metavar="FILE"
        ),
    ] = None,
    export: Annotated[bool, typer.Option("--export", help="Print every entry as a line of JSON.")] = False,
    seal: Annotated[
        bool, typer.Option("--seal", help="Seal entries that were written before a key was set.")
    ] = False,
) -> None:
    """Check the audit log, export it, or seal entries that were written before a key was set."""
    if (verify or expect is not None or bool(anchor)) + export + seal > 1:
        stop("use only one of --verify, --export and --seal.", USAGE_ERROR)
    if team is not None:
        _check_ids(TEAM=team)
    if expect is not None and not re.fullmatch(r"[0-9a-f]{64}", expect):
        stop(f"--expect: {expect[:80]!r} is not a hash; a hash has 64 digits from 0 to f.", USAGE_ERROR)
    with report_errors():
        settings = DataSettings()
        if export:
            _with_database(settings, lambda database: database.read(lambda db: _print_entries(db, team)))
        elif seal:
            vault = _require_secret_box(settings, "set BUILDBELL_SECRET_KEY: sealing needs a key.")
            sealed = _with_database(
                settings, lambda database: database.write(lambda db: seal_chains(db, vault))
            )
            typer.echo(
                f"Sealed: {count_noun(sealed, 'audit end')}." if sealed else "Everything is sealed already."
            )
        else:
            check = AuditCheck(settings.secret_box(), settings.audit_anchor, anchor or [])
            passed = _with_database(
                settings, lambda database: database.read(lambda db: check.run(db, team, expect))
            )
            sys.exit(0 if passed else DATA_ERROR)


def export_user(team: Team, user: User) -> None:
    """Print all stored data about a user as JSON, except tokens."""
    _check_ids(TEAM=team, USER=user)
    with report_errors():
        settings = DataSettings()
        data = _with_database(
            settings, lambda database: database.read(lambda db: export_person(db, team, user))
        )
        typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def erase_user(team: Team, user: User, yes: Yes = False) -> None:
    """Erase a user: delete their data, and remove their name from data that others need."""
    _check_ids(TEAM=team, USER=user)
    require_confirmation(f"Erase everything about {user} in workspace {team}? This can't be undone.", yes=yes)
    with report_errors():
        settings = DataSettings()
        vault, now = settings.secret_box(), datetime.now(UTC)
        result, rewritten = _with_database(
            settings,
            lambda database: _write_and_rewrite_file(
                database, lambda db: erase_everywhere(db, team, user, vault, now)
            ),
        )
    _report_traces(settings, rewritten=rewritten, changed=not result.nothing)
    if result.nothing:
        typer.echo(f"No data about {user} in workspace {team}.")
        return
    typer.echo(f"Deleted: {_format_row_counts(result.deleted)}.")
    typer.echo(f"Anonymized: {_format_row_counts(result.blanked)}.")
    typer.echo(f"Erased from the audit log: {count_noun(result.entries, 'entry', 'entries')}.")


def make_backup(
    file: Annotated[Path, typer.Argument(help="File to write; must not exist.", metavar="FILE")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Copy the database while the bot runs, check the copy, and print its contents by table."""
    with report_errors():
        saved = back_up(_require_file(DataSettings(), BACKUP_OF_POSTGRES), file, overwrite=force)
    typer.echo(f"Saved {saved.path}: {saved.size:,} bytes, checked, SHA-256 {saved.sha256}.")
    typer.echo(f"Rows: {_format_row_counts(saved.rows)}.")


def restore_backup(
    file: Annotated[Path, typer.Argument(help="Backup to restore.", metavar="FILE")],
    forget_owed: Annotated[
        bool,
        typer.Option(
            "--forget-owed",
            help="Send no notifications about builds that have already finished, so that none is sent twice.",
        ),
    ] = False,
    yes: Yes = False,
) -> None:
    """Replace the database with a backup. Stop the bot first; the old database is saved next to it."""
    with report_errors():
        settings, now = DataSettings(), datetime.now(UTC)
        path = _require_file(settings, RESTORE_OF_POSTGRES)
        if forget_owed:
            Settings()  # report missing settings before asking for confirmation
        logging_setup.configure("error")
        if path.exists():
            require_confirmation(
                f"Replace {path} with {file}? The current database is saved next to it.", yes=yes
            )

        def reset_polling(db: Connection) -> int:
            return reset_watching(db, asyncio.run(read_baseline(Settings(), watched_apps(db))), now)

        anchor_fingerprint = settings.audit_anchor.fingerprint if settings.audit_anchor is not None else ""
        result = restore(
            file,
            path,
            at=now,
            vault=settings.secret_box(),
            anchor=anchor_fingerprint,
            forget=reset_polling if forget_owed else None,
        )
    typer.echo(f"Restored {path} from {file}. Rows: {_format_row_counts(result.rows)}.")
    if result.steps:
        typer.echo(f"Migrated: {', '.join(sorted(result.steps))}.")
    if result.kept is not None:
        typer.echo(f"The previous database is {result.kept}.")
    if result.forgotten is None:
        typer.echo("Notifications that were sent after the backup will be sent again.")
    else:
        typer.echo(
            f"Dropped: {count_noun(result.forgotten, 'notification')}. Polling starts from the current state."
        )


def copy_into_postgres(
    source: Annotated[
        str, typer.Argument(help="SQLite file, or its URL sqlite:///…; it is only read.", metavar="FROM")
    ],
    target: Annotated[
        str,
        typer.Argument(
            help="URL of an empty PostgreSQL database; its password may be in PGPASSWORD or ~/.pgpass.",
            metavar="TO",
        ),
    ],
) -> None:
    """Copy an SQLite file into PostgreSQL, and compare every row. Stop the bot first; if killed, run it again."""
    if is_postgres(source):
        stop(
            "FROM: must be an SQLite file. There is no way back from PostgreSQL to a file; back up PostgreSQL with"
            " pg_dump.",
            USAGE_ERROR,
        )
    if not is_postgres(target):
        stop(
            "TO: must be a PostgreSQL database: postgresql://user@host/database. To copy a file to a file, use"
            " `buildbell backup`.",
            USAGE_ERROR,
        )
    if (problem := find_url_problem(target)) is not None:
        stop(f"TO: {problem}.", USAGE_ERROR)
    from storage.database_copy import CopyFailed, copy_database  # noqa: PLC0415 - it needs PostgreSQL's driver

    with report_errors(), _CopyProgress() as progress:
        try:
            result = copy_database(Path(sqlite_path(source)), target, progress.show)
        except CopyFailed as problem:
            stop(str(problem), DATA_ERROR)
        except DatabaseDamaged:
            raise
        except DatabaseProblem as problem:
            stop(str(problem).replace("DATABASE_URL", "TO"), USAGE_ERROR)
    if result.was_complete:
        typer.echo("Nothing to do: every row is there already.")
        return
    typer.echo(f"Copied and compared: {_format_row_counts(result.rows)}.")
    if result.from_before:
        typer.echo(f"Copied before, and compared again: {', '.join(sorted(result.from_before))}.")
    if result.changed_rows:
        changed = _format_row_counts(result.changed_rows)
        typer.echo(f"NUL characters, which PostgreSQL can't store, were removed from rows: {changed}.")
    typer.echo(
        "Now set DATABASE_URL to the PostgreSQL database, and start the bot. Don't start a bot with the file again."
    )


class _CopyProgress:
    """The current table and its rows, on a terminal only."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=err, transient=True,
            disable=not err.is_terminal,
        )  # fmt: skip
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, table: str, total: int, copied: int) -> None:
        """Show how many rows of the table are copied."""
        if table not in self._tasks:
            self._tasks[table] = self._bar.add_task(table, total=total)
        self._bar.update(self._tasks[table], completed=copied)


def _print_entries(db: Connection, team: str | None) -> None:
    for workspace in teams_with_chains(db) if team is None else [team]:
        for record in records_of(db, workspace):
            sys.stdout.write(json.dumps({"team": workspace, **record.as_json()}, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _with_database(settings: DataSettings, work: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        database = await open_shared_database(settings.database_url)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


async def _write_and_rewrite_file(database: Database, work: Callable[[Connection], T]) -> tuple[T, bool]:
    """Do the work, then rewrite the file; return the result, and whether all old data is gone from the files."""
    result = await database.write(work)
    return result, await database.rewrite()


def _report_traces(settings: DataSettings, *, rewritten: bool, changed: bool) -> None:
    """Say where deleted data still is; `rewritten`: not in the file any more."""
    if settings.database_path is None:
        if changed:
            typer.echo(TRACES_IN_POSTGRES)
    elif not rewritten:
        typer.echo(WAL_NOT_EMPTIED)


def _require_file(settings: DataSettings, instead: str) -> Path:
    if settings.database_path is None:
        stop(instead, USAGE_ERROR)
    return settings.database_path


def _require_secret_box(settings: DataSettings, message: str) -> SecretBox:
    vault = settings.secret_box()
    if vault is None:
        stop(message, USAGE_ERROR)
    return vault


def _check_ids(**ids: str) -> None:
    for name, value in ids.items():
        if not is_slack_id(value):
            stop(
                f"{name}: {redact(value)!r} is not a Slack ID; IDs look like T024BE7LH and U024BE7LH.",
                USAGE_ERROR,
            )


def _format_row_counts(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{table} {count:,}" for table, count in rows.items() if count) or "nothing"
