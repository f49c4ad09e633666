"""What commands do inside a dyno: a handful of programs, enough to see output, exit codes and commands without end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from string import Template

from sandbox.buildio.dynos import Dyno
from sandbox.buildio.platform import App

# What a command prints, and its exit code; None for one that does not end.
Done = tuple[str, int] | None

_SHELLS = ("sh", "/bin/sh", "bash", "/bin/bash")
# They wait for input that nobody can give, or go on for ever.
_ENDLESS = ("yes", "top", "cat", "rails", "psql", "irb")


def run(app: App, dyno: Dyno, command: Sequence[str]) -> Done:
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
                words = shlex.split(Template(part).safe_substitute(environment))
            except ValueError:
                return written + "sh: 1: Syntax error: Unterminated quoted string\n", 2
            if not words:
                continue
            done = _run_program(app, environment, words)
            if done is None:
                return None
            written, code = written + done[0], done[1]
            if words[0] == "exit":
                return written, code
            if code:
                break
    return written, code


def _run_program(app: App, environment: Mapping[str, str], command: Sequence[str]) -> Done:
    program, given = command[0].rpartition("/")[2], list(command[1:])
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
        case "true", _:
            return "", 0
        case "false", _:
            return "", 1
        case "exit", [code]:
            return "", _number(code) % 256
        case (("sleep" | "tail"), _):
            return None
        case _ if program in _ENDLESS:
            return None
    return f"sh: 1: {program}: not found\n", 127


def _environment(app: App, dyno: Dyno) -> dict[str, str]:
    return {"DYNO": dyno.name, "HOME": "/app", "PORT": "8080", **app.config}


def _number(text: str) -> int:
    return min(int(text), 1_000_000) if text.isdecimal() else 0
