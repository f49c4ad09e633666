"""What Build.io alone is asked for: its answers, by their commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot import commands
from bot.commands import buildio as own
from handlers.buildio import apps
from handlers.caller import Answer, Caller

ANSWERS: Mapping[type[Any], Callable[[Any, Caller], Awaitable[Answer | None]]] = {
    commands.ListApps: apps.list_apps,
    own.ShowApp: apps.show,
}
