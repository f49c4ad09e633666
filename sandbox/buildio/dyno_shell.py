"""What commands do inside a dyno: a handful of programs, enough to see output, exit codes and commands without end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from string import Template

from sandbox.buildio.dynos import Dyno
from sandbox.buildio.state import App

# What a command prints, and its exit code; None for one that does not end.
Done = tuple[str, int] | None

_SHELLS = ("sh", "/bin/sh", "bash", "/bin/bash")
# They wait for input that nobody can give, or go on for ever.
_ENDLESS = ("yes", "top", "cat", "rails", "psql", "irb")


def run_command(app: App, dyno: Dyno, command: Sequence[str]) -> Done:
    """Run a command; a shell takes a line of commands joined by `;` and `&&`, and knows config vars."""
    environment = _environment(app, dyno)
    if command[0] in _SHELLS:
        if list(command[1:2]) != ["-c"] or len(command) < 3:
            return None
        return _run_line(app, environment, command[2])
    return _run_program(app, environment, command)


def _run_line(app: App, environment: Mapping[str, str], line: str) -> Done:
    written, code = "", 0
    for alternative in line.split(";"):
        for part in alternative.split("&&"):
            try:
                words = [shlex.split(Template(one).safe_substitute(environment)) for one in part.split("|")]
            except ValueError:
                return written + "sh: 1: Syntax error: Unterminated quoted string\n", 2
            if not words[0]:
                continue
            done = _run_pipe(app, environment, words)
            if done is None:
                return None
            written, code = written + done[0], done[1]
            if words[0][0] == "exit":
                return written, code
            if code:
                break
    return written, code


def _run_pipe(app: App, environment: Mapping[str, str], commands: Sequence[Sequence[str]]) -> Done:
    """Run a command, and what it prints through the `grep` behind it, if there is one."""
    done = _run_program(app, environment, commands[0])
    for command in commands[1:]:
        if done is None:
            return None
        match command:
            case ["grep", pattern]:
                kept = [line for line in done[0].splitlines() if pattern in line]
                done = "".join(f"{line}\n" for line in kept), 0 if kept else 1
            case [program, *_]:
                done = f"sh: 1: {program}: not found\n", 127
            case _:
                return "sh: 1: Syntax error: end of file unexpected\n", 2
    return done


def _run_program(app: App, environment: Mapping[str, str], command: Sequence[str]) -> Done:
    program, given = command[0].rpartition("/")[2], list(command[1:])
    if (written := _of_the_app(app, program, given)) is not None:
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


def _of_the_app(app: App, program: str, given: Sequence[str]) -> str | None:
    """What the programs print that a Rails app brings along, and `ps` of it; None for any other."""
    match program, list(given):
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
