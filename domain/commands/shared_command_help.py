"""The commands that every provider has: their help, how they are read, and other words for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from domain.commands import filter_arguments, notification_arguments
from domain.commands.errors import CommandError
from domain.commands.help import CommandHelp
from domain.commands.parser import ArgumentReader, Reader
from domain.commands.shared_commands import (
    Command,
    Connect,
    Disconnect,
    Help,
    ListAccessRules,
    ListApps,
    ShowAudit,
    Subscribe,
    Subscriptions,
    Unsubscribe,
    UseApp,
    WhoAmI,
    Why,
)
from domain.notifications.rule import InvalidNotificationRule, NotificationRule, check
from domain.provider import Provider

ALIASES = {"subs": "subscriptions", "?": "help", "logout": "disconnect", "rules": "policy"}


def entries(provider: Provider, *, app: str, named: str) -> Mapping[str, CommandHelp]:
    """Their help, by their names. `app` is one to name in examples, `named` says how apps are named."""
    at = f"at {provider.label}"
    found = (
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
    return {entry.name: entry for entry in found}


def of_an_app(make: Callable[..., Command]) -> Reader:
    """A reader of at most an app."""

    def read(words: ArgumentReader) -> Command:
        app = words.plain()
        words.nothing_more()
        return make(app=app)

    return read


def of_nothing(make: Callable[[], Command]) -> Reader:
    """A reader of nothing but the command itself."""

    def read(words: ArgumentReader) -> Command:
        words.nothing_more()
        return make()

    return read


def of_a_build(make: Callable[..., Command]) -> Reader:
    """A reader of a build, and maybe its app."""

    def read(words: ArgumentReader) -> Command:
        app, build = words.build()
        words.nothing_more()
        return make(app=app, build=build)

    return read


def apps(*more: str) -> Reader:
    """A reader of a list of apps; `more` are other fields that narrow it."""

    def read(words: ArgumentReader) -> ListApps:
        keyed = words.keyed_once("page", *more)
        page = keyed.pop("page", "1")
        if not page.isdecimal() or len(page) > 5 or not 1 <= int(page) <= 10_000:
            words.wrong(f"page:{page} is no page.")
        return ListApps(page=int(page), **keyed)

    return read


def subscribe(filter_keys: Sequence[str]) -> Reader:
    """A reader of a subscription with these filters."""

    def read(words: ArgumentReader) -> Subscribe:
        names = [token for token in words.left if token.key is None]
        preview = any(token.text.casefold() == "preview" and not token.quoted for token in names)
        words.left = [
            token for token in words.left if token.key or token.quoted or token.text.casefold() != "preview"
        ]
        app = words.plain()
        keyed = words.keyed(*filter_keys, *notification_arguments.KEYS)
        terms = NotificationRule(
            filter=filter_arguments.read({key: keyed[key] for key in keyed if key != "status"})
        )
        asked = {key: keyed[key] for key in notification_arguments.KEYS if key in keyed}
        terms = terms.model_copy(update=notification_arguments.read(asked))
        try:
            check(terms)
        except InvalidNotificationRule as problem:
            words.wrong(str(problem))
        return Subscribe(app=app, terms=terms, preview=preview, zone_given="zone" in keyed)

    return read


def _help(words: ArgumentReader) -> Help:
    topic = " ".join(token.text for token in words.several())
    words.nothing_more()
    if not topic:
        return Help()
    entry = words.grammar.entry_for(topic)
    if entry is None:
        words.grammar.unknown(topic.casefold())
    return Help(topic=entry.name)


def _unsubscribe(words: ArgumentReader) -> Unsubscribe:
    what = words.plain()
    words.nothing_more()
    if what is not None and what.lstrip("#").isdecimal() and len(what) < 10:
        return Unsubscribe(number=int(what.lstrip("#")))
    return Unsubscribe(app=what)


def _connect(words: ArgumentReader) -> Connect:
    if words.left:
        # Whatever stands there may be the token itself, so it is not said again.
        raise CommandError(
            "Type no token here: Slack keeps what is typed. If that was one, revoke it at"
            f" {words.grammar.provider.label}. `connect` alone opens a dialog for it.",
            example="connect",
        )
    return Connect()


def _audit(words: ArgumentReader) -> ShowAudit:
    app = words.plain()
    words.nothing_more()
    if app is not None and app.casefold() == "all":
        return ShowAudit(everywhere=True)
    return ShowAudit(app=app)


READERS: Mapping[str, Reader] = {
    "help": _help,
    "use": of_an_app(UseApp),
    "unsubscribe": _unsubscribe,
    "subscriptions": of_nothing(Subscriptions),
    "connect": _connect,
    "disconnect": of_nothing(Disconnect),
    "whoami": of_nothing(WhoAmI),
    "policy": of_an_app(ListAccessRules),
    "audit": _audit,
    "why": of_a_build(Why),
}
