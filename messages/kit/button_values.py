"""The values of buttons: encoded, and decoded as untrusted input."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, ValidationError

from domain.build import App, Build, FrozenModel
from domain.pipeline import Pipeline
from domain.provider import Provider
from messages.kit.mrkdwn import plain, replace_surrogates

# The maximum length of a button's value (Slack's rules, "Sizes").
LONGEST_VALUE = 2000
Slug = Annotated[str, StringConstraints(pattern=re.compile(r"^[\w-]{1,64}$"))]


class InvalidButtonValue(Exception):
    """This button is from another version of Buildbell. Request the message again."""

    def __init__(self) -> None:
        super().__init__("This button is from another version of Buildbell. Request the message again.")


class ButtonValue(FrozenModel):
    """Data that fits into a button's value, or into a modal's private_metadata."""

    def encode(self) -> str:
        """Encode it as text."""
        # A half of a character, as JSON may hold it, has no bytes: pydantic would break on it.
        content = self.model_dump(exclude_none=True)
        return replace_surrogates(json.dumps(content, ensure_ascii=False, separators=(",", ":")))

    @classmethod
    def decode(cls, value: str) -> Self:
        """Decode it from text. Raises InvalidButtonValue."""
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            raise InvalidButtonValue from error

    @classmethod
    def read(cls, parts: Mapping[str, str]) -> Self:
        """Make it from its parts. Raises InvalidButtonValue."""
        try:
            return cls(**parts)
        except ValidationError as error:
            raise InvalidButtonValue from error


class OptionalButtonValue(ButtonValue):
    """A value made of a provider's names, whose format is not guaranteed: a name that does not fit gets no button."""

    @classmethod
    def fitting(cls, **parts: Any) -> str | None:
        """Encode the parts as text; None if they do not fit."""
        try:
            value = cls(**parts).encode()
        except ValidationError:
            return None
        return value if len(value) <= LONGEST_VALUE else None


class BuildButton(ButtonValue):
    """The build that a button is about, with the texts that a modal shows before the build is looked up.

    With `pipeline` it is a pipeline, and `build` is its id: both are aborted with the same form.
    """

    app: Slug
    build: Slug
    label: str = ""
    title: str = ""
    pipeline: bool = False

    @classmethod
    def of(cls, build: Build, app: App) -> Self:
        """Return the value for this build."""
        return cls(
            app=build.app_slug, build=build.slug, label=plain(build.label, 100), title=plain(app.title, 100)
        )


class ArtifactButton(ButtonValue):
    """The artifact that a button is about."""

    app: Slug
    build: Slug
    artifact: Slug


class LogButton(ButtonValue):
    """The log that a button is about, and the message in whose thread it is shared."""

    app: Slug
    build: Slug
    thread: Annotated[str, StringConstraints(pattern=re.compile(r"^\d{1,12}\.\d{1,8}$"))] | None = None


class ListButton(ButtonValue):
    """A list's next page: the command's text, and the build that the page begins with."""

    words: str
    start: Slug


class PipelineButton(ButtonValue):
    """The pipeline that a button is about."""

    app: Slug
    pipeline: Slug

    @classmethod
    def of(cls, pipeline: Pipeline, app: App) -> Self:
        """Return the value for this pipeline."""
        return cls(app=app.slug, pipeline=pipeline.id)


class RequestButton(ButtonValue):
    """The build request that a button is about."""

    app: Slug
    request: Slug


Hex = Annotated[str, StringConstraints(pattern=re.compile(r"^[0-9a-f]{32}$"))]


class ProposalButton(ButtonValue):
    """The pending action that a button approves or declines; it is signed, since it grants a right."""

    id: Hex
    seal: Hex


class AppButton(OptionalButtonValue):
    """The app that a button is about; `""`: the person will pick one."""

    provider: Provider = Field(default_factory=Provider.legacy_default)
    app: Annotated[str, StringConstraints(pattern=re.compile(r"^[\w-]{0,64}$"))] = ""
    title: str = ""

    @classmethod
    def of(cls, app: App | None) -> Self:
        """Return the value for this app."""
        if app is None:
            return cls()
        return cls(provider=app.provider, app=app.slug, title=plain(app.title, 100))


class AppsButton(ButtonValue):
    """A page of the list of apps."""

    page: int


class PolicyButton(ButtonValue):
    """The provider for which a rule is added, and the app, if it is for one."""

    provider: Provider = Field(default_factory=Provider.legacy_default)
    app: Annotated[str, StringConstraints(pattern=re.compile(r"^[\w-]{0,64}$"))] = ""
