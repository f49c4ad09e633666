"""Parsing of single arguments of Build.io's commands: config keys, hostnames, processes, builds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import NoReturn

from domain.commands.arguments import BuildRef, is_variable_name
from domain.commands.command import ArgumentReader
from domain.commands.errors import CommandError
from domain.commands.tokenizer import Token

# A command is shown in full to everyone who has to approve it.
LONGEST_COMMAND = 1500
LONGEST_KEY = 128
LONGEST_HOST = 253
_IN_CAPITALS = re.compile(r"[A-Z_][A-Z0-9_]*")
_DYNO = re.compile(r"[A-Za-z][\w-]{0,62}\.[\w-]{1,63}", re.ASCII)
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_HOST = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)+{_LABEL}")
_PASTED = re.compile(r"https?://([^/?#\s]+)/?", re.IGNORECASE)
_NUMBER = re.compile(r"[#v]?(\d{1,9})", re.IGNORECASE)
_ID = re.compile(r"(?=\D*\d)[\w-]{8,64}", re.ASCII)


def is_key(text: str) -> bool:
    """Return whether a config var can have this name: it becomes a variable of the process's environment."""
    return is_variable_name(text) and len(text) <= LONGEST_KEY


def is_in_capitals(text: str) -> bool:
    """Return whether it is written in capitals, as keys mostly are and apps are not."""
    return _IN_CAPITALS.fullmatch(text) is not None


def require_keys(arguments: ArgumentReader, names: Sequence[Token]) -> tuple[str, ...]:
    """Return the names of config vars. Raises CommandError, which does not repeat them: one may be a value."""
    if not all(is_key(name.text) for name in names):
        arguments.fail(
            "That isn't a valid config var name: use letters, digits and underscores, no digit first."
        )
    return tuple(dict.fromkeys(name.text for name in names))


def reject_value(example: str) -> NoReturn:
    """Raise CommandError, which does not repeat the value that was typed."""
    raise CommandError(
        "Don't type a value here: Slack keeps what you type. If that was a secret, replace it at its source."
        " `config set KEY` opens a form for the value.",
        example=example,
    )


def is_dyno(text: str) -> bool:
    """Return whether it looks like the name of a process: `web.1`."""
    return _DYNO.fullmatch(text) is not None


def parse_host(text: str) -> str | None:
    """Return the host name in the text, which may be a pasted URL; None if there is none."""
    text = text.strip()
    if pasted := _PASTED.fullmatch(text):
        text = pasted[1]
    text = text.lower().removesuffix(".")
    return text if len(text) <= LONGEST_HOST and _HOST.fullmatch(text) else None


def parse_build_ref(text: str) -> BuildRef | None:
    """Return the deployment that the word names (`#12`, `v12` or an ID); None if it names none."""
    if match := _NUMBER.fullmatch(text):
        return BuildRef(number=int(match[1]))
    return BuildRef(slug=text) if _ID.fullmatch(text) else None


def format_array(command: Iterable[str]) -> str:
    """Format the array as Build.io receives it, in ASCII: nothing is hidden or cut, and no code block is closed."""
    return json.dumps(list(command)).replace("`", "\\u0060").replace("\x7f", "\\u007f")
