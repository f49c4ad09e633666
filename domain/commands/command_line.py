"""From a line to a command. Raises CommandError for a word that fits nowhere, and for nothing else."""

from __future__ import annotations

from typing import Literal

from domain.commands.parser import CommandParser
from domain.commands.shared_commands import Command
from domain.commands.tokenizer import from_message, from_slash
from domain.provider import Provider
from providers.bitrise.command_grammar import BITRISE
from providers.buildio.command_grammar import BUILDIO

Surface = Literal["slash", "message"]
GRAMMARS = (BITRISE, BUILDIO)


def parse(text: str, *, surface: Surface, grammar: CommandParser = BITRISE) -> Command:
    """The command that the text stands for in a provider's grammar; nothing at all asks for help."""
    # Half a character, which JSON can carry, is none, and nothing could be kept or sent with it.
    text = text.encode("utf-8", "replace").decode()
    if surface == "message":
        return grammar.read(grammar.without_name(from_message(text)))
    return grammar.read(from_slash(text))


def grammar_of(provider: Provider) -> CommandParser:
    """The grammar of a provider's command. Raises LookupError for one without a command."""
    for grammar in GRAMMARS:
        if grammar.provider is provider:
            return grammar
    raise LookupError(f"{provider.label} has no command")


def grammar_in(text: str, default: CommandParser = BITRISE) -> CommandParser:
    """The grammar of a message: that of the provider that it names before it asks; else the one given."""
    line = from_message(text)
    return next((grammar for grammar in GRAMMARS if grammar.is_named_by(line)), default)
