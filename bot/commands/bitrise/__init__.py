"""What can be typed behind `/bitrise`."""

from bot.commands import alike
from bot.commands.bitrise.catalogue import CATALOGUE
from bot.commands.bitrise.reading import READERS
from bot.commands.grammar import Grammar
from bot.provider import Provider

_ALIASES = {
    **alike.ALIASES,
    "list": "builds",
    "logs": "log",
    "artifact": "artifacts",
    "yaml": "yml",
    "config": "yml",
    "stop": "abort",
    "cancel": "abort",
    "start": "trigger",
    "run": "trigger",
    "retry": "rebuild",
    "show": "build",
    "link": "connect",
    "login": "connect",
    "unlink": "disconnect",
}

BITRISE = Grammar(
    provider=Provider.BITRISE,
    catalogue=CATALOGUE,
    readers=READERS,
    aliases=_ALIASES,
    names="bitrise",
    example="status",
)
