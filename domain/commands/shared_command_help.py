"""The commands that every provider has: their help, parse functions and aliases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from domain.commands import filter_arguments, notification_arguments
from domain.commands.errors import CommandError
from domain.commands.help import CommandHelp
from domain.commands.parser import ArgumentReader, ParseFunction
from domain.commands.shared_commands import (
    Command,
    ConnectAccount,
    DisconnectAccount,
    ExplainNotification,
    ListAccessRules,
    ListApps,
    ListSubscriptions,
    ShowAuditLog,
    ShowHelp,
    Subscribe,
    Unsubscribe,
    UseApp,
    WhoAmI,
)
from domain.notifications.rule import InvalidNotificationRule, NotificationRule, validate_rule
from domain.provider import Provider

ALIASES = {"subs": "subscriptions", "?": "help", "logout": "disconnect", "rules": "policy"}


def shared_help(provider: Provider, *, app: str, named: str) -> Mapping[str, CommandHelp]:
    """Return their help, by name. The examples use `app`; `named` says how apps are named."""
    at = f"at {provider.label}"
    commands = (
        CommandHelp(
            "help", "help [COMMAND]", "What you can type, or one command in full.", ("help", "help subscribe")
        ),
        CommandHelp(
            "use",
            "use [APP]",
            "Choose this channel's app, so that nobody has to name it.",
            (f"use {app}", "use"),
            (named,),
        ),
        CommandHelp(
            "unsubscribe",
            "unsubscribe [APP | NUMBER]",
            "End it, for an app or for one numbered subscription.",
            (f"unsubscribe {app}", "unsubscribe 3"),
        ),
        CommandHelp("subscriptions", "subscriptions", "What this channel is told of.", ("subscriptions",)),
        CommandHelp(
            "connect",
            "connect",
            f"Link your own account {at}, so that I act as you.",
            ("connect",),
            ("The token is pasted into a dialog. Never type it into a message: Slack keeps those.",),
            secret=True,
        ),
        CommandHelp("disconnect", "disconnect", "Wipe your token.", ("disconnect",)),
        CommandHelp("whoami", "whoami", f"Who you are {at}, and with whose token I answer you.", ("whoami",)),
        CommandHelp(
            "policy",
            "policy [APP]",
            "Who may do what here, and why; admins can add rules.",
            ("policy", f"policy {app}"),
            (named,),
        ),
        CommandHelp(
            "audit",
            "audit [APP | all]",
            "What was done and refused in this channel; admins see all of it.",
            ("audit", f"audit {app}", "audit all"),
            (named,),
        ),
    )
    return {command.name: command for command in commands}


def make_app_parser(make: Callable[..., Command]) -> ParseFunction:
    """Make the parse function of a command whose only argument is an optional app."""

    def parse(arguments: ArgumentReader) -> Command:
        app = arguments.take_positional()
        arguments.expect_end()
        return make(app=app)

    return parse


def make_empty_parser(make: Callable[[], Command]) -> ParseFunction:
    """Make the parse function of a command without arguments."""

    def parse(arguments: ArgumentReader) -> Command:
        arguments.expect_end()
        return make()

    return parse


def make_build_parser(make: Callable[..., Command]) -> ParseFunction:
    """Make the parse function of a command whose arguments are an optional app and a build."""

    def parse(arguments: ArgumentReader) -> Command:
        app, build = arguments.take_app_and_build()
        arguments.expect_end()
        return make(app=app, build=build)

    return parse


def make_apps_parser(*filters: str) -> ParseFunction:
    """Make the parse function of a list of apps; `filters` are the keys of other fields that narrow it."""

    def parse(arguments: ArgumentReader) -> ListApps:
        options = arguments.take_single_options("page", *filters)
        page = options.pop("page", "1")
        if not page.isdecimal() or len(page) > 5 or not 1 <= int(page) <= 10_000:
            arguments.fail(f"page:{page} is no page.")
        return ListApps(page=int(page), **options)

    return parse


def make_subscribe_parser(filter_keys: Sequence[str]) -> ParseFunction:
    """Make the parse function of `subscribe` with these filters."""

    def parse(arguments: ArgumentReader) -> Subscribe:
        names = [token for token in arguments.tokens if token.key is None]
        preview = any(token.text.casefold() == "preview" and not token.quoted for token in names)
        arguments.tokens = [
            token
            for token in arguments.tokens
            if token.key or token.quoted or token.text.casefold() != "preview"
        ]
        app = arguments.take_positional()
        options = arguments.take_options(*filter_keys, *notification_arguments.KEYS)
        rule = NotificationRule(
            filter=filter_arguments.parse_filter({key: options[key] for key in options if key != "status"})
        )
        rule_options = {key: options[key] for key in notification_arguments.KEYS if key in options}
        rule = rule.model_copy(update=notification_arguments.parse_rule(rule_options))
        try:
            validate_rule(rule)
        except InvalidNotificationRule as problem:
            arguments.fail(str(problem))
        return Subscribe(app=app, terms=rule, preview=preview, zone_given="zone" in options)

    return parse


def _parse_help(arguments: ArgumentReader) -> ShowHelp:
    topic = " ".join(token.text for token in arguments.take_positionals())
    arguments.expect_end()
    if not topic:
        return ShowHelp()
    command = arguments.parser.find_help(topic)
    if command is None:
        arguments.parser.reject_unknown(topic.casefold())
    return ShowHelp(topic=command.name)


def _parse_unsubscribe(arguments: ArgumentReader) -> Unsubscribe:
    app_or_number = arguments.take_positional()
    arguments.expect_end()
    if app_or_number is not None and app_or_number.lstrip("#").isdecimal() and len(app_or_number) < 10:
        return Unsubscribe(number=int(app_or_number.lstrip("#")))
    return Unsubscribe(app=app_or_number)


def _parse_connect(arguments: ArgumentReader) -> ConnectAccount:
    if arguments.tokens:
        # It may be the token itself, so it is not repeated.
        raise CommandError(
            "Type no token here: Slack keeps what is typed. If that was one, revoke it at"
            f" {arguments.parser.provider.label}. `connect` alone opens a dialog for it.",
            example="connect",
        )
    return ConnectAccount()


def _parse_audit(arguments: ArgumentReader) -> ShowAuditLog:
    app = arguments.take_positional()
    arguments.expect_end()
    if app is not None and app.casefold() == "all":
        return ShowAuditLog(everywhere=True)
    return ShowAuditLog(app=app)


PARSE_FUNCTIONS: Mapping[str, ParseFunction] = {
    "help": _parse_help,
    "use": make_app_parser(UseApp),
    "unsubscribe": _parse_unsubscribe,
    "subscriptions": make_empty_parser(ListSubscriptions),
    "connect": _parse_connect,
    "disconnect": make_empty_parser(DisconnectAccount),
    "whoami": make_empty_parser(WhoAmI),
    "policy": make_app_parser(ListAccessRules),
    "audit": _parse_audit,
    "why": make_build_parser(ExplainNotification),
}
