"""The commands of `buildbell` that look after the data. Each works beside a running bot, but for `restore`."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import sqlite_utils
import typer

from bot import logging_setup
from bot.admin.audit_check import AuditCheck, counted
from bot.admin.cli_errors import MISUSED, NOT_WELL, make_sure, report_errors, stop
from bot.admin.poll_baseline import read_beginning
from bot.settings import DataSettings, Settings
from domain.redaction.redactor import redact
from domain.slack_ids import is_slack_id
from storage.audit_log import links_of, seal_chains, teams_with_chains
from storage.backup import back_up, restore
from storage.database import Database
from storage.encryption import SecretBox
from storage.key_rotation import rotate_key
from storage.personal_data import erase_everywhere, export_person
from storage.watch_reset import reset_watching, watched_apps

T = TypeVar("T")

Team = Annotated[str, typer.Argument(help="The workspace's id in Slack, T….", metavar="TEAM")]
User = Annotated[str, typer.Argument(help="The person's id in Slack, U….", metavar="USER")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


LOG_NOT_EMPTIED = (
    "Some of what was there before is still in the write-ahead log beside the database, since another program is"
    " reading it: end that one, or say the same command again later."
)


def register(cli: typer.Typer) -> None:
    """Add the commands to the program."""
    cli.command(name="new-key")(new_key)
    cli.command(name="rotate-key")(rotate)
    cli.command(name="audit")(audit)
    cli.command(name="export-user")(export_user)
    cli.command(name="erase-user")(erase_user)
    cli.command(name="backup")(make_backup)
    cli.command(name="restore")(put_back)


def new_key() -> None:
    """Print a new key for BUILDBELL_SECRET_KEY."""
    typer.echo(secrets.token_urlsafe(32))


def rotate() -> None:
    """Seal everything anew with the first key of BUILDBELL_SECRET_KEY="NEW,OLD", so that OLD can be left out."""
    with report_errors():
        settings = DataSettings()
        vault = _vault_of(
            settings, 'set BUILDBELL_SECRET_KEY to "NEW,OLD"; `buildbell new-key` prints a new one.'
        )
        done, traceless = _with_database(
            settings, lambda database: _without_trace(database, lambda db: rotate_key(db, vault))
        )
    if not traceless:
        typer.echo(LOG_NOT_EMPTIED)
    if done.nothing:
        typer.echo("Nothing is left to do: everything is under the first key. The others can be left out.")
        return
    counts = {
        "account": done.accounts,
        "installation": done.installations,
        "proposal": done.proposals,
        "sign-in": done.sign_ins,
        "audit end": done.audit_ends,
        "audit register": done.audit_register,
    }
    typer.echo(f"Sealed anew: {', '.join(counted(count, what) for what, count in counts.items())}.")
    if done.buttons:
        typer.echo(f"Buttons signed anew: those of {counted(done.buttons, 'open proposal')}.")
    typer.echo("Now the other keys can be left out of BUILDBELL_SECRET_KEY; then start the bot again.")


def audit(
    team: Annotated[str | None, typer.Option(help="Only this workspace's.", metavar="TEAM")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that nothing was changed (the default).")
    ] = False,
    expect: Annotated[
        str | None, typer.Option(help="A hash noted before: it must be one of the entries'.", metavar="HASH")
    ] = None,
    anchor: Annotated[
        list[Path] | None,
        typer.Option(help="A file with the lines of AUDIT_ANCHOR; more, the oldest first.", metavar="FILE"),
    ] = None,
    export: Annotated[bool, typer.Option("--export", help="Print every entry, a line of JSON each.")] = False,
    seal: Annotated[bool, typer.Option("--seal", help="Seal what is from before there was a key.")] = False,
) -> None:
    """Check the audit log; or export it, or seal what is from before there was a key."""
    if (verify or expect is not None or bool(anchor)) + export + seal > 1:
        stop("say one of --verify, --export and --seal.", MISUSED)
    if team is not None:
        _check_ids(TEAM=team)
    if expect is not None and not re.fullmatch(r"[0-9a-f]{64}", expect):
        stop(f"--expect: {expect[:80]!r} is no hash; they have 64 digits from 0 to f.", MISUSED)
    with report_errors():
        settings = DataSettings()
        if export:
            _with_database(settings, lambda database: database.read(lambda db: _print_entries(db, team)))
        elif seal:
            vault = _vault_of(
                settings, "set BUILDBELL_SECRET_KEY: without a key there is nothing to seal with."
            )
            sealed = _with_database(
                settings, lambda database: database.write(lambda db: seal_chains(db, vault))
            )
            typer.echo(
                f"Sealed: {counted(sealed, 'audit end')}." if sealed else "Every end has its seal already."
            )
        else:
            check = AuditCheck(settings.secret_box(), settings.audit_anchor, anchor or [])
            well = _with_database(
                settings, lambda database: database.read(lambda db: check.run(db, team, expect))
            )
            sys.exit(0 if well else NOT_WELL)


def export_user(team: Team, user: User) -> None:
    """Print everything that is held about a person, as JSON; tokens are left out."""
    _check_ids(TEAM=team, USER=user)
    with report_errors():
        settings = DataSettings()
        found = _with_database(
            settings, lambda database: database.read(lambda db: export_person(db, team, user))
        )
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))


def erase_user(team: Team, user: User, yes: Yes = False) -> None:
    """Erase a person: their account, settings and orders go, and what others need stays without them."""
    _check_ids(TEAM=team, USER=user)
    make_sure(f"Erase everything about {user} in workspace {team}? It can't be undone.", yes=yes)
    with report_errors():
        settings = DataSettings()
        vault, now = settings.secret_box(), datetime.now(UTC)
        done, traceless = _with_database(
            settings,
            lambda database: _without_trace(
                database, lambda db: erase_everywhere(db, team, user, vault, now)
            ),
        )
    if not traceless:
        typer.echo(LOG_NOT_EMPTIED)
    if done.nothing:
        typer.echo(f"Nothing was known of {user} in workspace {team}.")
        return
    typer.echo(f"Deleted: {_by_table(done.deleted)}.")
    typer.echo(f"Kept without them: {_by_table(done.blanked)}.")
    typer.echo(f"Erased from the audit log: {counted(done.entries, 'entry', 'entries')}.")


def make_backup(
    file: Annotated[Path, typer.Argument(help="Where to; a new file.", metavar="FILE")],
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Copy the database while the bot runs, check the copy, and say what is in it."""
    with report_errors():
        saved = back_up(Path(DataSettings().database_path), file, overwrite=force)
    typer.echo(f"Saved {saved.path}: {saved.size:,} bytes, checked, SHA-256 {saved.sha256}.")
    typer.echo(f"Rows: {_by_table(saved.rows)}.")


def put_back(
    file: Annotated[Path, typer.Argument(help="A backup.", metavar="FILE")],
    forget_owed: Annotated[
        bool, typer.Option("--forget-owed", help="Tell nothing of what ended by now: nothing is told twice.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Put a backup in the database's place; the bot must be stopped, and what was there is kept."""
    with report_errors():
        settings, now = DataSettings(), datetime.now(UTC)
        path = Path(settings.database_path)
        if forget_owed:
            Settings()  # whatever is missing is said before anything is asked
        logging_setup.configure("error")
        if path.exists():
            make_sure(f"Put {file} in the place of {path}? What is there now is kept beside it.", yes=yes)

        def forget(db: sqlite_utils.Database) -> int:
            return reset_watching(db, asyncio.run(read_beginning(Settings(), watched_apps(db))), now)

        name = settings.audit_anchor.fingerprint if settings.audit_anchor is not None else ""
        done = restore(
            file,
            path,
            at=now,
            vault=settings.secret_box(),
            anchor=name,
            forget=forget if forget_owed else None,
        )
    typer.echo(f"Restored {path} from {file}. Rows: {_by_table(done.rows)}.")
    if done.steps:
        typer.echo(f"It was brought up to date: {', '.join(sorted(done.steps))}.")
    if done.kept is not None:
        typer.echo(f"What was there before is {done.kept}.")
    if done.forgotten is None:
        typer.echo("What was told since the backup will be told again.")
    else:
        typer.echo(f"Forgotten: {counted(done.forgotten, 'notification')}; apps are watched from now on.")


def _print_entries(db: sqlite_utils.Database, team: str | None) -> None:
    for one in teams_with_chains(db) if team is None else [team]:
        for link in links_of(db, one):
            sys.stdout.write(json.dumps({"team": one, **link.as_json()}, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _with_database(settings: DataSettings, work: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        database = await Database.beside(settings.database_path)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


async def _without_trace(database: Database, work: Callable[[sqlite_utils.Database], T]) -> tuple[T, bool]:
    """Do the work, then write the file anew; returns also whether nothing stays of what was there before."""
    done = await database.write(work)
    return done, await database.rewrite()


def _vault_of(settings: DataSettings, cure: str) -> SecretBox:
    vault = settings.secret_box()
    if vault is None:
        stop(cure, MISUSED)
    return vault


def _check_ids(**ids: str) -> None:
    for what, given in ids.items():
        if not is_slack_id(given):
            stop(
                f"{what}: {redact(given)!r} is no id of Slack's; they look like T024BE7LH and U024BE7LH.",
                MISUSED,
            )


def _by_table(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{table} {count:,}" for table, count in rows.items() if count) or "nothing"
