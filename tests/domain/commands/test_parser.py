"""Parsing of typed lines into commands; every error is a sentence with an example."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.build import App, BuildState
from domain.build_filter import BuildFilter, BuildTriggerEvent, GlobPatterns, describe_filter
from domain.commands.arguments import BuildRef
from domain.commands.command import Command
from domain.commands.errors import CommandError
from domain.commands.shared_commands import (
    ListApps,
    ListBuilds,
    ListSubscriptions,
    ShowBuild,
    ShowHelp,
    ShowStatus,
    Subscribe,
    TriggerBuild,
    Unsubscribe,
    UseApp,
    WhoAmI,
)
from providers.bitrise.artifacts.commands import ListArtifacts
from providers.bitrise.builds.commands import AbortBuild, RebuildBuild
from providers.bitrise.logs.commands import ShowLog
from providers.bitrise.provider import BITRISE
from services.lookup.app_matching import UnknownApp, match_app
from tests.support.canary_secrets import CANARIES, leaked_kinds
from tests.support.commands import BITRISE_PARSER, PARSERS, parse
from tests.support.factories import NOON

N12 = BuildRef(number=12)
UUID = "8eb495d0-f653-4eed-910b-8d6b56cc0ec7"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", ShowHelp()),
        ("  ", ShowHelp()),
        ("help", ShowHelp()),
        ("HELP Log", ShowHelp(topic="log")),
        ("apps", ListApps()),
        ("apps page:3", ListApps(page=3)),
        ("use android", UseApp(app="android")),
        ('use "my app"', UseApp(app="my app")),
        ("use “my app”", UseApp(app="my app")),
        ("use 'my app'", UseApp(app="my app")),
        ("status", ShowStatus()),
        ("status bitrise-samples/android", ShowStatus(app="bitrise-samples/android")),
        ("builds", ListBuilds()),
        ("build #12", ShowBuild(build=N12)),
        ("build 12", ShowBuild(build=N12)),
        ("build android #12", ShowBuild(app="android", build=N12)),
        ("log 3247e2920496e846", ShowLog(build=BuildRef(slug="3247e2920496e846"))),
        (f"log {UUID}", ShowLog(build=BuildRef(slug=UUID))),
        (
            "log https://app.bitrise.io/build/3247e2920496e846#?tab=log",
            ShowLog(build=BuildRef(slug="3247e2920496e846")),
        ),
        (
            "log https://www.bitrise.io/build/3247e2920496e846",
            ShowLog(build=BuildRef(slug="3247e2920496e846")),
        ),
        (
            f"artifacts <https://app.bitrise.io/app/669403bffbe35909/build/{UUID}?tab=artifacts|a link>",
            ListArtifacts(build=BuildRef(slug=UUID, app_slug="669403bffbe35909")),
        ),
        ("abort #12", AbortBuild(build=N12)),
        ("abort #12 wrong   branch: main", AbortBuild(build=N12, reason="wrong   branch: main")),
        ('abort android #12 "don\'t need it"', AbortBuild(app="android", build=N12, reason="don't need it")),
        ("abort #12 13 tests fail", AbortBuild(build=N12, reason="13 tests fail")),
        ("abort 669403bffbe35909 #12", AbortBuild(app="669403bffbe35909", build=N12)),
        ("stop 12", AbortBuild(build=N12)),
        ("rebuild android 12", RebuildBuild(app="android", build=N12)),
        ("trigger branch:main", TriggerBuild(branch="main")),
        (
            'trigger android tag:v1 workflow:release message:"a b" env:A=1 env:B=',
            TriggerBuild(
                app="android",
                tag="v1",
                workflow="release",
                message="a b",
                environments=(("A", "1"), ("B", "")),
            ),
        ),
        ("subscribe", Subscribe()),
        ("unsubscribe 3", Unsubscribe(number=3)),
        ("unsubscribe android", Unsubscribe(app="android")),
        ("subscriptions", ListSubscriptions()),
        ("whoami", WhoAmI()),
    ],
)
def test_a_line_is_parsed_into_its_command(text: str, command: Command) -> None:
    assert parse(text, surface="slash") == command


def test_filters_are_parsed_into_types() -> None:
    text = "builds android branch:main,release/* -branch:release/old status:failed,aborted event:push,pr pr:#7,8 workflow:primary"
    assert parse(text, surface="slash") == ListBuilds(
        app="android",
        filter=BuildFilter(
            branch=GlobPatterns(include=("main", "release/*"), exclude=("release/old",)),
            workflow=GlobPatterns(include=("primary",)),
            states=frozenset({BuildState.FAILED, BuildState.ABORTED}),
            events=frozenset({BuildTriggerEvent.PUSH, BuildTriggerEvent.PULL_REQUEST}),
            pull_requests=frozenset({7, 8}),
        ),
    )


def test_times_are_dates_in_utc_or_relative() -> None:
    command_typed = parse('builds since:"2026-11-20 10:00" until:2h', surface="slash")
    assert isinstance(command_typed, ListBuilds)
    assert command_typed.since is not None
    assert command_typed.until is not None
    assert command_typed.since.resolve(NOON).isoformat() == "2026-11-20T10:00:00+00:00"
    assert command_typed.until.resolve(NOON) == NOON - timedelta(hours=2)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("stauts", "Unknown command `stauts`. Did you mean `status`"),
        ("builds brnch:main", "Unknown option `brnch:`. Did you mean `branch:`?"),
        ("builds status:purple", "Unknown status `purple`"),
        ("builds event:rain", "Unknown event `rain`"),
        ("builds since:yesterdayish", "`since:yesterdayish` isn't a valid time"),
        ("builds pr:x", "`pr:x` isn't a pull request number"),
        ("builds branch:", "`branch:` needs a value"),
        ("status one two", "Unexpected word: `two`"),
        ("abort", "Which build?"),
        ("abort nonsense", "`nonsense` isn't a build"),
        ('use "open', "The quote that starts with `\"open` isn't closed"),
        ("trigger message:hi", "What should be built?"),
        ("trigger branch:a branch:b", "`branch:` can be given only once"),
        ("trigger branch:a env:nope", "`env:nope` isn't a valid variable"),
        ("subscribe status:running", "Unknown status `running`"),
        ("help nonsense", "Unknown command `nonsense`"),
        ("apps page:0", "`page:0` isn't a page number"),
    ],
)
def test_an_error_names_the_word_and_shows_a_valid_example(text: str, problem: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse(text, surface="slash")
    assert problem in str(caught.value)
    assert "For example: `/bitrise " in str(caught.value)
    parse(caught.value.example, surface="slash")


def test_every_example_of_the_help_can_be_parsed() -> None:
    for entry in BITRISE_PARSER.catalogue:
        for example in entry.examples:
            parse(example, surface="slash")


@pytest.mark.parametrize(
    "text",
    [
        "<@U0BUILDBELL> builds branch:a&amp;b",
        "<@U0BUILDBELL|buildbell>  /bitrise builds branch:a&amp;b",
        "builds branch:a&amp;b",
    ],
)
def test_a_mention_and_a_direct_message_are_parsed_alike(text: str) -> None:
    assert parse(text, surface="message") == ListBuilds(
        filter=BuildFilter(branch=GlobPatterns(include=("a&b",)))
    )


def test_invisible_characters_are_ignored() -> None:
    assert parse("use\u200b and\u202eroid\ufeff", surface="slash") == UseApp(app="android")


@given(st.text())
def test_any_line_is_a_command_or_a_command_error(text: str) -> None:
    for surface in ("slash", "message"):
        with suppress(CommandError):
            parse(text, surface=surface)


@given(st.sampled_from([entry.name for entry in BITRISE_PARSER.catalogue]), st.text())
def test_any_arguments_are_a_command_or_a_command_error(name: str, rest: str) -> None:
    with suppress(CommandError):
        parse(f"{name} {rest}", surface="slash")


def test_a_name_that_begins_like_a_url_is_still_a_name() -> None:
    command_typed = ListBuilds(filter=BuildFilter(branch=GlobPatterns(include=("//x",))))
    line = BITRISE_PARSER.format_line(command_typed)
    assert line == 'builds branch:"//x"'
    assert parse(line, surface="slash") == command_typed


@pytest.mark.parametrize("person", ["U0ANNA", "U_ANNA", "U_anna.b", "U0123-ABC", "W0:1A"])
def test_a_mention_is_accepted_with_any_form_of_slack_id(person: str) -> None:
    for typed in (f"<@{person}>", f"<@{person}|anna>"):
        command_typed = parse(f"builds by:{typed}", surface="slash")
        assert isinstance(command_typed, ListBuilds)
        assert command_typed.filter.by.include == (f"@{person}",)
        assert parse(BITRISE_PARSER.format_line(command_typed), surface="slash") == command_typed
        assert f"<@{person}>" in describe_filter(command_typed.filter)


@pytest.mark.parametrize("position", [0, 5, 12, 30, 70])
def test_no_part_of_a_secret_is_repeated_in_an_error_that_cuts_the_input(position: int) -> None:
    secret_text = f"{'x' * position} {CANARIES['GitHub token']}"
    for line in (f'"{secret_text}', f'use "{secret_text}', f"use '{secret_text} and more"):
        for grammar in PARSERS:
            with pytest.raises(CommandError) as caught:
                parse(line, surface="slash", parser=grammar)
            assert leaked_kinds(str(caught.value)) == []
    with pytest.raises(UnknownApp) as unknown:
        match_app(secret_text, [], provider=BITRISE)
    assert leaked_kinds(str(unknown.value)) == []


def test_an_invalid_variable_is_reported_before_a_missing_argument() -> None:
    with pytest.raises(CommandError, match="`env:X` isn't a valid variable"):
        parse("trigger env:X", surface="slash")


@pytest.mark.parametrize(("total", "expected"), [(1, "lists the only one."), (3, "lists all 3.")])
def test_an_unknown_app_error_counts_the_apps_correctly(total: int, expected: str) -> None:
    apps = [App(provider=BITRISE, slug=f"a-{number}", title=f"Shop {number}") for number in range(total)]
    with pytest.raises(UnknownApp) as unknown:
        match_app("nosuch", apps, provider=BITRISE)
    assert str(unknown.value).endswith(expected)
