"""What the watcher knows before a look, and what a look has seen: the same for every provider. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.build import App, Build, Frozen, State
from bot.pipeline import Pipeline
from bot.provider import Provider


class Baseline(Frozen):
    """What was there when the watching of an app began: none of it is told, what is open is followed.

    `at` is the trigger time of the newest build then, None where the app had none.
    """

    builds: tuple[Build, ...] = ()
    at: datetime | None = None


class WatchedApp(Frozen):
    """An app that a subscription waits for.

    `since`: a list of the builds triggered from then on holds every build not known yet.
    `joined`: whether a look at all apps at once covers it already.
    """

    app: App
    since: datetime | None
    joined: bool


class OpenBuild(Frozen):
    """A build that had not ended at the last look."""

    app_slug: str
    slug: str
    state: State
    misses: int = 0


class WatchState(Frozen):
    """All that one token's next look needs to know; `pipelines` are those that had not ended."""

    apps: Mapping[str, WatchedApp]
    open_builds: Mapping[str, OpenBuild]
    per_app_since: datetime | None = None
    seen_until: datetime | None = None
    pipelines: Sequence[Pipeline] = ()


class Sighting(Frozen):
    """What one look has seen: builds of watched apps, and how far it has read."""

    token: str
    provider: Provider = Provider.BITRISE
    builds: tuple[Build, ...] = ()
    joined: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    unjoined: tuple[str, ...] = ()
    per_app_since: datetime | None = None
    seen_until: datetime | None = None
    pipelines: tuple[Pipeline, ...] = ()
    pipelines_gone: tuple[str, ...] = ()
