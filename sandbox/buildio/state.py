"""State of the simulated Build.io: apps, namespaces, pipelines and environments. State only.

Time is a parameter: `advance` moves everything to its state at that time.
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
# Defaults of a new app: one process, and one config var that its code needs to start.
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
    """An app. `needs`: config vars without which its code does not start, so that a deployment fails."""

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
        """Return the newest deployment, whatever its status; None before the first."""
        return self.deployments[-1] if self.deployments else None

    @property
    def released(self) -> Deployment | None:
        """Return the deployment that is running."""
        return next(
            (deployment for deployment in reversed(self.deployments) if deployment.status == "succeeded"),
            None,
        )

    def release_error(self) -> str | None:
        """Return the error of a release: the first missing config var; None if the code can start."""
        missing = [name for name in self.needs if not self.config.get(name)]
        return f"Release failed: config var {missing[0]} is not set" if missing else None


@dataclass(eq=False)
class Environment:
    """A part of a pipeline with its own config vars, for example the defaults of review apps."""

    id: str
    name: str
    config: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(eq=False)
class Pipeline:
    """Apps grouped by stage: `apps` maps each app to its stage."""

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
    """All resources; new ones run `speed` times as fast as real ones."""

    randomness: random.Random = field(default_factory=lambda: random.Random(2))  # noqa: S311 - ids, the same in every run
    teams: list[Team] = field(default_factory=list)
    apps: list[App] = field(default_factory=list)
    namespaces: list[Namespace] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    speed: float = 1.0

    def add_team(self, name: str, at: datetime) -> Team:
        """Add a team."""
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
        """Add an app with its platform domain and no deployment."""
        app = App(self.new_id(), name, region, team, owner, at, **more)
        self.apps.append(app)
        own = f"{name}.{region}.{PLATFORM_DOMAIN}"
        app.domains.append(Domain(self.new_id(), own, own, at, is_platform_domain=True))
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
        """Add a namespace without apps."""
        namespace = Namespace(self.new_id(), name, region, team, owner, at, description)
        self.namespaces.append(namespace)
        return namespace

    def add_pipeline(
        self, name: str, at: datetime, *, team: Team | None, apps: dict[App, str], environments: Sequence[str]
    ) -> Pipeline:
        """Add a pipeline."""
        pipeline = Pipeline(self.new_id(), name, team, None, at, apps)
        pipeline.environments += [Environment(self.new_id(), environment) for environment in environments]
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
        """Add a pending deployment; it waits for the previous one. An unknown branch fails."""
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
            self.speed,
            fails,
            loops,
            app.release_error,
        )
        app.deployments.append(deployment)
        return deployment

    def add_domain(
        self, app: App, hostname: str, at: datetime, *, has_custom_certificate: bool = False
    ) -> Domain:
        """Add a domain to an app."""
        target = app.domains[0].hostname
        domain = Domain(
            self.new_id(),
            hostname,
            target,
            at,
            has_custom_certificate=has_custom_certificate,
            speed=self.speed,
        )
        app.domains.append(domain)
        return domain

    def set_config(self, app: App, changes: dict[str, str | None], at: datetime) -> None:
        """Change config vars and restart the dynos; None removes a config var."""
        _change(app.config, changes)
        app.updated_at = at
        self.restart(app.dynos, at)

    def restart(self, dynos: Sequence[Dyno], at: datetime) -> None:
        """Restart these dynos."""
        for dyno in dynos:
            dyno.restart(at, name=self.new_id())

    def advance(self, now: datetime) -> bool:
        """Advance all resources to this time; returns whether anything changed."""
        previous = self._state()
        for app in self.apps:
            self._advance(app, now)
        return previous != self._state()

    def app_with(self, hostname: str) -> App | None:
        """Return the app with this host name."""
        return next(
            (app for app in self.apps if any(domain.hostname == hostname for domain in app.domains)),
            None,
        )

    def new_id(self) -> str:
        """Return a new UUID."""
        return new_id(self.randomness.getrandbits(128))

    def finish(self, app: App, deployment: Deployment, at: datetime, *, error: str | None = None) -> None:
        """Finish a deployment now, with this error or its planned result."""
        deployment.finish(at, error=error or deployment.fails or deployment.release_error())
        self._released(app, deployment)

    def _advance(self, app: App, now: datetime) -> None:
        until = app.created_at
        for deployment in app.deployments:
            if not deployment.is_over:
                deployment.hold(until)
                # The old dynos keep running until the new release.
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
        """Replace the dynos with those of the new release."""
        if deployment.status != "succeeded" or deployment.finished_at is None:
            return
        at = deployment.finished_at
        app.updated_at = at
        app.dynos = [
            Dyno(
                item.type,
                place,
                item.command,
                item.size,
                at,
                self.new_id(),
                self.speed,
                loops=deployment.loops,
            )
            for item in app.formation
            for place in range(1, item.quantity + 1)
        ]

    def _state(self) -> list[object]:
        return [
            (
                [deployment.status for deployment in app.deployments],
                [(dyno.id, dyno.state, dyno.since) for dyno in app.dynos],
                [domain.status for domain in app.domains],
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
    """Change an environment's config vars; None removes one."""
    _change(environment.config, changes)
