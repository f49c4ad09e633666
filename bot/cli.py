"""`buildbell`: run the bot, try it in the sandbox, find out what it lacks, look after its data."""

from __future__ import annotations

import asyncio
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
from bot.admin.cli_errors import MISUSED, stop
from bot.app import Application
from bot.docs_generator import write_pages
from bot.doctor.checks import examine
from bot.doctor.finding import Finding
from bot.doctor.settings_checks import Looked, look_at_settings, look_for_misspelt_names, names_in
from bot.http_server import CannotServe
from bot.manifest import as_yaml, for_http, manifest, why_no_address
from bot.providers_setup import SPECS, ServiceTokenRefused
from bot.settings import EnvFileUnreadable, Settings, in_words
from domain.access_policy import InvalidAccessRule
from domain.commands.parser import help_table
from domain.redaction.redactor import redact
from services.jobs.audit_anchor import AnchorNotWritable
from services.slack.web_client import TokenRefused
from storage.database import DatabaseProblem

log = structlog.get_logger()
cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
# What the extra `sandbox` brings, and the simulators themselves, which the image leaves out.
OF_THE_SANDBOX = frozenset({"sandbox", "emoji", "markdown_it"})
INSTALL_SANDBOX = "pip install 'buildbell[sandbox]', or `make sandbox` in a checkout."
MOST_PORT = 65_535
# Beyond that a build is over before anybody has seen it.
MOST_SPEED = 10_000
USUAL_SPEED = 10.0
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def main() -> None:
    """The program."""
    cli()


def _print_version(wanted: bool) -> None:
    if wanted:
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
    """Run the bot with the settings from the environment and .env, until SIGTERM or Ctrl-C."""
    settings = _settings()
    logging_setup.configure(settings.log_level)
    for name, meant in _misspelt().items():
        log.warning("settings.unknown", name=name, meant=meant)
    try:
        asyncio.run(_run(settings))
    except DatabaseProblem as problem:
        _stop(str(problem) if "DATABASE_URL" in str(problem) else f"DATABASE_URL: {problem}")
    except (TokenRefused, ServiceTokenRefused, InvalidAccessRule, AnchorNotWritable, CannotServe) as problem:
        _stop(str(problem))


@cli.command()
def sandbox(
    story: Annotated[
        bool, typer.Option("--story", help="Play a whole day without hands, print it, and end.")
    ] = False,
    speed: Annotated[
        float,
        typer.Option(help="How many times faster than real builds the simulated ones live.", metavar="TIMES"),
    ] = USUAL_SPEED,
    port: Annotated[
        int, typer.Option(help="Port of the simulated Slack; 0 takes a free one.", metavar="PORT")
    ] = 0,
) -> None:
    """Try the bot against a simulated Slack, Bitrise and Build.io on this machine; no account is needed."""
    if not 0 <= port <= MOST_PORT:
        stop(f"--port: {port} is no port; take one from 1 to {MOST_PORT}, or 0 for a free one.", MISUSED)
    if not 0 < speed <= MOST_SPEED:
        stop(f"--speed: {speed:g} is no speed; take a number above 0, up to {MOST_SPEED:,}.", MISUSED)
    if story and (port, speed) != (0, USUAL_SPEED):
        stop(
            "--story plays by itself, at its own speed and on a free port: leave --port and --speed out.",
            MISUSED,
        )
    # The simulators come last and only here: a bot that runs for real never loads them.
    try:
        from sandbox.environment import PortNotFree  # noqa: PLC0415
        from sandbox.main import run_sandbox  # noqa: PLC0415
        from sandbox.scenario import run_scenario  # noqa: PLC0415
    except ModuleNotFoundError as problem:
        if (problem.name or "").partition(".")[0] not in OF_THE_SANDBOX:
            raise
        stop(f"the sandbox needs {problem.name}, which is not installed: {INSTALL_SANDBOX}", MISUSED)
    try:
        code = asyncio.run(
            _until_sigterm(
                run_scenario(manifest()) if story else run_sandbox(manifest(), speed=speed, port=port)
            )
        )
    except PortNotFree as problem:
        stop(f"--port: {problem}", MISUSED)
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = 0
    sys.exit(code)


@cli.command()
def doctor() -> None:
    """Check settings, tokens, scopes, reachability, port, clock and database; one line each, with the cure."""
    logging_setup.configure("error")
    try:
        looked = look_at_settings()
    except EnvFileUnreadable as problem:
        stop(str(problem), MISUSED)
    for name, meant in _misspelt().items():
        looked.findings.append(Finding(name, "is no setting", f"did you mean {meant}?"))
    sys.exit(asyncio.run(_examine(looked)))


@cli.command(name="manifest")
def print_manifest(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON instead of YAML.")] = False,
    url: Annotated[str | None, typer.Option(help="For HTTP mode: the bot's address, https://…")] = None,
) -> None:
    """Print the Slack app's manifest, ready to paste."""
    if url is not None and (problem := why_no_address(url)):
        stop(f"--url: {problem}.", MISUSED)
    content = manifest() if url is None else for_http(url)
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False) if as_json else as_yaml(content))


@cli.command(name="help")
def print_help(
    as_markdown: Annotated[bool, typer.Option("--markdown", help="As a table for a README.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write it where README and docs show it.")] = False,
) -> None:
    """Print what people can type in Slack."""
    if write:
        try:
            for path in write_pages():
                out.print(f"wrote {path}")
        except FileNotFoundError as problem:
            stop(f"--write works in a checkout; there is no {problem.filename} here.", MISUSED)
        return
    tables = "\n\n".join(help_table(spec.parser) for spec in SPECS)
    if as_markdown:
        typer.echo(tables)
    else:
        from rich.markdown import Markdown  # noqa: PLC0415 - a start of the bot does without it

        out.print(Markdown(tables))


async def _until_sigterm(what: Coroutine[Any, Any, int]) -> int:
    # As Ctrl-C does: what was started is ended, too. Raises CancelledError.
    if (this := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    return await what


async def _run(settings: Settings) -> None:
    bot = Application(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, bot.stop)
    await bot.run()


async def _examine(looked: Looked) -> int:
    """Print the findings; the exit code says whether all is well."""
    findings = [_show(finding) for finding in looked.findings]
    findings += [_show(finding) async for finding in examine(looked)]
    return 0 if all(finding.well for finding in findings) else 1


def _misspelt() -> Mapping[str, str]:
    return look_for_misspelt_names(os.environ, names_in(Path(".env")))


def _show(finding: Finding) -> Finding:
    mark = "[green]well[/]" if finding.well else "[red]not well[/]"
    cure = f" [bold]→ {escape(finding.cure)}[/]" if finding.cure else ""
    out.print(f"{mark}  {escape(finding.what)}: {escape(redact(finding.said))}{cure}")
    return finding


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as problem:
        guesses = [f" Did you mean {meant} by {name}?" for name, meant in _misspelt().items()]
        _stop(in_words(problem) + "".join(guesses))
    except EnvFileUnreadable as problem:
        stop(str(problem), MISUSED)


def _stop(words: str) -> NoReturn:
    # A token that was put into the wrong setting stands in the words.
    err.print(
        f"[red]buildbell can't start:[/] {escape(redact(words))} [dim]`buildbell doctor` checks everything.[/]"
    )
    sys.exit(2)


commands.register(cli)
