"""Every registered command of every provider can be formatted as it would be typed, and parsed again."""

from __future__ import annotations

from datetime import time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.build import BuildState
from domain.build_filter import BuildFilter, BuildTriggerEvent, GlobPatterns
from domain.commands.arguments import BuildRef, TimeArgument
from domain.commands.command import Command
from domain.commands.errors import CommandError
from domain.commands.parser import CommandParser
from domain.commands.shared_commands import (
    ConnectAccount,
    DisconnectAccount,
    ExplainNotification,
    ListAccessRules,
    ListApps,
    ListBuilds,
    ListMyBuilds,
    ListSubscriptions,
    ShowAuditLog,
    ShowBuild,
    ShowHelp,
    ShowProfile,
    ShowStatus,
    Subscribe,
    TriggerBuild,
    Unsubscribe,
    UseApp,
    WhoAmI,
)
from domain.notifications.rule import (
    DeliveryStyle,
    InvalidNotificationRule,
    NotificationRule,
    QuietHours,
    Result,
    Weekday,
    validate_rule,
)
from providers.bitrise.artifacts.commands import ListArtifacts
from providers.bitrise.build_requests.commands import ListBuildRequests
from providers.bitrise.builds.commands import AbortBuild, RebuildBuild
from providers.bitrise.config.commands import ShowYml
from providers.bitrise.logs.commands import ShowLog
from providers.bitrise.pipelines.commands import ListPipelines, ShowPipeline
from tests.providers.buildio import commands as buildio
from tests.support.commands import BITRISE_PARSER, BUILDIO_PARSER, PARSERS, parse

# Text with every kind of quotes, or that looks like one of Slack's own links, can't be typed.
NAME = st.text(alphabet="abcXYZ019-_/.* é':\"“", min_size=1, max_size=12).filter(
    lambda name: name.strip() == name
)
MAYBE = st.none() | NAME
KEY = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)
KEYS = st.lists(KEY, min_size=1, max_size=3, unique=True).map(tuple)
IN_CAPITALS = st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True)
HOST = st.from_regex(r"(\*\.)?[a-z0-9]{1,5}\.[a-z]{1,5}", fullmatch=True)
DYNO = st.from_regex(r"[a-z]{1,5}\.[0-9]{1,3}", fullmatch=True)
ARRAY = st.lists(st.text(alphabet="abc -'\"\\$|*:=<é“’\n", max_size=10), min_size=1, max_size=4).map(tuple)
GLOBS = st.lists(NAME, min_size=1, max_size=3).map(tuple)
PATTERNS = st.builds(GlobPatterns, include=st.just(()) | GLOBS, exclude=st.just(()) | GLOBS)
AUTHORS = st.lists(
    st.sampled_from(["bot", "@me", "@U0ANNA", "octo*", "Anna Ä"]), max_size=3, unique=True
).map(tuple)
KINDS = st.lists(st.sampled_from(["no-changes", "rolling-builds", "our-own"]), max_size=2).map(tuple)
FILTER_FIELDS = {
    "branch": PATTERNS,
    "target": PATTERNS,
    "tag": PATTERNS,
    "workflow": PATTERNS,
    "by": st.builds(GlobPatterns, include=AUTHORS, exclude=AUTHORS),
    "aborted": st.builds(GlobPatterns, include=KINDS, exclude=KINDS),
    "events": st.frozensets(st.sampled_from(BuildTriggerEvent)),
    "pull_requests": st.frozensets(st.integers(1, 10**6), max_size=3),
}
STATES = st.frozensets(st.sampled_from([state for state in BuildState if state is not BuildState.UNKNOWN]))
FILTERS = st.builds(BuildFilter, states=STATES, **FILTER_FIELDS)
TIMES = st.builds(TimeArgument, text=st.sampled_from(["2d", "30 m", "1w"])).map(
    lambda time_: TimeArgument(
        text=time_.text,
        ago={"2d": timedelta(days=2), "30 m": timedelta(minutes=30), "1w": timedelta(weeks=1)}[time_.text],
    )
)
CLOCK = st.builds(time, st.integers(0, 23), st.integers(0, 59))
LIMIT = st.none() | st.integers(1, 6000).map(lambda minutes: timedelta(minutes=minutes))


def is_valid(rule: NotificationRule) -> bool:
    try:
        validate_rule(rule)
    except InvalidNotificationRule:
        return False
    return True


@st.composite
def subscriptions(draw: st.DrawFn) -> Subscribe:
    style = draw(st.sampled_from(DeliveryStyle))
    digest = style in (DeliveryStyle.DAILY, DeliveryStyle.WEEKLY)
    quiet = draw(st.none() | st.builds(QuietHours, start=CLOCK, end=CLOCK))
    zone_given = draw(st.booleans()) and (digest or quiet is not None)
    rule = NotificationRule(
        filter=draw(st.builds(BuildFilter, **FILTER_FIELDS)),
        results=draw(st.frozensets(st.sampled_from(Result))),
        started=draw(st.booleans()),
        on_hold_over=draw(LIMIT),
        running_over=draw(LIMIT),
        style=style,
        at=draw(CLOCK) if digest else time(9),
        on=draw(st.sampled_from(Weekday)) if style is DeliveryStyle.WEEKLY else Weekday.MONDAY,
        zone=draw(st.sampled_from(["UTC", "Europe/Berlin"])) if zone_given else "UTC",
        quiet=quiet,
        broadcast=draw(st.booleans()),
    )
    return Subscribe(app=draw(MAYBE), terms=rule, preview=draw(st.booleans()), zone_given=zone_given)


SUBSCRIPTIONS = subscriptions().filter(lambda command: is_valid(command.terms))
APP_COMMANDS = (UseApp, ListAccessRules)
SHARED = (
    *(st.builds(command, app=MAYBE) for command in APP_COMMANDS),
    *map(st.builds, (WhoAmI, ConnectAccount, DisconnectAccount, ListSubscriptions)),
    st.builds(ShowAuditLog, app=MAYBE) | st.builds(ShowAuditLog, everywhere=st.just(True)),
    st.builds(Unsubscribe, app=MAYBE.filter(lambda name: name is None or not name.isdecimal())),
    st.builds(Unsubscribe, number=st.integers(1, 10**8)),
)


def is_no_build(parser: CommandParser, text: str) -> bool:
    return parser.parse_build_ref(text) is None


def build_commands(parser: CommandParser, *commands: type[Command]) -> list[st.SearchStrategy[Command]]:
    slug = st.from_regex(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", fullmatch=True)
    refs = st.builds(BuildRef, number=st.integers(1, 10**8)) | st.builds(BuildRef, slug=slug)
    apps = st.none() | NAME.filter(lambda name: is_no_build(parser, name))
    return [st.builds(command, app=apps, build=refs) for command in commands]


REASON = st.text(alphabet="abc -'\"“:#/.\n", min_size=1, max_size=20).filter(
    lambda reason: is_no_build(BITRISE_PARSER, reason.split(maxsplit=1)[0] if reason.split() else "")
)
AT_BITRISE = st.one_of(
    *SHARED,
    st.builds(ListMyBuilds),
    st.builds(
        ShowProfile,
        name=MAYBE.filter(lambda name: name is None or name[0] != "@"),
        mention=st.none() | st.booleans(),
        ends=st.none() | st.booleans(),
    ),
    *build_commands(
        BITRISE_PARSER,
        ShowBuild,
        RebuildBuild,
        ShowLog,
        ListArtifacts,
        ExplainNotification,
        AbortBuild,
        ShowYml,
    ),
    st.builds(AbortBuild, build=st.just(BuildRef(number=12)), reason=REASON),
    st.builds(ShowYml, app=MAYBE.filter(lambda name: name is None or is_no_build(BITRISE_PARSER, name))),
    SUBSCRIPTIONS,
    st.builds(ListBuilds, app=MAYBE, filter=FILTERS, since=st.none() | TIMES, until=st.none() | TIMES),
    *(st.builds(command, app=MAYBE) for command in (ShowStatus, ListPipelines, ListBuildRequests)),
    st.builds(
        ShowHelp, topic=st.none() | st.sampled_from([entry.name for entry in BITRISE_PARSER.catalogue])
    ),
    st.builds(ListApps, page=st.integers(1, 10_000)),
    st.builds(ShowPipeline, app=MAYBE, number=st.integers(1, 10**8)),
    st.builds(ShowPipeline, app_slug=st.just("0123456789abcdef"), pipeline_id=st.just("a-1")),
    st.builds(
        TriggerBuild,
        app=MAYBE,
        branch=NAME,
        tag=MAYBE,
        commit=MAYBE,
        workflow=MAYBE,
        pipeline=MAYBE,
        message=MAYBE,
        environments=st.lists(st.tuples(KEY, st.just("") | NAME), max_size=3).map(tuple),
    ),
)
AT_BUILDIO = st.one_of(
    *SHARED,
    *build_commands(BUILDIO_PARSER, ExplainNotification),
    SUBSCRIPTIONS.map(
        lambda command: command.model_copy(
            update={
                "terms": command.terms.model_copy(
                    update={
                        "filter": BuildFilter(
                            branch=command.terms.filter.branch,
                            workflow=command.terms.filter.workflow,
                            by=command.terms.filter.by,
                        )
                    }
                )
            }
        )
    ),
    st.builds(
        ShowHelp, topic=st.none() | st.sampled_from([entry.name for entry in BUILDIO_PARSER.catalogue])
    ),
    st.builds(ListApps, page=st.integers(1, 10_000), team=MAYBE),
    st.builds(buildio.ShowApp, app=MAYBE),
    st.builds(buildio.CreateApp, name=MAYBE, team=MAYBE, region=MAYBE),
    st.builds(buildio.Deploy, app=MAYBE, branch=MAYBE, message=MAYBE),
    st.builds(buildio.Deploy, app=MAYBE, commit=MAYBE),
    st.builds(buildio.ListDynos, app=MAYBE),
    st.builds(buildio.RestartDynos, app=NAME, dyno=MAYBE),
    st.builds(buildio.RestartDynos, dyno=st.none() | DYNO),
    st.builds(buildio.RunCommand, app=MAYBE, dyno=MAYBE, command=st.just(()) | ARRAY),
    st.builds(buildio.ListConfig, app=MAYBE),
    st.builds(buildio.GetConfig, app=MAYBE, key=KEY),
    st.builds(buildio.SetConfig, app=st.none(), key=st.none() | KEY),
    st.builds(buildio.SetConfig, app=NAME, key=KEY),
    st.builds(buildio.UnsetConfig, app=NAME, keys=KEYS),
    st.builds(
        buildio.UnsetConfig, keys=st.lists(IN_CAPITALS, min_size=1, max_size=3, unique=True).map(tuple)
    ),
    st.builds(buildio.ListDomains, app=MAYBE),
    st.builds(buildio.AddDomain, app=MAYBE, host=st.none() | HOST),
    st.builds(buildio.RemoveDomain, app=MAYBE, host=HOST),
    st.builds(buildio.ClearDomains, app=MAYBE),
    st.builds(buildio.ListPipelines),
    st.builds(buildio.ShowPipeline, name=NAME),
    st.builds(buildio.ListEnvironments),
    st.builds(buildio.ShowEnvironment, id=NAME),
    st.builds(buildio.SetEnvironment, id=NAME, key=st.none() | KEY),
    st.builds(buildio.UnsetEnvironment, id=NAME, keys=KEYS),
    st.builds(buildio.ListNamespaces),
    st.builds(buildio.ShowNamespace, name=NAME),
    st.builds(buildio.CreateNamespace, name=MAYBE, team=MAYBE, region=MAYBE, description=MAYBE),
    st.builds(buildio.DeleteNamespace, name=MAYBE),
    st.builds(buildio.ListTeams),
    st.builds(buildio.ShowTeam, team=NAME),
    st.builds(buildio.Login, region=NAME),
    st.builds(buildio.ListDeployLinks),
    st.builds(buildio.CreateDeployLink, app=MAYBE, bitrise=NAME, branches=st.just(()) | GLOBS),
    st.builds(buildio.DeleteDeployLink, app=MAYBE, bitrise=MAYBE),
)


@given(AT_BITRISE)
def test_a_formatted_command_of_bitrise_is_parsed_into_the_same_command(command: Command) -> None:
    assert parse(BITRISE_PARSER.format_line(command), surface="slash") == command


@given(AT_BUILDIO)
def test_a_formatted_command_of_buildio_is_parsed_into_the_same_command(command: Command) -> None:
    line = BUILDIO_PARSER.format_line(command)
    assert parse(line, surface="slash", parser=BUILDIO_PARSER) == command


def test_every_example_of_the_help_survives_formatting() -> None:
    formatted = set()
    for parser in PARSERS:
        for definition in parser.catalogue:
            for example in (definition.name, *definition.examples):
                try:
                    command = parser.parse_line(example)
                except CommandError:  # some names can't stand alone
                    continue
                assert parser.parse_line(parser.format_line(command)) == command
                formatted.add(type(command))
    assert formatted >= {definition.command for parser in PARSERS for definition in parser.catalogue}
