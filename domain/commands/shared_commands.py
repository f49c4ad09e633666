"""The commands that several providers have, and what starts a build: one class each, with the arguments as types."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

from domain.build_filter import BuildFilter
from domain.commands import arguments as filter_arguments
from domain.commands import notification_arguments
from domain.commands.arguments import TimeArgument, format_switch, parse_switch, parse_time, parse_variable
from domain.commands.command import (
    AppArgument,
    ArgumentReader,
    BuildArgument,
    Command,
    Flag,
    Option,
    OptionArgument,
    OptionGroup,
    Word,
)
from domain.commands.errors import CommandError, quote_typed
from domain.commands.tokenizer import format_options
from domain.notifications.rule import InvalidNotificationRule, NotificationRule, validate_rule

SwitchArgument = Annotated[bool | None, Option(parse_switch, format_switch, usage="{key}:on|off")]


class ShowHelp(Command):
    """Show the help; `topic` is a command's name."""

    topic: Annotated[str | None, Word("COMMAND")] = None

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> ShowHelp:
        """Parse the name of a command, which may have two words."""
        topic = " ".join(token.text for token in arguments.take_positionals())
        arguments.expect_end()
        return cls(topic=arguments.find_name(topic) if topic else None)


class ListApps(Command):
    """List the apps; `team` narrows them, if the provider has teams."""

    page: Annotated[int, Option()] = 1
    team: OptionArgument = None

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> ListApps:
        """Parse the page, and the options that narrow the list at this provider."""
        options = arguments.take_single_options("page", *arguments.definition.options)
        page = options.pop("page", "1")
        if not page.isdecimal() or len(page) > 5 or not 1 <= int(page) <= 10_000:
            arguments.fail(f"{quote_typed(f'page:{page}')} isn't a page number.")
        return cls(page=int(page), **options)


class UseApp(Command):
    """Choose the channel's default app; without `app`, from a list."""

    app: AppArgument = None


class WhoAmI(Command):
    """Show the person's account, and whose token is used for them."""


class ConnectAccount(Command):
    """Connect one's own account at the provider."""

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> ConnectAccount:
        """Reject any argument. It may be the token itself, so it is not repeated."""
        if arguments.tokens:
            raise CommandError(
                "Don't type a token here: Slack keeps what you type. If that was one, revoke it at"
                f" {arguments.provider.label}. `connect` alone opens a dialog for it.",
                example="connect",
            )
        return cls()


class DisconnectAccount(Command):
    """Delete one's own token."""


class ListAccessRules(Command):
    """Show who may do what."""

    app: AppArgument = None


class ShowAuditLog(Command):
    """Show the actions that were done or refused: in this channel, for the app of this name, or everywhere."""

    app: AppArgument = None
    everywhere: Annotated[bool, Flag("all")] = False

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> ShowAuditLog:
        """Parse the app, or the word `all`."""
        command = super().parse(arguments)
        if command.everywhere and command.app is not None:
            arguments.fail(f"Unexpected word: {quote_typed(command.app)}.")
        return command


class ShowStatus(Command):
    """Show what runs now, and the last result of each branch."""

    app: AppArgument = None


FilterArgument = Annotated[
    BuildFilter,
    OptionGroup(
        (*filter_arguments.FILTER_KEYS, "status"),
        filter_arguments.parse_filter,
        filter_arguments.format_filter,
        usage="FILTERS",
    ),
]
TimeOption = Annotated[TimeArgument | None, Option(parse_time, lambda time: time.text)]


class ListBuilds(Command):
    """List the builds of an app that match a filter."""

    app: AppArgument = None
    filter: FilterArgument = BuildFilter()
    since: TimeOption = None
    until: TimeOption = None


class ShowBuild(Command):
    """Show one build."""

    app: AppArgument = None
    build: BuildArgument


class Subscribe(Command):
    """Notify the channel of an app's builds; with `preview`, only show which recent builds would have matched.

    `zone_given` is False if times are meant in the person's own time zone.
    """

    app: AppArgument = None
    terms: NotificationRule = NotificationRule()
    preview: Annotated[bool, Flag("preview")] = False
    zone_given: bool = False

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> Subscribe:
        """Parse the app and the rule; the options are the filters of this provider."""
        preview = arguments.take_flag("preview")
        app = arguments.take_positional()
        options = arguments.take_options(*arguments.definition.options, *notification_arguments.KEYS)
        rule = NotificationRule(
            filter=filter_arguments.parse_filter({key: options[key] for key in options if key != "status"})
        )
        rule_options = {key: options[key] for key in notification_arguments.KEYS if key in options}
        rule = rule.model_copy(update=notification_arguments.parse_rule(rule_options))
        try:
            validate_rule(rule)
        except InvalidNotificationRule as problem:
            arguments.fail(str(problem))
        return cls(app=app, terms=rule, preview=preview, zone_given="zone" in options)

    def format(self, reserved: Collection[str] = ()) -> str:
        """Format the app and the rule, with the time zone only if it was given."""
        rule = [
            (key, text)
            for key, text in notification_arguments.format_rule_options(self.terms)
            if key != "zone" or self.zone_given
        ]
        return f"{super().format(reserved)} {format_options(rule)}".strip()


class Unsubscribe(Command):
    """End a subscription by its number, or all of an app."""

    app: AppArgument = None
    number: Annotated[int | None, Word()] = None

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> Unsubscribe:
        """Parse the app or the number."""
        app_or_number = arguments.take_positional()
        arguments.expect_end()
        if app_or_number is not None and app_or_number.lstrip("#").isdecimal() and len(app_or_number) < 10:
            return cls(number=int(app_or_number.lstrip("#")))
        return cls(app=app_or_number)


class ListSubscriptions(Command):
    """List the channel's subscriptions."""


class ExplainNotification(Command):
    """Explain which subscription notified of a build, or why none did."""

    app: AppArgument = None
    build: BuildArgument


class ListMyBuilds(Command):
    """List the person's own builds."""


class ShowProfile(Command):
    """Show the person's profile and change it; fields that are None stay as they are."""

    name: OptionArgument = None
    mention: SwitchArgument = None
    ends: SwitchArgument = None

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> ShowProfile:
        """Parse the fields to change."""
        command = super().parse(arguments)
        if command.name is None:
            return command
        name = command.name.strip().removeprefix("@")
        if not 0 < len(name) <= 100:
            arguments.fail(f"`name:` needs the name that {arguments.provider.label} shows with your builds.")
        return command.model_copy(update={"name": name})


def _parse_variables(options: Mapping[str, Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple(map(_parse_variable, options.get("env", ())))


def _parse_variable(text: str) -> tuple[str, str]:
    variable = parse_variable(text)
    if variable is None:
        raise CommandError(
            f"{quote_typed(f'env:{text}')} isn't a valid variable. Write it as `env:KEY=value`.",
            example="trigger branch:main env:DRY_RUN=1",
        )
    return variable


_VARIABLES = OptionGroup(
    ("env",),
    _parse_variables,
    lambda variables: [("env", f"{name}={value}") for name, value in variables],
    usage="env:KEY=VALUE",
)


class TriggerBuild(Command):
    """Start a build; without a branch, tag or the like, open the form."""

    app: AppArgument = None
    branch: OptionArgument = None
    tag: OptionArgument = None
    commit: OptionArgument = None
    workflow: OptionArgument = None
    pipeline: OptionArgument = None
    message: OptionArgument = None
    environments: Annotated[tuple[tuple[str, str], ...], _VARIABLES] = ()

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> TriggerBuild:
        """Parse the app and what to build."""
        command = super().parse(arguments)
        if not command.names_something and (command.message or command.environments):
            arguments.fail("What should be built? Give a branch, tag, commit, workflow or pipeline.")
        return command

    @property
    def names_something(self) -> bool:
        """Return whether it says what to build (Bitrise API v0.1, build-trigger: at least one of these)."""
        return any((self.branch, self.tag, self.commit, self.workflow, self.pipeline))
