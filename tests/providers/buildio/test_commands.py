"""What people type behind `/buildio`, and back to words."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.build_filter import BuildFilter, GlobPatterns
from domain.commands.command_line import GRAMMARS, grammar_in, parse
from domain.commands.errors import CommandError
from domain.commands.parser import CommandParser
from domain.commands.shared_commands import (
    BuildRef,
    Command,
    Help,
    ListApps,
    Status,
    Subscribe,
    Unsubscribe,
    WhoAmI,
    Why,
)
from domain.notifications.rule import DeliveryStyle, NotificationRule, Result
from providers.bitrise.command_grammar import BITRISE
from providers.buildio import command_grammar
from providers.buildio.api.coverage import ENDPOINTS
from providers.buildio.command_grammar import BUILDIO


def read(text: str) -> Command:
    return parse(text, surface="slash", grammar=BUILDIO)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", Help()),
        ("help Config SET", Help(topic="config set")),
        ("help exec", Help(topic="run")),
        ("apps", ListApps()),
        ("apps team:acme page:2", ListApps(team="acme", page=2)),
        ("app", command_grammar.ShowApp()),
        ("status shop", command_grammar.ShowApp(app="shop")),
        ("create", command_grammar.CreateApp()),
        (
            "create shop team:acme region:us-east-1",
            command_grammar.CreateApp(name="shop", team="acme", region="us-east-1"),
        ),
        ("deploy", command_grammar.Deploy()),
        ("deploy shop", command_grammar.Deploy(app="shop")),
        (
            'deploy shop branch:main message:"the fix"',
            command_grammar.Deploy(app="shop", branch="main", message="the fix"),
        ),
        ("release commit:1f3a9bc", command_grammar.Deploy(commit="1f3a9bc")),
        ("ps shop", command_grammar.ListDynos(app="shop")),
        ("restart", command_grammar.RestartDynos()),
        ("restart shop", command_grammar.RestartDynos(app="shop")),
        ("restart web.1", command_grammar.RestartDynos(dyno="web.1")),
        ('restart "web.1"', command_grammar.RestartDynos(app="web.1")),
        ("restart shop web.1", command_grammar.RestartDynos(app="shop", dyno="web.1")),
        ("config", command_grammar.ListConfig()),
        ("config shop", command_grammar.ListConfig(app="shop")),
        ('config "get"', command_grammar.ListConfig(app="get")),
        ("config get KEY", command_grammar.GetConfig(key="KEY")),
        ("vars get shop KEY", command_grammar.GetConfig(app="shop", key="KEY")),
        ("config set", command_grammar.SetConfig()),
        ("config set shop KEY", command_grammar.SetConfig(app="shop", key="KEY")),
        ("config set key", command_grammar.SetConfig(key="key")),
        ("config unset A B A", command_grammar.UnsetConfig(keys=("A", "B"))),
        ("config unset shop a b", command_grammar.UnsetConfig(app="shop", keys=("a", "b"))),
        ('config unset "SHOP" A', command_grammar.UnsetConfig(app="SHOP", keys=("A",))),
        ("domains shop", command_grammar.ListDomains(app="shop")),
        ("domains add", command_grammar.AddDomain()),
        ("domains add shop", command_grammar.AddDomain(app="shop")),
        ("domains add WWW.Example.com.", command_grammar.AddDomain(host="www.example.com")),
        (
            "domains add shop https://www.example.com/",
            command_grammar.AddDomain(app="shop", host="www.example.com"),
        ),
        ("domains remove shop *.example.com", command_grammar.RemoveDomain(app="shop", host="*.example.com")),
        ("domains clear shop", command_grammar.ClearDomains(app="shop")),
        ("pipelines", command_grammar.ListPipelines()),
        ("pipeline shop", command_grammar.ShowPipeline(name="shop")),
        ("envs", command_grammar.ListEnvironments()),
        ("env 17", command_grammar.ShowEnvironment(id="17")),
        ("envs set 17 KEY", command_grammar.SetEnvironment(id="17", key="KEY")),
        ("envs unset 17 A B", command_grammar.UnsetEnvironment(id="17", keys=("A", "B"))),
        ("namespaces", command_grammar.ListNamespaces()),
        ("namespace payments", command_grammar.ShowNamespace(name="payments")),
        (
            'namespaces create payments description:"All of it"',
            command_grammar.CreateNamespace(name="payments", description="All of it"),
        ),
        ("namespaces delete", command_grammar.DeleteNamespace()),
        ("teams", command_grammar.ListTeams()),
        ("team acme", command_grammar.ShowTeam(team="acme")),
        ("login us-east-1", command_grammar.Login(region="us-east-1")),
        (
            "link shop to bitrise:android branch:main",
            command_grammar.Link(app="shop", bitrise="android", branches=("main",)),
        ),
        (
            "link shop to bitrise:android branch:main,release/*",
            command_grammar.Link(app="shop", bitrise="android", branches=("main", "release/*")),
        ),
        ("link", command_grammar.ListTies()),
        ("tie to bitrise:android", command_grammar.Link(bitrise="android")),
        ("unlink shop", command_grammar.Unlink(app="shop")),
        ("unsubscribe 3", Unsubscribe(number=3)),
        ("whoami", WhoAmI()),
        ("why v12", Why(build=BuildRef(number=12))),
        ("why shop #12", Why(app="shop", build=BuildRef(number=12))),
        (
            "why shop 8eb495d0-f653-4eed-910b-8d6b56cc0ec7",
            Why(app="shop", build=BuildRef(slug="8eb495d0-f653-4eed-910b-8d6b56cc0ec7")),
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
def test_what_stands_behind_the_dashes_becomes_an_array_word_for_word(typed: str, array: list[str]) -> None:
    for dashes in ("--", "—"):
        asked = read(f"run shop dyno:worker.1 {dashes} {typed}")
        assert asked == command_grammar.RunCommand(app="shop", dyno="worker.1", command=tuple(array))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("deply shop", "I don't know the word deply. Did you mean deploy"),
        ("deploy shop brnch:main", "deploy knows no brnch:. Did you mean branch:?"),
        ("deploy shop branch:main commit:1f3a9bc", "Give a branch or a commit, not both."),
        ("deploy shop branch:", "branch: needs something behind it"),
        ("deploy shop branch:a branch:b", "branch: was given twice"),
        ("config gte shop KEY", "config knows no gte. Did you mean config get?"),
        ("domains ad shop www.example.com", "domains knows no ad. Did you mean domains add?"),
        ("domains remove shop", "shop is no host name"),
        ("domains remove", "Which domain?"),
        ("restart shop web.1 now", "I don't know what to do with the word now"),
        ("run shop rails console", "Write it behind two dashes"),
        ("run shop --", "There is nothing behind the two dashes"),
        ('run shop -- echo "a', "A quote in the command is not closed"),
        ("config unset", "Which config vars?"),
        ("config get shop A B", "Which config var?"),
        ("pipeline", "Which pipeline?"),
        ("team", "Which team?"),
        ("login", "Which region?"),
        ("link shop", "Which app of Bitrise?"),
        ("link shop bitrise:android to shp:x", "I don't know what to do with the word to"),
        ("link shop bitrise:android brnch:x", "link knows no brnch:. Did you mean branch:?"),
        ("subscribe shop event:push", "subscribe knows no event:"),
        ("subscribe shop branch:", "branch: needs something behind it"),
        ("subscribe status:running", "I can't tell of status running"),
        ("why shop", "shop is no build"),
        ("connect bitpat_secret", "revoke it at Build.io"),
        ('use "open', 'The quote that begins with "open is not closed'),
        ("trigger env:A=1", "deploy knows no env:"),
        ("abort #12", "I don't know the word abort"),
    ],
)
def test_a_mistake_names_the_word_and_shows_an_example_of_this_command(text: str, problem: str) -> None:
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
def test_a_value_in_the_line_is_refused_and_not_said_again(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        read(text)
    assert "hunter2" not in str(caught.value)
    assert "not closed" in str(caught.value) or "Slack keeps what is typed" in str(caught.value)


@pytest.mark.parametrize(
    "text", [f"config unset KEY={SECRET}", f"config get KEY {SECRET}", f"config unset {SECRET}"]
)
def test_a_value_where_a_key_should_stand_is_not_said_again(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        read(text)
    assert "hunter2" not in str(caught.value)


def test_no_token_is_said_again_whatever_is_wrong_with_its_quotes() -> None:
    for grammar in GRAMMARS:
        with pytest.raises(CommandError) as caught:
            parse('connect "hunter2', surface="slash", grammar=grammar)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda one: one.provider)
def test_every_command_has_a_reader_and_its_examples_are_right(grammar: CommandParser) -> None:
    names = [entry.name for entry in grammar.catalogue]
    assert len(names) == len(set(names))
    assert set(names) == set(grammar.readers)
    assert all(grammar.entry_for(meant) for meant in grammar.aliases.values())
    assert not set(grammar.aliases) & set(names)
    for entry in grammar.catalogue:
        for example in entry.examples:
            parse(example, surface="slash", grammar=grammar)


@pytest.mark.parametrize(
    ("text", "grammar", "command"),
    [
        ("<@U0BUILDBELL> buildio ps shop", BUILDIO, command_grammar.ListDynos(app="shop")),
        ("<@U0BUILDBELL> /buildio ps shop", BUILDIO, command_grammar.ListDynos(app="shop")),
        ("BuildIO ps shop", BUILDIO, command_grammar.ListDynos(app="shop")),
        ("build.io ps shop", BUILDIO, command_grammar.ListDynos(app="shop")),
        ("<@U0BUILDBELL> <http://build.io|build.io> ps shop", BUILDIO, command_grammar.ListDynos(app="shop")),
        (
            "build.io domains add shop <http://www.example.com|www.example.com>",
            BUILDIO,
            command_grammar.AddDomain(app="shop", host="www.example.com"),
        ),
        ("<@U0BUILDBELL> bitrise status android", BITRISE, Status(app="android")),
        ("status android", BITRISE, Status(app="android")),
        ("build #12", BITRISE, None),
        ("buildio", BUILDIO, Help()),
    ],
)
def test_the_first_word_of_a_message_chooses_the_provider(
    text: str, grammar: CommandParser, command: Command | None
) -> None:
    assert grammar_in(text) is grammar
    if command is not None:
        assert parse(text, surface="message", grammar=grammar) == command


def test_a_message_that_names_no_provider_means_the_one_given() -> None:
    assert grammar_in("<@U0BUILDBELL> apps", BUILDIO) is BUILDIO
    assert grammar_in("<@U0BUILDBELL> bitrise apps", BUILDIO) is BITRISE
    assert grammar_in("bitrise-samples", BUILDIO) is BUILDIO


@given(st.text())
def test_any_line_is_a_command_or_a_mistake_in_words(text: str) -> None:
    with suppress(CommandError):
        read(text)
    with suppress(CommandError):
        parse(text, surface="message", grammar=grammar_in(text, BUILDIO))


@given(
    st.sampled_from([entry.name for entry in BUILDIO.catalogue]),
    st.text() | st.text(alphabet=string.ascii_letters + " .:=-'\"“”\\#_\n"),
)
def test_any_words_behind_a_command_too(name: str, rest: str) -> None:
    with suppress(CommandError):
        read(f"{name} {rest}")


# What both kinds of quotes would tear apart can't be typed, nor what looks like one of Slack's own links.
NAME = st.text(alphabet="abcXYZ019-_/.* é':", min_size=1, max_size=12).filter(
    lambda name: name.strip() == name
)
MAYBE = st.none() | NAME
KEY = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)
GLOBS = st.lists(NAME, min_size=1, max_size=3).map(tuple)
KEYS = st.lists(KEY, min_size=1, max_size=3, unique=True).map(tuple)
IN_CAPITALS = st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True)
HOST = st.from_regex(r"(\*\.)?[a-z0-9]{1,5}\.[a-z]{1,5}", fullmatch=True)
DYNO = st.from_regex(r"[a-z]{1,5}\.[0-9]{1,3}", fullmatch=True)
ARRAY = st.lists(st.text(alphabet="abc -'\"\\$|*:=<é“’\n", max_size=10), min_size=1, max_size=4).map(tuple)
COMMANDS = st.one_of(
    st.builds(command_grammar.ShowApp, app=MAYBE),
    st.builds(command_grammar.CreateApp, name=MAYBE, team=MAYBE, region=MAYBE),
    st.builds(command_grammar.Deploy, app=MAYBE, branch=MAYBE, message=MAYBE),
    st.builds(command_grammar.Deploy, app=MAYBE, commit=MAYBE),
    st.builds(command_grammar.ListDynos, app=MAYBE),
    st.builds(command_grammar.RestartDynos, app=NAME, dyno=MAYBE),
    st.builds(command_grammar.RestartDynos, dyno=st.none() | DYNO),
    st.builds(command_grammar.RunCommand, app=MAYBE, dyno=MAYBE, command=ARRAY),
    st.builds(command_grammar.ListConfig, app=MAYBE.filter(lambda name: name is None or "=" not in name)),
    st.builds(command_grammar.GetConfig, app=MAYBE, key=KEY),
    st.builds(command_grammar.SetConfig, app=MAYBE, key=KEY),
    st.builds(command_grammar.UnsetConfig, app=NAME, keys=KEYS),
    st.builds(
        command_grammar.UnsetConfig,
        keys=st.lists(IN_CAPITALS, min_size=1, max_size=3, unique=True).map(tuple),
    ),
    st.builds(command_grammar.ListDomains, app=MAYBE),
    st.builds(command_grammar.AddDomain, app=MAYBE, host=st.none() | HOST),
    st.builds(command_grammar.RemoveDomain, app=MAYBE, host=HOST),
    st.builds(command_grammar.ClearDomains, app=MAYBE),
    st.builds(command_grammar.ListPipelines),
    st.builds(command_grammar.ShowPipeline, name=NAME),
    st.builds(command_grammar.ListEnvironments),
    st.builds(command_grammar.ShowEnvironment, id=NAME),
    st.builds(command_grammar.SetEnvironment, id=NAME, key=st.none() | KEY),
    st.builds(command_grammar.UnsetEnvironment, id=NAME, keys=KEYS),
    st.builds(command_grammar.ListNamespaces),
    st.builds(command_grammar.ShowNamespace, name=NAME),
    st.builds(command_grammar.CreateNamespace, name=MAYBE, team=MAYBE, region=MAYBE, description=MAYBE),
    st.builds(command_grammar.DeleteNamespace, name=MAYBE),
    st.builds(command_grammar.ListTeams),
    st.builds(command_grammar.ShowTeam, team=NAME),
    st.builds(command_grammar.Login, region=NAME),
    st.builds(command_grammar.ListTies),
    st.builds(command_grammar.Link, app=MAYBE, bitrise=NAME, branches=st.just(()) | GLOBS),
    st.builds(command_grammar.Unlink, app=MAYBE, bitrise=MAYBE),
)


@given(COMMANDS)
def test_a_command_put_into_words_and_read_again_is_the_same(command: Command) -> None:
    assert read(command_grammar.words(command)) == command


def test_each_endpoint_of_the_reference_has_a_command() -> None:
    for endpoint in ENDPOINTS:
        entry = BUILDIO.entry_for(endpoint.command)
        assert entry is not None, endpoint.asks
        assert entry.name == endpoint.command
