"""What buttons carry: written into their values, and read back as if it came from anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import StringConstraints, ValidationError

from domain.build import App, Build, FrozenModel
from domain.pipeline import Pipeline
from domain.provider import UNNAMED_PROVIDER, Provider
from messages.kit.mrkdwn import plain, replace_surrogates

# What a button's value may be at most (Slack's rules, "Sizes").
LONGEST_VALUE = 2000
Slug = Annotated[str, StringConstraints(pattern=re.compile(r"^[\w-]{1,64}$"))]


class InvalidButtonValue(Exception):
    """This button is from another version of me. Ask for the message again."""

    def __init__(self) -> None:
        super().__init__("This button is from another version of me. Ask for the message again.")


class ButtonValue(FrozenModel):
    """Something that fits into a button's value, or into a modal's private_metadata."""

    def encode(self) -> str:
        """As text."""
        # A half of a character, as JSON may hold it, has no bytes: pydantic would break on it.
        content = self.model_dump(exclude_none=True)
        return replace_surrogates(json.dumps(content, ensure_ascii=False, separators=(",", ":")))

    @classmethod
    def decode(cls, value: str) -> Self:
        """From text. Raises InvalidButtonValue."""
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            raise InvalidButtonValue from error

    @classmethod
    def read(cls, parts: Mapping[str, str]) -> Self:
        """From its parts. Raises InvalidButtonValue."""
        try:
            return cls(**parts)
        except ValidationError as error:
            raise InvalidButtonValue from error


class OptionalButtonValue(ButtonValue):
    """Something made of a provider's names, of which nobody promises the form: what does not fit gets no button."""

    @classmethod
    def fitting(cls, **parts: Any) -> str | None:
        """As text; None where the parts do not fit."""
        try:
            value = cls(**parts).encode()
        except ValidationError:
            return None
        return value if len(value) <= LONGEST_VALUE else None


class BuildButton(ButtonValue):
    """Which build a button is about, with what a modal shows of it before anything is looked up.

    With `pipeline` it is a pipeline, and `build` its id: what is aborted is asked for in the same way.
    """

    app: Slug
    build: Slug
    label: str = ""
    title: str = ""
    pipeline: bool = False

    @classmethod
    def of(cls, build: Build, app: App) -> Self:
        """The button of this build."""
        return cls(
            app=build.app_slug, build=build.slug, label=plain(build.label, 100), title=plain(app.title, 100)
        )


class ArtifactButton(ButtonValue):
    """Which artifact a button is about."""

    app: Slug
    build: Slug
    artifact: Slug


class LogButton(ButtonValue):
    """Which log a button is about, and the message in whose thread it belongs once it is shared."""

    app: Slug
    build: Slug
    thread: Annotated[str, StringConstraints(pattern=re.compile(r"^\d{1,12}\.\d{1,8}$"))] | None = None


class ListButton(ButtonValue):
    """A list's next page: the command's words, and the build that the page begins with."""

    words: str
    start: Slug


class PipelineButton(ButtonValue):
    """Which pipeline a button is about."""

    app: Slug
    pipeline: Slug

    @classmethod
    def of(cls, one: Pipeline, app: App) -> Self:
        """The button of this pipeline."""
        return cls(app=app.slug, pipeline=one.id)


class RequestButton(ButtonValue):
    """Which build that waits for approval a button is about."""

    app: Slug
    request: Slug


Hex = Annotated[str, StringConstraints(pattern=re.compile(r"^[0-9a-f]{32}$"))]


class ProposalButton(ButtonValue):
    """Which proposal a button decides; it carries a right, so it is sealed."""

    id: Hex
    seal: Hex


class AppButton(OptionalButtonValue):
    """Which app of a provider a button is about; `""`: the person will say."""

    provider: Provider = UNNAMED_PROVIDER
    app: Annotated[str, StringConstraints(pattern=re.compile(r"^[\w-]{0,64}$"))] = ""
    title: str = ""

    @classmethod
    def of(cls, app: App | None) -> Self:
        """The button of this app."""
        if app is None:
            return cls()
        return cls(provider=app.provider, app=app.slug, title=plain(app.title, 100))


class AppsButton(ButtonValue):
    """A page of the apps."""

    page: int


class PolicyButton(ButtonValue):
    """Where a rule is asked for: the provider, and the app, if it is for one."""

    provider: Provider = UNNAMED_PROVIDER
    app: Annotated[str, StringConstraints(pattern=re.compile(r"^[\w-]{0,64}$"))] = ""
