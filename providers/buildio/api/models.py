"""Build.io's things in the bot's own words. Pure; no I/O.

What the reference does not name may be missing everywhere: an answer with more or less is no error (Build.io's API
reference names resources and their requests, and few fields of the answers).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import SecretStr

from domain.build import BuildState, FrozenModel


class Deployment(FrozenModel):
    """How an app stands or stood: its current deployment status (reference, "Apps").

    `status` is Build.io's own word, `state` what it means here. A status that names no id has none.
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
    """How many dynos of one process type an app has."""

    type: str
    quantity: int | None = None
    size: str | None = None
    command: str | None = None


class Team(FrozenModel):
    """A team."""

    id: str
    name: str


class BuildioApp(FrozenModel):
    """An app with what the reference says its details hold: formation, buildpacks, region, deployment."""

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
    updated_at: datetime | None = None


class StartedBuild(FrozenModel):
    """A build that was asked for; of its answer nothing is certain but that it was taken."""

    id: str | None = None
    status: str | None = None
    version: int | None = None
    url: str | None = None


class Dyno(FrozenModel):
    """A running process, such as `web.1`; `state` is Build.io's own word, `up` whether that means that it works."""

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
    """A host name of an app. `platform`: Build.io's own, which can't be taken away."""

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
    """A part of a pipeline with config vars of its own, such as the defaults of review apps."""

    id: str
    name: str


class Pipeline(FrozenModel):
    """Apps joined across stages, with its environments and whether pull requests get review apps."""

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
    """What a command in a dyno left: its output, and its exit code where Build.io says it.

    The output is without what looks like a secret; `cut`: only its end is here.
    """

    output: str
    exit_code: int | None = None
    cut: bool = False


class Identity(FrozenModel):
    """Whose token it is; the reference names the e-mail address."""

    email: str


class ClusterLogin(FrozenModel):
    """A Kubernetes ExecCredential: `content` is the JSON to be kept in a file, secret; `expires_at` as it says."""

    content: SecretStr
    expires_at: datetime | None = None
