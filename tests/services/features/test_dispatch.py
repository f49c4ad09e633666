"""Each word of each provider's grammar has an answer."""

from __future__ import annotations

import pytest

from bot.providers_setup import SPECS
from domain.commands.parser import CommandParser
from services.features.dispatch import handled_commands
from tests.support.commands import PARSERS, parse


@pytest.mark.parametrize("grammar", PARSERS, ids=lambda one: one.provider)
def test_every_command_that_can_be_typed_is_answered(grammar: CommandParser) -> None:
    typed = {
        type(parse(example, surface="slash", parser=grammar))
        for entry in grammar.catalogue
        for example in entry.examples
    }
    assert {one.__name__ for one in typed - handled_commands(SPECS.get(grammar.provider))} == set()
