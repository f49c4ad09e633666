"""The commands that several providers have: one class each, with the arguments as types."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.build import FrozenModel
from domain.build_filter import BuildFilter
from domain.notifications.rule import NotificationRule


class BuildRef(FrozenModel):
    """A build by its number or slug; a pasted link may also have its app's slug."""

    number: int | None = None
    slug: str | None = None
    app_slug: str | None = None

    def __str__(self) -> str:
        return f"#{self.number}" if self.number is not None else str(self.slug)


class TimeArgument(FrozenModel):
    """A time, or how long ago; `text` is what was typed."""

    text: str
    at: datetime | None = None
    ago: timedelta = timedelta(0)

    def resolve(self, now: datetime) -> datetime:
        """Return the time that is meant."""
        return self.at if self.at is not None else now - self.ago


class Command(FrozenModel):
    """A parsed command."""


class ShowHelp(Command):
    """Show the help; `topic` is a command's name."""

    topic: str | None = None


class ListApps(Command):
    """List the apps; `team` narrows them, if the provider has teams."""

    page: int = 1
    team: str | None = None


class UseApp(Command):
    """Choose the channel's default app; without `app`, from a list."""

    app: str | None = None


class WhoAmI(Command):
    """Show the person's account, and whose token is used for them."""


class ConnectAccount(Command):
    """Connect one's own account at the provider."""


class DisconnectAccount(Command):
    """Delete one's own token."""


class ListAccessRules(Command):
    """Show who may do what."""

    app: str | None = None


class ShowAuditLog(Command):
    """Show the actions that were done or refused: in this channel, for the app of this name, or everywhere."""

    app: str | None = None
    everywhere: bool = False


class ShowStatus(Command):
    """Show what runs now, and the last result of each branch."""

    app: str | None = None


class ListBuilds(Command):
    """List the builds of an app that match a filter."""

    app: str | None = None
    filter: BuildFilter = BuildFilter()
    since: TimeArgument | None = None
    until: TimeArgument | None = None


class ShowBuild(Command):
    """Show one build."""

    build: BuildRef
    app: str | None = None


class Subscribe(Command):
    """Notify the channel of an app's builds; with `preview`, only show which recent builds would have matched.

    `zone_given` is False if times are meant in the person's own time zone.
    """

    app: str | None = None
    terms: NotificationRule = NotificationRule()
    preview: bool = False
    zone_given: bool = False


class Unsubscribe(Command):
    """End a subscription by its number, or all of an app."""

    app: str | None = None
    number: int | None = None


class ListSubscriptions(Command):
    """List the channel's subscriptions."""


class ExplainNotification(Command):
    """Explain which subscription notified of a build, or why none did."""

    build: BuildRef
    app: str | None = None


class ListMyBuilds(Command):
    """List the person's own builds."""


class ShowProfile(Command):
    """Show the person's profile and change it; fields that are None stay as they are."""

    name: str | None = None
    mention: bool | None = None
    ends: bool | None = None
