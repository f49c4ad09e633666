"""What people type: words in, a command out. Pure; knows no Slack and does no I/O."""

from bot.commands.app_names import AmbiguousApp, UnknownApp, find_app
from bot.commands.catalogue import CATALOGUE, Entry, entry_for, markdown
from bot.commands.errors import CommandError
from bot.commands.model import (
    AbortBuild,
    BuildRef,
    Command,
    Help,
    ListApps,
    ListArtifacts,
    ListBuilds,
    Moment,
    Rebuild,
    ShowBuild,
    ShowLog,
    Status,
    Subscribe,
    Subscriptions,
    TriggerBuild,
    Unsubscribe,
    UseApp,
    WhoAmI,
)
from bot.commands.parsing import Surface, parse
from bot.commands.wording import describe, list_words, words

__all__ = [
    "CATALOGUE",
    "AbortBuild",
    "AmbiguousApp",
    "BuildRef",
    "Command",
    "CommandError",
    "Entry",
    "Help",
    "ListApps",
    "ListArtifacts",
    "ListBuilds",
    "Moment",
    "Rebuild",
    "ShowBuild",
    "ShowLog",
    "Status",
    "Subscribe",
    "Subscriptions",
    "Surface",
    "TriggerBuild",
    "UnknownApp",
    "Unsubscribe",
    "UseApp",
    "WhoAmI",
    "describe",
    "entry_for",
    "find_app",
    "list_words",
    "markdown",
    "parse",
    "words",
]
