"""Build.io's resources as models. Pure; no I/O.

Any field that the reference does not name may be missing: a response with more or fewer fields is no error (the
reference names resources and their requests, but few fields of the responses).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import SecretStr

from domain.build import App, BuildState, FrozenModel
from providers.buildio.provider import BUILDIO


class Deployment(FrozenModel):
    """An app's current or past deployment (reference, "Apps").

    `status` is Build.io's own value, `state` is our state for it. A status without an ID leaves `id` empty.
    """

    status: str
    state: BuildState
    id: str | None = None
    version: int | None = None
    branch: str | None = None
    commit: str | None = None
    description: str | None = None
    error: str | None = None
    by: str | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None


class ProcessFormation(FrozenModel):
    """The number of dynos of one process type."""

    type: str
    quantity: int | None = None
    size: str | None = None
    command: str | None = None


class Team(FrozenModel):
    """A team."""

    id: str
    name: str


class BuildioApp(FrozenModel):
    """An app with the details that the reference names: formation, buildpacks, region, deployment."""

    id: str
    name: str
    team: str | None = None
    region: str | None = None
    stack: str | None = None
    namespace: str | None = None
    web_url: str | None = None
    formation: tuple[ProcessFormation, ...] = ()
    buildpacks: tuple[str, ...] = ()
    deployment: Deployment | None = None
    created_at: datetime | None = None

    def as_app(self) -> App:
        """Convert it to an App."""
        return App(provider=BUILDIO, slug=self.id, title=self.name)


class StartedBuild(FrozenModel):
    """A build that was started; the response may contain none of these fields."""

    id: str | None = None
    status: str | None = None
    version: int | None = None
    url: str | None = None


class Dyno(FrozenModel):
    """A running process, such as `web.1`; `state` is Build.io's own value, `up` tells if it works."""

    name: str
    type: str
    state: str
    up: bool | None = None
    crashed: bool = False
    size: str | None = None
    command: str | None = None
    restarts: int | None = None
    since: datetime | None = None


class Domain(FrozenModel):
    """A hostname of an app. `platform`: it belongs to Build.io and can't be removed."""

    id: str
    hostname: str
    platform: bool = False
    target: str | None = None
    status: str | None = None
    ssl: str | None = None
    problem: str | None = None
    expires_at: datetime | None = None


class Namespace(FrozenModel):
    """An isolated environment for a group of apps."""

    id: str
    name: str
    team: str | None = None
    region: str | None = None
    description: str | None = None


class Environment(FrozenModel):
    """A part of a pipeline with its own config vars, such as the defaults of review apps."""

    id: str
    name: str


class Pipeline(FrozenModel):
    """Apps grouped by stage, with environments and review app settings."""

    id: str
    name: str
    team: str | None = None
    environments: tuple[Environment, ...] = ()
    review_apps: bool | None = None
    review_settings: Mapping[str, str | int | bool] = {}


class PipelineApp(FrozenModel):
    """An app in a pipeline, and its stage."""

    id: str
    name: str
    stage: str | None = None


class CommandResult(FrozenModel):
    """The output of a command in a dyno, and its exit code if Build.io gives one.

    The output is redacted; `cut`: only its end is included.
    """

    output: str
    exit_code: int | None = None
    cut: bool = False


class Identity(FrozenModel):
    """The owner of a token; the reference names the e-mail address."""

    email: str


class ClusterLogin(FrozenModel):
    """A Kubernetes ExecCredential: `content` is the JSON for a file, which is secret; `expires_at` is taken from it."""

    content: SecretStr
    expires_at: datetime | None = None
