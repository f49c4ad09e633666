"""What can be typed behind `/bitrise`."""

from domain.commands import shared_command_help
from domain.commands.parser import CommandParser
from domain.provider import Provider
from providers.bitrise.command_help import CATALOGUE
from providers.bitrise.command_parser import READERS

_ALIASES = {
    **shared_command_help.ALIASES,
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

BITRISE = CommandParser(
    provider=Provider.BITRISE,
    catalogue=CATALOGUE,
    readers=READERS,
    aliases=_ALIASES,
    names="bitrise",
    example="status",
)
