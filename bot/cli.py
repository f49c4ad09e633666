"""Command line `buildbell`: run the bot, try it in the sandbox, check its setup, manage its data."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import structlog
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from bot import __version__, logging_setup
from bot.admin import commands
from bot.admin.cli_errors import USAGE_ERROR, stop
from bot.app import Application
from bot.data_settings import DataSettings, EnvFileUnreadable
from bot.docs_generator import help_table, write_pages
from bot.doctor.checks import run_checks
from bot.doctor.settings_checks import CheckedSettings, assigned_names, check_settings, find_misspelled_names
from bot.http_server import CannotServe
from bot.manifest import find_url_problem, http_manifest, manifest, to_yaml
from bot.providers_setup import SPECS
from bot.service_tokens import ServiceTokenRefused, WrongProviderUrl
from bot.settings import Settings
from bot.settings_errors import describe_errors
from domain.access_policy import InvalidAccessRule
from domain.redaction.redactor import redact
from services.jobs.audit_anchor import AnchorNotWritable
from services.provider_connection import Finding
from services.slack.web_client import TokenRefused
from storage.database import DatabaseProblem

log = structlog.get_logger()
cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
# Packages of the extra `sandbox`, and the simulators themselves. The image has none of them.
SANDBOX_PACKAGES = frozenset({"sandbox", "emoji", "markdown_it"})
CHECK_EVERYTHING = "Run `buildbell doctor` to check everything."
INSTALL_SANDBOX = "pip install 'buildbell[sandbox]', or `make sandbox` in a checkout."
MAX_PORT = 65_535
# At a higher speed a build ends before anyone can see it.
MAX_SPEED = 10_000
DEFAULT_SPEED = 10.0
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"buildbell {__version__}")
        raise typer.Exit


@cli.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """A Slack bot for Bitrise and Build.io."""
    del version


@cli.command()
def run() -> None:
    """Run the bot with settings from the environment and .env, until SIGTERM or Ctrl-C."""
    settings = _load_settings()
    logging_setup.configure(settings.log_level)
    for name, suggestion in _find_misspelled().items():
        log.warning("settings.unknown", name=name, meant=suggestion)
    # What was imported stays in memory. A collection that looked through all of it would stop the event loop for 70 ms.
    gc.freeze()
    try:
        asyncio.run(_run(settings))
    except DatabaseProblem as problem:
        _exit_not_started(str(problem) if "DATABASE_URL" in str(problem) else f"DATABASE_URL: {problem}")
    except (
        TokenRefused,
        ServiceTokenRefused,
        WrongProviderUrl,
        InvalidAccessRule,
        AnchorNotWritable,
        CannotServe,
    ) as problem:
        _exit_not_started(str(problem))


@cli.command()
def sandbox(
    story: Annotated[
        bool, typer.Option("--story", help="Play a whole day automatically, print it, and exit.")
    ] = False,
    speed: Annotated[
        float,
        typer.Option(help="Speed of simulated builds, as a multiple of real time.", metavar="TIMES"),
    ] = DEFAULT_SPEED,
    port: Annotated[
        int, typer.Option(help="Port of the simulated Slack; 0 picks a free one.", metavar="PORT")
    ] = 0,
) -> None:
    """Try the bot with simulated Slack, Bitrise and Build.io on this machine; no account needed.

    The bot's data is deleted at the end, unless the environment has DATABASE_URL: an empty database for the sandbox.
    """
    if not 0 <= port <= MAX_PORT:
        stop(f"--port: {port} isn't a valid port; use 1 to {MAX_PORT}, or 0 for a free port.", USAGE_ERROR)
    if not 0 < speed <= MAX_SPEED:
        stop(
            f"--speed: {speed:g} is out of range; use a number above 0 and up to {MAX_SPEED:,}.", USAGE_ERROR
        )
    if story and (port, speed) != (0, DEFAULT_SPEED):
        stop(
            "--story uses its own speed and a free port: remove --port and --speed.",
            USAGE_ERROR,
        )
    database_url = _sandbox_database()
    # Import the simulators only here: `buildbell run` never loads them.
    try:
        from sandbox.environment import BotNotStarted, PortInUse  # noqa: PLC0415
        from sandbox.main import run_sandbox  # noqa: PLC0415
        from sandbox.story import play_story  # noqa: PLC0415
    except ModuleNotFoundError as problem:
        if (problem.name or "").partition(".")[0] not in SANDBOX_PACKAGES:
            raise
        stop(f"the sandbox needs {problem.name}, which is not installed: {INSTALL_SANDBOX}", USAGE_ERROR)
    try:
        code = asyncio.run(
            _until_sigterm(
                play_story(manifest(), database_url=database_url)
                if story
                else run_sandbox(manifest(), speed=speed, port=port, database_url=database_url)
            )
        )
    except PortInUse as problem:
        stop(f"--port: {problem}", USAGE_ERROR)
    except BotNotStarted as problem:
        # Only the database is not the sandbox's own.
        stop(str(problem).removeprefix("buildbell ").removesuffix(f" {CHECK_EVERYTHING}"), USAGE_ERROR)
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = 0
    sys.exit(code)


def _sandbox_database() -> str | None:
    """Return DATABASE_URL from the environment, not from .env, whose database is the real bot's."""
    if not (url := os.environ.get("DATABASE_URL")):
        return None
    try:
        settings = DataSettings(_env_file=None, database_url=url)  # type: ignore[call-arg, unused-ignore]
    except ValidationError as problem:
        stop(describe_errors(problem), USAGE_ERROR)
    if settings.database_path is None:
        from storage.postgres_server import check_unused  # noqa: PLC0415 - only where it is used

        try:
            # The bot itself waits for a server that is down, and shares the database with others.
            check_unused(url)
        except DatabaseProblem as problem:
            text = str(problem)
            stop(text if "DATABASE_URL" in text else f"DATABASE_URL: {text}", USAGE_ERROR)
        return url
    # The bot has another working directory.
    return f"sqlite:///{settings.database_path.resolve()}"


@cli.command()
def doctor() -> None:
    """Check settings, tokens, scopes, connections, port, clock and database. Each failed check says what to do."""
    logging_setup.configure("error")
    try:
        checked = check_settings()
    except EnvFileUnreadable as problem:
        stop(str(problem), USAGE_ERROR)
    for name, suggestion in _find_misspelled().items():
        checked.findings.append(Finding(name, "is not a setting", f"did you mean {suggestion}?"))
    sys.exit(asyncio.run(_run_doctor(checked)))


@cli.command(name="manifest")
def print_manifest(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of YAML.")] = False,
    url: Annotated[str | None, typer.Option(help="Public URL of the bot, for HTTP mode: https://…")] = None,
) -> None:
    """Print the Slack app's manifest, ready to paste."""
    if url is not None and (problem := find_url_problem(url)):
        stop(f"--url: {problem}.", USAGE_ERROR)
    content = manifest() if url is None else http_manifest(url)
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False) if as_json else to_yaml(content))


@cli.command(name="help")
def print_help(
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Update README and docs.")] = False,
) -> None:
    """Print the commands that people can type in Slack."""
    if write:
        try:
            for path in write_pages():
                out.print(f"wrote {path}")
        except FileNotFoundError as problem:
            stop(f"--write works only in a checkout; {problem.filename} does not exist.", USAGE_ERROR)
        return
    tables = "\n\n".join(help_table(spec.parser) for spec in SPECS)
    if as_markdown:
        typer.echo(tables)
    else:
        from rich.markdown import Markdown  # noqa: PLC0415 - slow to import, and the bot does not need it

        out.print(Markdown(tables))


async def _until_sigterm(coroutine: Coroutine[Any, Any, int]) -> int:
    # Cancel on SIGTERM as on Ctrl-C, so that child processes end too. Raises CancelledError.
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await coroutine


async def _run(settings: Settings) -> None:
    bot = Application(settings)
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, bot.stop)
    await bot.run()


async def _run_doctor(checked: CheckedSettings) -> int:
    """Print the findings; return exit code 0 if all checks passed, else 1."""
    findings = [_print_finding(finding) for finding in checked.findings]
    findings += [_print_finding(finding) async for finding in run_checks(checked)]
    return 0 if all(finding.passed for finding in findings) else 1


def _find_misspelled() -> Mapping[str, str]:
    return find_misspelled_names(os.environ, assigned_names(Path(".env")))


def _print_finding(finding: Finding) -> Finding:
    mark = "[green]ok[/]" if finding.passed else "[red]failed[/]"
    fix_text = f" [bold]→ {escape(finding.fix)}[/]" if finding.fix else ""
    out.print(f"{mark}  {escape(finding.check)}: {escape(redact(finding.result))}{fix_text}")
    return finding


def _load_settings() -> Settings:
    try:
        return Settings()
    except ValidationError as problem:
        suggestions = [
            f" Did you mean {suggestion} by {name}?" for name, suggestion in _find_misspelled().items()
        ]
        _exit_not_started(describe_errors(problem) + "".join(suggestions))
    except EnvFileUnreadable as problem:
        stop(str(problem), USAGE_ERROR)


def _exit_not_started(message: str) -> NoReturn:
    # The message may quote a token that was entered in the wrong setting.
    err.print(f"[red]buildbell can't start:[/] {escape(redact(message))} [dim]{CHECK_EVERYTHING}[/]")
    sys.exit(2)


commands.register(cli)
