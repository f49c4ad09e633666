"""What the buttons of Build.io's messages carry: names to look things up by, and never a value of a config var."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from domain.build import App, Build, RunKind
from domain.slack_ids import SlackId
from messages.kit.button_values import ButtonValue, Hex, OptionalButtonValue, Slug
from messages.kit.mrkdwn import plain
from providers.buildio.api.models import BuildioApp

LONGEST_TITLE = 100
# Names of things that go into an address: whatever is written into one is quoted there.
Named = Annotated[str, StringConstraints(pattern=re.compile(r"^[^\s\x00-\x1f\x7f/]{1,200}\Z"))]
Channel = SlackId
Key = Annotated[str, StringConstraints(pattern=re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,127}\Z"))]
Title = Annotated[str, Field(max_length=LONGEST_TITLE)]


class BuildioAppButton(OptionalButtonValue):
    """Which app a button is about."""

    app: Slug
    title: Title = ""


class BuildioButton(ButtonValue):
    """The app that a button below a build is about, and the dyno; `""`: all of them, or none in particular."""

    app: Slug
    title: str = ""
    dyno: Annotated[str, StringConstraints(pattern=re.compile(r"^[\w.-]{0,64}\Z"))] = ""

    @classmethod
    def of(cls, build: Build, app: App) -> Self:
        """Return the button of the app, or of the dyno that the build is about."""
        dyno = build.workflow or "" if build.kind is RunKind.DYNO else ""
        known = re.fullmatch(r"[\w.-]{1,64}", dyno)
        return cls(app=build.app_slug, title=plain(app.title, 100), dyno=dyno if known else "")


class RedeployButton(BuildioButton):
    """The app to be deployed again, from the branch or the commit of the deployment that the message is about."""

    branch: Annotated[str, StringConstraints(max_length=200)] = ""
    commit: Annotated[str, StringConstraints(max_length=100)] = ""

    @classmethod
    def again(cls, build: Build, app: App) -> Self:
        """Return what was deployed: its branch, or, if that is unknown, its commit."""
        about = cls.of(build, app)
        branch = build.branch if build.branch and len(build.branch) <= 200 else ""
        commit = build.commit_hash if build.commit_hash and len(build.commit_hash) <= 100 else ""
        return about.model_copy(update={"branch": branch, "commit": commit})


class BuildioAppListButton(OptionalButtonValue):
    """A page of the apps, of one team where it is named."""

    page: Annotated[int, Field(ge=1, le=10_000)]
    team: Named | None = None


class DynoButton(OptionalButtonValue):
    """Which process of which app a button is about."""

    app: Slug
    dyno: Named
    title: Title = ""


class OptionalAppButton(OptionalButtonValue):
    """Which app a form is about, and which of its processes; `""`: the person will say."""

    app: Slug | Literal[""] = ""
    title: Title = ""
    dyno: Named | Literal[""] = ""


class RunButton(OptionalAppButton):
    """Also what is to run, where it was typed where no form opens."""

    command: tuple[str, ...] = ()


class ShareButton(OptionalButtonValue):
    """What a command said may be shown in this channel; which app's process said it."""

    channel: Channel
    app: Slug
    dyno: Named


class ConfigVarsButton(OptionalButtonValue):
    """Whose config vars a button is about: an app's or an environment's; with `key` which one of them."""

    app: Slug | None = None
    environment: Slug | None = None
    title: Title = ""
    key: Key | None = None

    @model_validator(mode="after")
    def _of_one(self) -> ConfigVarsButton:
        if (self.app is None) is (self.environment is None):
            raise ValueError("they are an app's or an environment's")
        return self


class RemoveVarsButton(OptionalButtonValue):
    """Which config vars are to be removed, and whose they are, as ConfigVarsButton says it."""

    of: ConfigVarsButton
    keys: Annotated[tuple[Key, ...], Field(min_length=1, max_length=50)]


class RevealButton(ConfigVarsButton):
    """One config var that somebody has agreed to be shown; it carries a right, so it is signed, and until when."""

    until: Annotated[int, Field(ge=0, le=10**11)]
    seal: Hex


class DomainButton(OptionalButtonValue):
    """Which domain of which app a button is about."""

    app: Slug
    domain: Named
    host: Annotated[str, Field(max_length=253)] = ""
    title: Title = ""


class ResourceButton(OptionalButtonValue):
    """Which pipeline or namespace a button is about, by its name or id."""

    name: Named


def app_button_value(app: App | BuildioApp) -> str | None:
    """The value of a button of this app; None where its id has no form that a button could carry."""
    if isinstance(app, App):
        return BuildioAppButton.fitting(app=app.slug, title=plain(app.title, LONGEST_TITLE))
    return BuildioAppButton.fitting(app=app.id, title=plain(app.name, LONGEST_TITLE))
