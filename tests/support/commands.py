"""The bot's command parsers, for tests; Bitrise is the default provider."""

from __future__ import annotations

from bot.providers_setup import SPECS
from domain.commands import command_line
from domain.commands.command_line import Surface
from domain.commands.parser import CommandParser
from domain.commands.shared_commands import Command
from domain.provider import Provider
from providers.bitrise import command_parser as bitrise_commands
from providers.buildio import command_parser as buildio_commands

BITRISE_PARSER, BUILDIO_PARSER = bitrise_commands.PARSER, buildio_commands.PARSER
PARSERS = (BITRISE_PARSER, BUILDIO_PARSER)


def parse(text: str, *, surface: Surface, parser: CommandParser = BITRISE_PARSER) -> Command:
    return command_line.parse(text, surface=surface, parser=parser)


def parser_in(text: str, default: CommandParser = BITRISE_PARSER) -> CommandParser:
    return SPECS.find_addressed(text, default.provider).parser


def empty_parser(provider: Provider) -> CommandParser:
    return CommandParser(
        provider=provider,
        catalogue=(),
        parse_functions={},
        aliases={},
        name_pattern=str(provider),
        example="help",
        parse_build_ref=lambda _: None,
        subscribe_example="subscribe",
    )
