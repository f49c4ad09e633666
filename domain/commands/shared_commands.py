"""The commands that all providers have, and Bitrise's: one class each, with what was asked for as types."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.build import FrozenModel
from domain.build_filter import BuildFilter
from domain.notifications.rule import NotificationRule


class BuildRef(FrozenModel):
    """Which build: its number, or its slug, and from a pasted link maybe its app's slug."""

    number: int | None = None
    slug: str | None = None
    app_slug: str | None = None

    def __str__(self) -> str:
        return f"#{self.number}" if self.number is not None else str(self.slug)


class TimeArgument(FrozenModel):
    """A time, or how long ago; `text` is what was written."""

    text: str
    at: datetime | None = None
    ago: timedelta = timedelta(0)

    def resolve(self, now: datetime) -> datetime:
        """The time that is meant."""
        return self.at if self.at is not None else now - self.ago


class Command(FrozenModel):
    """Something that was asked for."""


class Help(Command):
    """What can be typed; `topic` is a command's name."""

    topic: str | None = None


class ListApps(Command):
    """Which apps there are; those of a team, where the provider has teams."""

    page: int = 1
    team: str | None = None


class UseApp(Command):
    """Choose the channel's default app; without one, from a list."""

    app: str | None = None


class WhoAmI(Command):
    """Whose token answers."""


class Connect(Command):
    """Link one's own account at the provider."""


class Disconnect(Command):
    """Wipe one's own token."""


class ListAccessRules(Command):
    """Who may do what."""

    app: str | None = None


class ShowAudit(Command):
    """What was done and refused: in this channel, with an app of that name; or everywhere."""

    app: str | None = None
    everywhere: bool = False


class Status(Command):
    """What runs now, and how each branch last ended."""

    app: str | None = None


class ListBuilds(Command):
    """An app's builds that pass a filter."""

    app: str | None = None
    filter: BuildFilter = BuildFilter()
    since: TimeArgument | None = None
    until: TimeArgument | None = None


class ShowBuild(Command):
    """One build."""

    build: BuildRef
    app: str | None = None


class ShowLog(Command):
    """The end of a build's log."""

    build: BuildRef
    app: str | None = None


class ListArtifacts(Command):
    """A build's artifacts."""

    build: BuildRef
    app: str | None = None


class ShowYml(Command):
    """The bitrise.yml of an app, or of a build."""

    app: str | None = None
    build: BuildRef | None = None


class ListPipelines(Command):
    """An app's latest pipelines."""

    app: str | None = None


class ShowPipeline(Command):
    """One pipeline, by its number, or by its id and its app's slug, as a link has them."""

    app: str | None = None
    number: int | None = None
    app_slug: str | None = None
    pipeline_id: str | None = None


class ListApprovals(Command):
    """The builds of an app that wait for approval."""

    app: str | None = None


class AbortBuild(Command):
    """Stop a build, with a reason."""

    build: BuildRef
    app: str | None = None
    reason: str | None = None


class TriggerBuild(Command):
    """Start a build; one that does not say what to build asks for the form to be filled in."""

    app: str | None = None
    branch: str | None = None
    tag: str | None = None
    commit: str | None = None
    workflow: str | None = None
    pipeline: str | None = None
    message: str | None = None
    environments: tuple[tuple[str, str], ...] = ()

    @property
    def names_something(self) -> bool:
        """Whether it says what to build (Bitrise API v0.1, build-trigger: at least one of these)."""
        return any((self.branch, self.tag, self.commit, self.workflow, self.pipeline))


class Rebuild(Command):
    """Start a build again."""

    build: BuildRef
    app: str | None = None


class Subscribe(Command):
    """Let the channel be told of an app's builds; with `preview` only show what that would have told lately.

    `zone_given` is False where times are meant in the asker's own time zone.
    """

    app: str | None = None
    terms: NotificationRule = NotificationRule()
    preview: bool = False
    zone_given: bool = False


class Unsubscribe(Command):
    """End a subscription, by its number or all of an app."""

    app: str | None = None
    number: int | None = None


class Subscriptions(Command):
    """What the channel is told of."""


class Why(Command):
    """Which subscription told a build, or what kept it silent."""

    build: BuildRef
    app: str | None = None


class ListMyBuilds(Command):
    """My own builds."""


class ShowProfile(Command):
    """What the bot knows of me and does for me; what is None stays as it is."""

    name: str | None = None
    mention: bool | None = None
    ends: bool | None = None
