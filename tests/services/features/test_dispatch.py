"""Every command of each provider has a handler."""

from __future__ import annotations

import pytest

from bot.providers_setup import SPECS
from domain.commands.parser import CommandParser
from tests.support.commands import PARSERS, parse


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.provider)
def test_every_command_has_a_handler(parser: CommandParser) -> None:
    provider = SPECS.get(parser.provider)
    for entry in parser.catalogue:
        for example in entry.examples:
            assert provider.command_spec(parse(example, surface="slash", parser=parser)) is entry
