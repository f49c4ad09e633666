"""Each word of each provider's grammar has an answer."""

from __future__ import annotations

import pytest

from domain.commands.command_line import GRAMMARS, parse
from domain.commands.parser import CommandParser
from services.features.dispatch import handled_commands


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda one: one.provider)
def test_every_command_that_can_be_typed_is_answered(grammar: CommandParser) -> None:
    typed = {
        type(parse(example, surface="slash", grammar=grammar))
        for entry in grammar.catalogue
        for example in entry.examples
    }
    assert {one.__name__ for one in typed - handled_commands(grammar.provider)} == set()
