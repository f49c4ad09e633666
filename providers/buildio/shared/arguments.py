"""Reading Build.io's single words: config keys, host names, processes, builds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from domain.commands.arguments import is_variable_name
from domain.commands.shared_commands import BuildRef

# A command is shown letter by letter to everybody who is to agree to it.
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
    """Whether a config var can be called this: it becomes a variable of the process's environment."""
    return is_variable_name(text) and len(text) <= LONGEST_KEY


def is_in_capitals(text: str) -> bool:
    """Whether it is written as keys mostly are and apps are not."""
    return _IN_CAPITALS.fullmatch(text) is not None


def is_dyno(text: str) -> bool:
    """Whether it is written as a process is called: `web.1`."""
    return _DYNO.fullmatch(text) is not None


def host(text: str) -> str | None:
    """The host name that the word means, which may be pasted as an address; None where it means none."""
    text = text.strip()
    if pasted := _PASTED.fullmatch(text):
        text = pasted[1]
    text = text.lower().removesuffix(".")
    return text if len(text) <= LONGEST_HOST and _HOST.fullmatch(text) else None


def build_ref(text: str) -> BuildRef | None:
    """The deployment that the word names: `#12`, `v12`, or an id; None where it names none."""
    if match := _NUMBER.fullmatch(text):
        return BuildRef(number=int(match[1]))
    return BuildRef(slug=text) if _ID.fullmatch(text) else None


def array_of(command: Iterable[str]) -> str:
    """The array as Build.io gets it, in plain letters: nothing in it hides, is cut, or ends a block of code."""
    return json.dumps(list(command)).replace("`", "\\u0060").replace("\x7f", "\\u007f")
