"""Parsing and formatting of `/buildio` commands."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.build_filter import BuildFilter, GlobPatterns
from domain.commands.arguments import BuildRef
from domain.commands.command import Command
from domain.commands.errors import CommandError
from domain.commands.parser import CommandParser
from domain.commands.shared_commands import (
    ExplainNotification,
    ListApps,
    ShowHelp,
    ShowStatus,
    Subscribe,
    Unsubscribe,
    WhoAmI,
)
from domain.notifications.rule import DeliveryStyle, NotificationRule, Result
from tests.providers.buildio import commands
from tests.providers.buildio.endpoints import ENDPOINTS
from tests.support.commands import BITRISE_PARSER, BUILDIO_PARSER, PARSERS, parse, parser_in


def read(text: str) -> Command:
    return parse(text, surface="slash", parser=BUILDIO_PARSER)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", ShowHelp()),
        ("help Config SET", ShowHelp(topic="config set")),
        ("help exec", ShowHelp(topic="run")),
        ("apps", ListApps()),
        ("apps team:acme page:2", ListApps(team="acme", page=2)),
        ("app", commands.ShowApp()),
        ("status shop", commands.ShowApp(app="shop")),
        ("create", commands.CreateApp()),
        (
            "create shop team:acme region:us-east-1",
            commands.CreateApp(name="shop", team="acme", region="us-east-1"),
        ),
        ("deploy", commands.Deploy()),
        ("deploy shop", commands.Deploy(app="shop")),
        (
            'deploy shop branch:main message:"the fix"',
            commands.Deploy(app="shop", branch="main", message="the fix"),
        ),
        ("release commit:1f3a9bc", commands.Deploy(commit="1f3a9bc")),
        ("ps shop", commands.ListDynos(app="shop")),
        ("restart", commands.RestartDynos()),
        ("restart shop", commands.RestartDynos(app="shop")),
        ("restart web.1", commands.RestartDynos(dyno="web.1")),
        ('restart "web.1"', commands.RestartDynos(app="web.1")),
        ("restart shop web.1", commands.RestartDynos(app="shop", dyno="web.1")),
        ("config", commands.ListConfig()),
        ("config shop", commands.ListConfig(app="shop")),
        ('config "get"', commands.ListConfig(app="get")),
        ("config get KEY", commands.GetConfig(key="KEY")),
        ("vars get shop KEY", commands.GetConfig(app="shop", key="KEY")),
        ("config set", commands.SetConfig()),
        ("config set shop KEY", commands.SetConfig(app="shop", key="KEY")),
        ("config set key", commands.SetConfig(key="key")),
        ("config unset A B A", commands.UnsetConfig(keys=("A", "B"))),
        ("config unset shop a b", commands.UnsetConfig(app="shop", keys=("a", "b"))),
        ('config unset "SHOP" A', commands.UnsetConfig(app="SHOP", keys=("A",))),
        ("domains shop", commands.ListDomains(app="shop")),
        ("domains add", commands.AddDomain()),
        ("domains add shop", commands.AddDomain(app="shop")),
        ("domains add WWW.Example.com.", commands.AddDomain(host="www.example.com")),
        (
            "domains add shop https://www.example.com/",
            commands.AddDomain(app="shop", host="www.example.com"),
        ),
        ("domains remove shop *.example.com", commands.RemoveDomain(app="shop", host="*.example.com")),
        ("domains clear shop", commands.ClearDomains(app="shop")),
        ("pipelines", commands.ListPipelines()),
        ("pipeline shop", commands.ShowPipeline(name="shop")),
        ("envs", commands.ListEnvironments()),
        ("env 17", commands.ShowEnvironment(id="17")),
        ("envs set 17 KEY", commands.SetEnvironment(id="17", key="KEY")),
        ("envs unset 17 A B", commands.UnsetEnvironment(id="17", keys=("A", "B"))),
        ("namespaces", commands.ListNamespaces()),
        ("namespace payments", commands.ShowNamespace(name="payments")),
        (
            'namespaces create payments description:"All of it"',
            commands.CreateNamespace(name="payments", description="All of it"),
        ),
        ("namespaces delete", commands.DeleteNamespace()),
        ("teams", commands.ListTeams()),
        ("team acme", commands.ShowTeam(team="acme")),
        ("login us-east-1", commands.Login(region="us-east-1")),
        (
            "link shop to bitrise:android branch:main",
            commands.CreateDeployLink(app="shop", bitrise="android", branches=("main",)),
        ),
        (
            "link shop to bitrise:android branch:main,release/*",
            commands.CreateDeployLink(app="shop", bitrise="android", branches=("main", "release/*")),
        ),
        ("link", commands.ListDeployLinks()),
        ("tie to bitrise:android", commands.CreateDeployLink(bitrise="android")),
        ("unlink shop", commands.DeleteDeployLink(app="shop")),
        ("unsubscribe 3", Unsubscribe(number=3)),
        ("whoami", WhoAmI()),
        ("why v12", ExplainNotification(build=BuildRef(number=12))),
        ("why shop #12", ExplainNotification(app="shop", build=BuildRef(number=12))),
        (
            "why shop 8eb495d0-f653-4eed-910b-8d6b56cc0ec7",
            ExplainNotification(app="shop", build=BuildRef(slug="8eb495d0-f653-4eed-910b-8d6b56cc0ec7")),
        ),
        (
            "subscribe shop branch:main workflow:web.* by:@me status:failed style:thread",
            Subscribe(
                app="shop",
                terms=NotificationRule(
                    filter=BuildFilter(
                        branch=GlobPatterns(include=("main",)),
                        workflow=GlobPatterns(include=("web.*",)),
                        by=GlobPatterns(include=("@me",)),
                    ),
                    results=frozenset({Result.FAILED}),
                    style=DeliveryStyle.THREAD,
                ),
            ),
        ),
    ],
)
def test_a_line_becomes_its_command(text: str, command: Command) -> None:
    assert read(text) == command


@pytest.mark.parametrize(
    ("typed", "array"),
    [
        ("rails console", ["rails", "console"]),
        ('/bin/sh -c "rails console"', ["/bin/sh", "-c", "rails console"]),
        ("/bin/sh -c 'echo \"$HOME\" | cat'", ["/bin/sh", "-c", 'echo "$HOME" | cat']),
        ('echo -e"a b" key:value --flag="c d"', ["echo", "-ea b", "key:value", "--flag=c d"]),
        ('echo "\\" \\" "', ["echo", '" " ']),
        ("sh -c “echo it’s”", ["sh", "-c", "echo it's"]),
        ('echo ""', ["echo", ""]),
        ("git log -- app", ["git", "log", "--", "app"]),
    ],
)
def test_the_text_after_the_dashes_becomes_an_array_of_words(typed: str, array: list[str]) -> None:
    for dashes in ("--", "—"):
        command = read(f"run shop dyno:worker.1 {dashes} {typed}")
        assert command == commands.RunCommand(app="shop", dyno="worker.1", command=tuple(array))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("deply shop", "Unknown command `deply`. Did you mean `deploy`"),
        ("deploy shop brnch:main", "Unknown option `brnch:`. Did you mean `branch:`?"),
        ("deploy shop branch:main commit:1f3a9bc", "Give a branch or a commit, not both."),
        ("deploy shop branch:", "`branch:` needs a value"),
        ("deploy shop branch:a branch:b", "`branch:` can be given only once"),
        ("config gte shop KEY", "Unknown command `config gte`. Did you mean `config get`?"),
        ("domains ad shop www.example.com", "Unknown command `domains ad`. Did you mean `domains add`?"),
        ("domains remove shop", "`shop` isn't a valid domain"),
        ("domains remove", "Which domain?"),
        ("restart shop web.1 now", "Unexpected word: `now`"),
        ("run shop rails console", "Type it after `--`"),
        ("run shop --", "Nothing follows `--`"),
        ('run shop -- echo "a', "A quote in the command isn't closed"),
        ("config unset", "Which config vars?"),
        ("config get shop A B", "Which config var?"),
        ("pipeline", "Which pipeline?"),
        ("team", "Which team?"),
        ("login", "Which region?"),
        ("link shop", "Which Bitrise app?"),
        ("link shop bitrise:android to shp:x", "Unknown option `shp:`"),
        ("link shop bitrise:android brnch:x", "Unknown option `brnch:`. Did you mean `branch:`?"),
        ("subscribe shop event:push", "Unknown option `event:`"),
        ("subscribe shop branch:", "`branch:` needs a value"),
        ("subscribe status:running", "Unknown status `running`"),
        ("why shop", "`shop` isn't a build"),
        ("connect bitpat_secret", "revoke it at Build.io"),
        ('use "open', "The quote that starts with `\"open` isn't closed"),
        ("trigger env:A=1", "Unknown option `env:`"),
        ("abort #12", "Unknown command `abort`"),
    ],
)
def test_an_error_names_the_word_and_shows_an_example_of_the_command(text: str, problem: str) -> None:
    with pytest.raises(CommandError) as caught:
        read(text)
    assert problem in str(caught.value)
    assert "For example: `/buildio " in str(caught.value)
    assert "/bitrise" not in str(caught.value)
    read(caught.value.example)


SECRET = "postgres://u:hunter2@db/x"


@pytest.mark.parametrize(
    "text",
    [
        f"config set DATABASE_URL {SECRET}",
        "config set API_KEY hunter2",
        f"config set shop DATABASE_URL {SECRET}",
        f"config set DATABASE_URL={SECRET}",
        f"config set shop DATABASE_URL={SECRET}",
        "config set shop key:hunter2",
        f"config DATABASE_URL={SECRET}",
        f"config shop DATABASE_URL {SECRET}",
        f'config set DATABASE_URL "{SECRET}',
        f'envs set 17 KEY "{SECRET}',
        f"envs set 17 KEY {SECRET}",
        f"envs set 17 KEY={SECRET}",
    ],
)
def test_a_value_in_a_command_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        read(text)
    assert "hunter2" not in str(caught.value)
    assert "isn't closed" in str(caught.value) or "Slack keeps what you type" in str(caught.value)


@pytest.mark.parametrize(
    "text", [f"config unset KEY={SECRET}", f"config get KEY {SECRET}", f"config unset {SECRET}"]
)
def test_a_value_in_place_of_a_key_is_not_repeated(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        read(text)
    assert "hunter2" not in str(caught.value)


def test_a_token_with_wrong_quotes_is_not_repeated() -> None:
    for grammar in PARSERS:
        with pytest.raises(CommandError) as caught:
            parse('connect "hunter2', surface="slash", parser=grammar)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("grammar", PARSERS, ids=lambda command_help: command_help.provider)
def test_every_command_has_a_parser_and_valid_examples(grammar: CommandParser) -> None:
    names = [entry.name for entry in grammar.catalogue]
    assert len(names) == len(set(names))
    assert set(names) == set(grammar.parse_functions)
    assert all(grammar.find_help(meant) for meant in grammar.aliases.values())
    assert not set(grammar.aliases) & set(names)
    for entry in grammar.catalogue:
        for example in entry.examples:
            parse(example, surface="slash", parser=grammar)


@pytest.mark.parametrize(
    ("text", "grammar", "command"),
    [
        ("<@U0BUILDBELL> buildio ps shop", BUILDIO_PARSER, commands.ListDynos(app="shop")),
        ("<@U0BUILDBELL> /buildio ps shop", BUILDIO_PARSER, commands.ListDynos(app="shop")),
        ("BuildIO ps shop", BUILDIO_PARSER, commands.ListDynos(app="shop")),
        ("build.io ps shop", BUILDIO_PARSER, commands.ListDynos(app="shop")),
        ("<@U0BUILDBELL> <http://build.io|build.io> ps shop", BUILDIO_PARSER, commands.ListDynos(app="shop")),
        (
            "build.io domains add shop <http://www.example.com|www.example.com>",
            BUILDIO_PARSER,
            commands.AddDomain(app="shop", host="www.example.com"),
        ),
        ("<@U0BUILDBELL> bitrise status android", BITRISE_PARSER, ShowStatus(app="android")),
        ("status android", BITRISE_PARSER, ShowStatus(app="android")),
        ("build #12", BITRISE_PARSER, None),
        ("buildio", BUILDIO_PARSER, ShowHelp()),
    ],
)
def test_the_first_word_of_a_message_chooses_the_provider(
    text: str, grammar: CommandParser, command: Command | None
) -> None:
    assert parser_in(text) is grammar
    if command is not None:
        assert parse(text, surface="message", parser=grammar) == command


def test_a_message_without_a_provider_uses_the_given_one() -> None:
    assert parser_in("<@U0BUILDBELL> apps", BUILDIO_PARSER) is BUILDIO_PARSER
    assert parser_in("<@U0BUILDBELL> bitrise apps", BUILDIO_PARSER) is BITRISE_PARSER
    assert parser_in("bitrise-samples", BUILDIO_PARSER) is BUILDIO_PARSER


@given(st.text())
def test_any_line_is_a_command_or_an_error_with_text(text: str) -> None:
    with suppress(CommandError):
        read(text)
    with suppress(CommandError):
        parse(text, surface="message", parser=parser_in(text, BUILDIO_PARSER))


@given(
    st.sampled_from([entry.name for entry in BUILDIO_PARSER.catalogue]),
    st.text() | st.text(alphabet=string.ascii_letters + " .:=-'\"“”\\#_\n"),
)
def test_any_arguments_are_a_command_or_an_error_with_text(name: str, rest: str) -> None:
    with suppress(CommandError):
        read(f"{name} {rest}")


def test_each_endpoint_of_the_reference_has_a_command() -> None:
    for endpoint in ENDPOINTS:
        entry = BUILDIO_PARSER.find_help(endpoint.command)
        assert entry is not None, endpoint.asks
        assert entry.name == endpoint.command
