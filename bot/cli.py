"""`buildbell`: run the bot, try it in the sandbox, find out what it lacks, look after its data."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from bot import duties, logs
from bot.anchor_writer import AnchorNotWritable
from bot.app import Buildbell
from bot.commands import GRAMMARS, markdown
from bot.doctor import examine
from bot.findings import Finding
from bot.manifest import as_yaml, for_http, manifest
from bot.pages import write_pages
from bot.policy import PolicyProblem
from bot.settings import Settings, in_words
from bot.slack import TokenRefused
from storage import DatabaseProblem

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
# What the extra `sandbox` brings, and the simulators themselves, which the image leaves out.
OF_THE_SANDBOX = frozenset({"sandbox", "emoji", "markdown_it"})
INSTALL_SANDBOX = "pip install 'buildbell[sandbox]', or `make sandbox` in a checkout."
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def main() -> None:
    """The program."""
    cli()


@cli.command()
def run() -> None:
    """Run the bot with the settings from the environment and .env, until SIGTERM or Ctrl-C."""
    settings = _settings()
    logs.configure(settings.log_level)
    try:
        asyncio.run(_run(settings))
    except (DatabaseProblem, TokenRefused, PolicyProblem, AnchorNotWritable) as problem:
        _stop(str(problem))
    except OSError as problem:
        _stop(f"PORT: {settings.host}:{settings.port} can't be served on ({problem.strerror or problem}).")


@cli.command()
def sandbox(
    story: Annotated[
        bool, typer.Option("--story", help="Play a whole day without hands, print it, and end.")
    ] = False,
    speed: Annotated[
        float, typer.Option(help="How many times faster than real builds the simulated ones live.")
    ] = 10,
    port: Annotated[int, typer.Option(help="Port of the simulated Slack; 0 takes a free one.")] = 0,
) -> None:
    """Try the bot against a simulated Slack, Bitrise and Build.io on this machine; no account is needed."""
    # The simulators come last and only here: a bot that runs for real never loads them.
    try:
        from sandbox.live import live  # noqa: PLC0415
        from sandbox.story import play  # noqa: PLC0415
    except ModuleNotFoundError as problem:
        if (problem.name or "").partition(".")[0] not in OF_THE_SANDBOX:
            raise
        words = f"the sandbox needs {problem.name}, which is not installed: {INSTALL_SANDBOX}"
        err.print(f"[red]buildbell:[/] {escape(words)}")
        sys.exit(2)
    try:
        code = asyncio.run(
            _until_sigterm(play(manifest()) if story else live(manifest(), speed=speed, port=port))
        )
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = 0
    sys.exit(code)


@cli.command()
def doctor() -> None:
    """Check tokens, scopes, reachability, clock and database; one line each, with the cure."""
    settings = _settings()
    logs.configure("error")
    sys.exit(asyncio.run(_examine(settings)))


@cli.command(name="manifest")
def print_manifest(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON instead of YAML.")] = False,
    url: Annotated[str | None, typer.Option(help="For HTTP mode: the bot's address, https://…")] = None,
) -> None:
    """Print the Slack app's manifest, ready to paste."""
    content = manifest() if url is None else for_http(url)
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False) if as_json else as_yaml(content))


@cli.command(name="help")
def print_help(
    as_markdown: Annotated[bool, typer.Option("--markdown", help="As a table for a README.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write it where README and docs show it.")] = False,
) -> None:
    """Print what people can type in Slack."""
    if write:
        for path in write_pages():
            out.print(f"wrote {path}")
        return
    tables = "\n\n".join(markdown(grammar) for grammar in GRAMMARS)
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
    bot = Buildbell(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, bot.stop)
    await bot.run()


async def _examine(settings: Settings) -> int:
    """Print the findings; the exit code says whether all is well."""
    findings = [_show(finding) async for finding in examine(settings)]
    return 0 if all(finding.well for finding in findings) else 1


def _show(finding: Finding) -> Finding:
    mark = "[green]well[/]" if finding.well else "[red]not well[/]"
    cure = f" [bold]→ {escape(finding.cure)}[/]" if finding.cure else ""
    out.print(f"{mark}  {escape(finding.what)}: {escape(finding.said)}{cure}")
    return finding


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as problem:
        _stop(in_words(problem))


def _stop(words: str) -> NoReturn:
    err.print(f"[red]buildbell can't start:[/] {escape(words)} [dim]`buildbell doctor` checks everything.[/]")
    sys.exit(2)


duties.register(cli)
