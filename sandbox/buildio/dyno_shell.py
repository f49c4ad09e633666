"""A small shell for commands in a dyno: enough programs for output, exit codes and endless commands."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from string import Template

from sandbox.buildio.dynos import Dyno
from sandbox.buildio.state import App

# The output of a command and its exit code; None for a command that does not end.
CommandResult = tuple[str, int] | None

_SHELLS = ("sh", "/bin/sh", "bash", "/bin/bash")
# Programs that wait for input or run for ever.
_ENDLESS = ("yes", "top", "cat", "rails", "psql", "irb")


def run_command(app: App, dyno: Dyno, command: Sequence[str]) -> CommandResult:
    """Run a command; a shell accepts commands joined by `;` and `&&`, and expands config vars."""
    environment = _environment(app, dyno)
    if command[0] in _SHELLS:
        if list(command[1:2]) != ["-c"] or len(command) < 3:
            return None
        return _run_line(app, environment, command[2])
    return _run_program(app, environment, command)


def _run_line(app: App, environment: Mapping[str, str], line: str) -> CommandResult:
    written, code = "", 0
    for alternative in line.split(";"):
        for part in alternative.split("&&"):
            try:
                words = [shlex.split(Template(item).safe_substitute(environment)) for item in part.split("|")]
            except ValueError:
                return written + "sh: 1: Syntax error: Unterminated quoted string\n", 2
            if not words[0]:
                continue
            result = _run_pipe(app, environment, words)
            if result is None:
                return None
            written, code = written + result[0], result[1]
            if words[0][0] == "exit":
                return written, code
            if code:
                break
    return written, code


def _run_pipe(app: App, environment: Mapping[str, str], commands: Sequence[Sequence[str]]) -> CommandResult:
    """Run a command, and filter its output through an optional `grep`."""
    result = _run_program(app, environment, commands[0])
    for command in commands[1:]:
        if result is None:
            return None
        match command:
            case ["grep", pattern]:
                matching = [line for line in result[0].splitlines() if pattern in line]
                result = "".join(f"{line}\n" for line in matching), 0 if matching else 1
            case [program, *_]:
                result = f"sh: 1: {program}: not found\n", 127
            case _:
                return "sh: 1: Syntax error: end of file unexpected\n", 2
    return result


def _run_program(app: App, environment: Mapping[str, str], command: Sequence[str]) -> CommandResult:
    program, given = command[0].rpartition("/")[2], list(command[1:])
    if (written := _run_app_program(app, program, given)) is not None:
        return written, 0
    match program, given:
        case "echo", _:
            return " ".join(given) + "\n", 0
        case (("env" | "printenv"), []):
            return "".join(f"{name}={value}\n" for name, value in environment.items()), 0
        case "printenv", [name, *_]:
            return (f"{environment[name]}\n", 0) if name in environment else ("", 1)
        case "ls", [] | ["."] | ["/app"]:
            return "".join(f"{name}\n" for name in app.files), 0
        case "ls", [name, *_]:
            return f"ls: cannot access '{name}': No such file or directory\n", 2
        case "cat", [name, *_]:
            return f"cat: {name}: No such file or directory\n", 1
        case "seq", [count]:
            return "".join(f"{number}\n" for number in range(1, _number(count) + 1)), 0
        case (("true" | "false"), _):
            return "", int(program == "false")
        case "exit", [code]:
            return "", _number(code) % 256
        case (("sleep" | "tail"), _):
            return None
        case _ if program in _ENDLESS:
            return None
    return f"sh: 1: {program}: not found\n", 127


def _run_app_program(app: App, program: str, arguments: Sequence[str]) -> str | None:
    """Run `ps` or a program of a Rails app; returns None for any other program."""
    match program, list(arguments):
        case "ps", _:
            return "  PID TTY          TIME CMD\n    1 ?        00:00:03 rails server\n   42 ?        00:00:00 ps\n"
        case "rails", ["db:version"]:
            name = app.name.replace("-", "_")
            return f"database: {name}_production\nCurrent version: 20261101093000\n"
        case "rails", ["runner", "puts User.count"]:
            return "1204\n"
        case "rails", ["runner", _, *_]:
            return ""
    return None


def _environment(app: App, dyno: Dyno) -> dict[str, str]:
    return {"DYNO": dyno.name, "HOME": "/app", "PORT": "8080", **app.config}


def _number(text: str) -> int:
    return min(int(text), 1_000_000) if text.isdecimal() else 0
