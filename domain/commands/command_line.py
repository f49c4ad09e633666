"""From a typed line to a command. Raises CommandError for a word that fits nowhere, and nothing else."""

from __future__ import annotations

from typing import Literal

from domain.commands.parser import CommandParser
from domain.commands.shared_commands import Command
from domain.commands.tokenizer import line_from_message, line_from_slash_command

Surface = Literal["slash", "message"]


def parse(text: str, *, surface: Surface, parser: CommandParser) -> Command:
    """Return the command that the text stands for at the parser's provider; an empty text asks for help."""
    # JSON can carry half a character, which nothing could store or send.
    text = text.encode("utf-8", "replace").decode()
    if surface == "message":
        return parser.parse_line(parser.strip_provider_name(line_from_message(text)))
    return parser.parse_line(line_from_slash_command(text))
