"""Parsing of a typed line into a command."""

from __future__ import annotations

from typing import Literal

from domain.commands.command import Command
from domain.commands.parser import CommandParser
from domain.commands.tokenizer import line_from_message, line_from_slash_command

Surface = Literal["slash", "message"]


def parse(text: str, *, surface: Surface, parser: CommandParser) -> Command:
    """Parse the text into a command of the parser's provider; an empty text is `help`. Raises only CommandError."""
    # JSON can contain a lone surrogate, which can't be stored or sent.
    text = text.encode("utf-8", "replace").decode()
    if surface == "message":
        return parser.parse_line(parser.strip_provider_name(line_from_message(text)))
    return parser.parse_line(line_from_slash_command(text))
