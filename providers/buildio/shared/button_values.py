"""Values of Build.io's buttons: names and IDs to look up, never the value of a config var."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from domain.build import App, Build, RunKind
from domain.slack_ids import SlackId
from messages.kit.button_values import ButtonValue, Hex, OptionalButtonValue, Slug
from messages.kit.mrkdwn import plain

LONGEST_TITLE = 100
# Names that become part of a URL, where they are quoted.
Named = Annotated[str, StringConstraints(pattern=re.compile(r"^[^\s\x00-\x1f\x7f/]{1,200}\Z"))]
Channel = SlackId
Key = Annotated[str, StringConstraints(pattern=re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,127}\Z"))]
Title = Annotated[str, Field(max_length=LONGEST_TITLE)]


class BuildioAppButton(OptionalButtonValue):
    """The app that a button is about."""

    app: Slug
    title: Title = ""


class BuildioButton(ButtonValue):
    """The app and dyno of a button below a build; dyno `""`: all of them, or none in particular."""

    app: Slug
    title: str = ""
    dyno: Annotated[str, StringConstraints(pattern=re.compile(r"^[\w.-]{0,64}\Z"))] = ""

    @classmethod
    def of(cls, build: Build, app: App) -> Self:
        """Return the button of the app, or of the dyno that the build is about."""
        dyno = build.workflow or "" if build.kind is RunKind.DYNO else ""
        is_valid = re.fullmatch(r"[\w.-]{1,64}", dyno)
        return cls(app=build.app_slug, title=plain(app.title, 100), dyno=dyno if is_valid else "")


class RedeployButton(BuildioButton):
    """The app to deploy again, with the branch or commit of the deployment that the message is about."""

    branch: Annotated[str, StringConstraints(max_length=200)] = ""
    commit: Annotated[str, StringConstraints(max_length=100)] = ""

    @classmethod
    def again(cls, build: Build, app: App) -> Self:
        """Return what was deployed: its branch, or, if that is unknown, its commit."""
        button = cls.of(build, app)
        branch = build.branch if build.branch and len(build.branch) <= 200 else ""
        commit = build.commit_hash if build.commit_hash and len(build.commit_hash) <= 100 else ""
        return button.model_copy(update={"branch": branch, "commit": commit})


class BuildioAppListButton(OptionalButtonValue):
    """A page of the apps, of one team if it is named."""

    page: Annotated[int, Field(ge=1, le=10_000)]
    team: Named | None = None


class DynoButton(OptionalButtonValue):
    """The app and process that a button is about."""

    app: Slug
    dyno: Named
    title: Title = ""


class OptionalAppButton(OptionalButtonValue):
    """The app and process that a form is about; `""`: the form asks for it."""

    app: Slug | Literal[""] = ""
    title: Title = ""
    dyno: Named | Literal[""] = ""


class RunButton(OptionalAppButton):
    """A form's button with the command that was typed where no form can be opened."""

    command: tuple[str, ...] = ()


class ShareButton(OptionalButtonValue):
    """A command's output that may be shared in this channel, with its app and process."""

    channel: Channel
    app: Slug
    dyno: Named


class ConfigVarsButton(OptionalButtonValue):
    """The app or environment whose config vars a button is about; `key` is one of them."""

    app: Slug | None = None
    environment: Slug | None = None
    title: Title = ""
    key: Key | None = None

    @model_validator(mode="after")
    def _check_one_owner(self) -> ConfigVarsButton:
        if (self.app is None) is (self.environment is None):
            raise ValueError("they are an app's or an environment's")
        return self


class RemoveVarsButton(OptionalButtonValue):
    """The config vars to remove, and their owner as in ConfigVarsButton."""

    of: ConfigVarsButton
    keys: Annotated[tuple[Key, ...], Field(min_length=1, max_length=50)]


class RevealButton(ConfigVarsButton):
    """One config var that was approved to be shown. It grants access, so it is signed and expires."""

    until: Annotated[int, Field(ge=0, le=10**11)]
    seal: Hex


class DomainButton(OptionalButtonValue):
    """The app and domain that a button is about."""

    app: Slug
    domain: Named
    host: Annotated[str, Field(max_length=253)] = ""
    title: Title = ""


class ResourceButton(OptionalButtonValue):
    """The pipeline or namespace that a button is about, by name or ID."""

    name: Named


def app_button_value(app: App) -> str | None:
    """Return the button value for this app; None if its ID doesn't fit into a button."""
    return BuildioAppButton.fitting(app=app.slug, title=plain(app.title, LONGEST_TITLE))
