"""A command is parsed, and its help written, from the annotations of its fields."""

from __future__ import annotations

from typing import Annotated

import pytest

from domain.commands.arguments import BuildRef
from domain.commands.command import (
    AppArgument,
    BuildArgument,
    Command,
    CommandDefinition,
    OptionalBuild,
    OptionArgument,
    RequiredWord,
    RestOfLine,
    Word,
    WordArgument,
)
from domain.commands.errors import CommandError
from domain.commands.parser import CommandParser
from providers.bitrise.links import parse_build_ref
from providers.bitrise.provider import BITRISE


class StopBuild(Command):
    app: AppArgument = None
    build: BuildArgument
    reason: RestOfLine = None


class CreateThing(Command):
    name: WordArgument = None
    team: OptionArgument = None


class ShowTeam(Command):
    team: Annotated[str, Word("NAME", question="Which team? Give its name.")]


class ShowRegion(Command):
    region: RequiredWord


class ShowLog(Command):
    app: AppArgument = None
    build: OptionalBuild = None


class ListRegions(Command):
    pass


PARSER = CommandParser(
    provider=BITRISE,
    catalogue=(
        CommandDefinition(StopBuild, "stop", "", ("stop #1",), aliases=("abort", "create")),
        CommandDefinition(CreateThing, "create", "", ("create x",)),
        CommandDefinition(ShowTeam, "team", "", ("team acme",)),
        CommandDefinition(ShowRegion, "regions", "", ("regions",), bare=ListRegions, usage="regions [NAME]"),
        CommandDefinition(ShowLog, "log", "", ("log #1",), notes=("Long logs are cut.",)),
    ),
    name_pattern="bitrise",
    example="stop #1",
    parse_build_ref=parse_build_ref,
    subscribe_example="",
    app_names="An app has a name.",
    build_names="A build has a number.",
)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("stop #1", StopBuild(build=BuildRef(number=1))),
        (
            "stop android #1 it is  wrong",
            StopBuild(app="android", build=BuildRef(number=1), reason="it is  wrong"),
        ),
        ("abort #1", StopBuild(build=BuildRef(number=1))),
        ("create", CreateThing()),
        ("create shop team:acme", CreateThing(name="shop", team="acme")),
        ("team acme", ShowTeam(team="acme")),
        ("regions", ListRegions()),
        ("regions eu", ShowRegion(region="eu")),
        ("log", ShowLog()),
        ("log android", ShowLog(app="android")),
        ("log android #1", ShowLog(app="android", build=BuildRef(number=1))),
    ],
)
def test_a_command_is_parsed_from_its_fields(line: str, command: Command) -> None:
    assert PARSER.parse_line(line) == command


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("stop", "Which build?"),
        ("create a b", "Unexpected word: `b`."),
        ("create taem:x", "Unknown option `taem:`. Did you mean `team:`?"),
        ("create team:a team:b", "`team:` can be given only once."),
        ("team", "Which team? Give its name."),
        ("team x:y", "Unknown option `x:`."),
        ('regions ""', "Which region?"),
    ],
)
def test_an_argument_that_does_not_fit_is_an_error_with_the_example_of_the_command(
    line: str, problem: str
) -> None:
    definition = PARSER.find_help(line.split(maxsplit=1)[0])
    assert definition is not None
    with pytest.raises(CommandError) as caught:
        PARSER.parse_line(line)
    assert caught.value.problem.startswith(problem)
    assert caught.value.example == definition.example


def test_usage_is_derived_from_the_fields_unless_it_is_given() -> None:
    assert [definition.usage for definition in PARSER.catalogue] == [
        "stop [APP] #N [REASON…]",
        "create [NAME] [team:…]",
        "team NAME",
        "regions [NAME]",
        "log [APP] [#N]",
    ]


def test_an_alias_gives_way_to_the_command_of_that_name() -> None:
    assert PARSER.aliases == {"abort": "stop"}


def test_help_says_how_the_argument_of_a_command_is_named() -> None:
    assert {definition.name: PARSER.notes_of(definition) for definition in PARSER.catalogue} == {
        "stop": ["A build has a number."],
        "create": [],
        "team": [],
        "regions": [],
        "log": ["Long logs are cut.", "A build has a number.", "An app has a name."],
    }
