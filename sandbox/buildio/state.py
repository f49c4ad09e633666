"""All that is at the simulated Build.io, and how it lives: apps, namespaces, pipelines, environments. State alone.

Time is a parameter: `advance` carries everything to where it would be by then.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.buildio.deployments import Deployment
from sandbox.buildio.domains import Domain
from sandbox.buildio.dynos import Dyno, Formation, new_id
from sandbox.buildio.members import Member, Team

REGIONS = ("eu", "us", "us-east-1")
STAGES = ("review", "ci", "staging", "production")
PLATFORM_DOMAIN = "buildapps.example"
# An app that nobody has said more about runs one process, and its code needs this config var to start.
USUAL_FORMATION = (Formation("web", 1, "bin/server"),)
USUAL_NEEDS = ("DATABASE_URL",)


@dataclass(eq=False)
class Namespace:
    """An isolated environment for a group of apps."""

    id: str
    name: str
    region: str
    team: Team | None
    owner: Member | None
    created_at: datetime
    description: str | None = None


@dataclass(eq=False)
class App:
    """An app. `needs`: the config vars without which its code does not start, so that a deployment fails."""

    id: str
    name: str
    region: str
    team: Team | None
    owner: Member | None
    created_at: datetime
    formation: Sequence[Formation] = USUAL_FORMATION
    needs: Sequence[str] = USUAL_NEEDS
    buildpacks: Sequence[str] = ("heroku/nodejs",)
    branches: Sequence[str] = ("main",)
    files: Sequence[str] = ("Procfile", "bin", "package.json", "src")
    namespace: Namespace | None = None
    config: dict[str, str] = field(default_factory=dict, repr=False)
    deployments: list[Deployment] = field(default_factory=list)
    dynos: list[Dyno] = field(default_factory=list)
    domains: list[Domain] = field(default_factory=list)
    updated_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.updated_at = self.created_at

    @property
    def deployment(self) -> Deployment | None:
        """The current one: the newest, whatever has become of it; None before the first."""
        return self.deployments[-1] if self.deployments else None

    @property
    def released(self) -> Deployment | None:
        """The one that runs."""
        return next((one for one in reversed(self.deployments) if one.status == "succeeded"), None)

    def obstacle(self) -> str | None:
        """What keeps the code from starting, in the words of its release."""
        missing = [name for name in self.needs if not self.config.get(name)]
        return f"Release failed: config var {missing[0]} is not set" if missing else None


@dataclass(eq=False)
class Environment:
    """A part of a pipeline with config vars of its own, such as the defaults of review apps."""

    id: str
    name: str
    config: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(eq=False)
class Pipeline:
    """Apps joined across stages: `apps` has each app's stage."""

    id: str
    name: str
    team: Team | None
    owner: Member | None
    created_at: datetime
    apps: dict[App, str] = field(default_factory=dict)
    environments: list[Environment] = field(default_factory=list)
    review_apps: bool = True


@dataclass
class BuildioState:
    """Everything; what is new lives `pace` times as fast as the real one."""

    randomness: random.Random = field(default_factory=lambda: random.Random(2))  # noqa: S311 - ids, the same in every run
    teams: list[Team] = field(default_factory=list)
    apps: list[App] = field(default_factory=list)
    namespaces: list[Namespace] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    pace: float = 1.0

    def add_team(self, name: str, at: datetime) -> Team:
        """A new team."""
        team = Team(self.new_id(), name, at)
        self.teams.append(team)
        return team

    def add_app(
        self,
        name: str,
        at: datetime,
        *,
        team: Team | None,
        owner: Member | None = None,
        region: str = REGIONS[0],
        **more: Any,
    ) -> App:
        """A new app with its platform domain, and nothing deployed."""
        app = App(self.new_id(), name, region, team, owner, at, **more)
        self.apps.append(app)
        own = f"{name}.{region}.{PLATFORM_DOMAIN}"
        app.domains.append(Domain(self.new_id(), own, own, at, platform=True))
        return app

    def add_namespace(
        self,
        name: str,
        at: datetime,
        *,
        team: Team | None,
        owner: Member | None = None,
        region: str = REGIONS[0],
        description: str | None = None,
    ) -> Namespace:
        """A new namespace without apps."""
        namespace = Namespace(self.new_id(), name, region, team, owner, at, description)
        self.namespaces.append(namespace)
        return namespace

    def add_pipeline(
        self, name: str, at: datetime, *, team: Team | None, apps: dict[App, str], environments: Sequence[str]
    ) -> Pipeline:
        """A new pipeline."""
        pipeline = Pipeline(self.new_id(), name, team, None, at, apps)
        pipeline.environments += [Environment(self.new_id(), one) for one in environments]
        self.pipelines.append(pipeline)
        return pipeline

    def deploy(
        self,
        app: App,
        at: datetime,
        *,
        by: str,
        branch: str | None = None,
        commit: str | None = None,
        description: str | None = None,
        fails: str | None = None,
        loops: bool = False,
    ) -> Deployment:
        """A new deployment, pending; it waits for the one before it. A branch that is not there can't be fetched."""
        if branch is None and commit is None:
            branch = app.branches[0]
        if branch is not None and branch not in app.branches:
            fails = f"Build failed: couldn't find remote ref {branch}"
        deployment = Deployment(
            self.new_id(),
            len(app.deployments) + 1,
            branch,
            commit or f"{self.randomness.getrandbits(160):040x}",
            description,
            by,
            at,
            self.pace,
            fails,
            loops,
            app.obstacle,
        )
        app.deployments.append(deployment)
        return deployment

    def add_domain(self, app: App, hostname: str, at: datetime, *, given: bool = False) -> Domain:
        """A new host name of an app's, without a certificate where none is given."""
        target = app.domains[0].hostname
        domain = Domain(self.new_id(), hostname, target, at, given=given, pace=self.pace)
        app.domains.append(domain)
        return domain

    def set_config(self, app: App, changes: dict[str, str | None], at: datetime) -> None:
        """Change config vars, and restart what runs with the old ones; None takes one away."""
        _change(app.config, changes)
        app.updated_at = at
        self.restart(app.dynos, at)

    def restart(self, dynos: Sequence[Dyno], at: datetime) -> None:
        """Restart some dynos."""
        for dyno in dynos:
            dyno.restart(at, name=self.new_id())

    def advance(self, now: datetime) -> bool:
        """Let everything live until now; returns whether something came further."""
        before = self._state()
        for app in self.apps:
            self._advance(app, now)
        return before != self._state()

    def app_with(self, hostname: str) -> App | None:
        """The app that has this host name."""
        return next(
            (app for app in self.apps if any(one.hostname == hostname for one in app.domains)),
            None,
        )

    def new_id(self) -> str:
        """A UUID."""
        return new_id(self.randomness.getrandbits(128))

    def finish(self, app: App, deployment: Deployment, at: datetime, *, error: str | None = None) -> None:
        """Let a deployment end at once: with this error, or as it would without one."""
        deployment.finish(at, error=error or deployment.fails or deployment.obstacle())
        self._released(app, deployment)

    def _advance(self, app: App, now: datetime) -> None:
        until = app.created_at
        for deployment in app.deployments:
            if not deployment.is_over:
                deployment.hold(until)
                # Old dynos live on until the new code is out.
                deployment.advance(now)
                if deployment.is_over:
                    self._released(app, deployment)
            if deployment.finished_at is None:
                break
            until = deployment.finished_at
        for dyno in app.dynos:
            dyno.advance(now)
        for domain in app.domains:
            domain.advance(now)

    def _released(self, app: App, deployment: Deployment) -> None:
        """New code is out: its dynos take the places of the old ones."""
        if deployment.status != "succeeded" or deployment.finished_at is None:
            return
        at = deployment.finished_at
        app.updated_at = at
        app.dynos = [
            Dyno(one.type, place, one.command, one.size, at, self.new_id(), self.pace, loops=deployment.loops)
            for one in app.formation
            for place in range(1, one.quantity + 1)
        ]

    def _state(self) -> list[object]:
        return [
            (
                [one.status for one in app.deployments],
                [(one.id, one.state, one.since) for one in app.dynos],
                [one.status for one in app.domains],
            )
            for app in self.apps
        ]


def _change(config: dict[str, str], changes: dict[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            config.pop(name, None)
        else:
            config[name] = value


def change_environment(environment: Environment, changes: dict[str, str | None]) -> None:
    """Change an environment's config vars; None takes one away."""
    _change(environment.config, changes)
