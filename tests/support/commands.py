"""The bot's command parsers, for tests; Bitrise is the default provider."""

from __future__ import annotations

from bot.providers_setup import SPECS
from domain.commands.command import Command
from domain.commands.parser import CommandParser, Surface
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO

BITRISE_PARSER, BUILDIO_PARSER = SPECS.get(BITRISE).parser, SPECS.get(BUILDIO).parser
PARSERS = (BITRISE_PARSER, BUILDIO_PARSER)


def parse(text: str, *, surface: Surface, parser: CommandParser = BITRISE_PARSER) -> Command:
    return parser.parse(text, surface=surface)


def parser_in(text: str, default: CommandParser = BITRISE_PARSER) -> CommandParser:
    return SPECS.find_addressed(text, default.provider).parser
