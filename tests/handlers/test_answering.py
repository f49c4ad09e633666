"""Each word of each provider's grammar has an answer."""

from __future__ import annotations

import pytest

from bot.commands import GRAMMARS, Grammar, parse
from bot.provider import Provider
from handlers.answering import answered

# What can be typed and is not answered yet: it only shrinks.
MISSING: dict[Provider, set[str]] = {
    Provider.BITRISE: set(),
    Provider.BUILDIO: {
        "AddDomain",
        "ClearDomains",
        "GetConfig",
        "ListConfig",
        "ListDomains",
        "ListEnvironments",
        "RemoveDomain",
        "SetConfig",
        "SetEnvironment",
        "ShowEnvironment",
        "UnsetConfig",
        "UnsetEnvironment",
    },
}


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda one: one.provider)
def test_every_command_that_can_be_typed_is_answered(grammar: Grammar) -> None:
    typed = {
        type(parse(example, surface="slash", grammar=grammar))
        for entry in grammar.catalogue
        for example in entry.examples
    }
    without = {one.__name__ for one in typed - answered(grammar.provider)}
    assert without == MISSING[grammar.provider]
