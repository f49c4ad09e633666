"""Build.io's answers as JSON. Pure; no I/O.

The API reference names resources, and few of their fields; what it does not name is in the style of Heroku's Platform
API, whose users Build.io is for. `SparseSerializer` say what the reference names and little more, so that nobody comes
to rely on the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.buildio.deployments import Deployment
from sandbox.buildio.domains import Domain
from sandbox.buildio.dynos import Dyno
from sandbox.buildio.members import Member, Team
from sandbox.buildio.state import App, Namespace, Pipeline

Json = dict[str, Any]


class Serializer:
    """Full ones."""

    def app(self, app: App) -> Json:
        """An app in a list; how it is deployed is not among it."""
        return {
            "id": app.id,
            "name": app.name,
            "team": _named(app.team),
            "owner": {"id": app.owner.id, "email": app.owner.email} if app.owner else None,
            "region": {"name": app.region},
            "stack": {"name": "build-24"},
            "namespace": _named(app.namespace),
            "web_url": f"https://{app.domains[0].hostname}/",
            "created_at": _time(app.created_at),
            "updated_at": _time(app.updated_at),
        }

    def app_details(self, app: App) -> Json:
        """An app ("including its formation, buildpacks, region, and current deployment status")."""
        return self.app(app) | {
            "formation": [
                {"type": one.type, "quantity": one.quantity, "size": one.size, "command": one.command}
                for one in app.formation
            ],
            "buildpacks": [
                {"ordinal": place, "buildpack": {"name": one, "url": f"urn:buildpack:{one}"}}
                for place, one in enumerate(app.buildpacks)
            ],
            "deployment": self.deployment(app.deployment) if app.deployment else None,
        }

    def deployment(self, deployment: Deployment) -> Json:
        """How an app stands."""
        return {
            "id": deployment.id,
            "status": deployment.status,
            "version": deployment.version,
            "branch": deployment.branch,
            "commit": deployment.commit,
            "description": deployment.description,
            "error": deployment.error,
            "user": {"email": deployment.by},
            "created_at": _time(deployment.created_at),
            "finished_at": _time(deployment.finished_at),
        }

    def build(self, app: App, deployment: Deployment) -> Json:
        """A build that was started."""
        return {
            "id": deployment.id,
            "app": _named(app),
            "status": deployment.status,
            "version": deployment.version,
            "branch": deployment.branch,
            "commit": deployment.commit,
            "description": deployment.description,
            "user": {"email": deployment.by},
            "created_at": _time(deployment.created_at),
        }

    def dyno(self, app: App, dyno: Dyno) -> Json:
        """A dyno and its current status."""
        return {
            "id": dyno.id,
            "name": dyno.name,
            "type": dyno.type,
            "state": dyno.state,
            "size": dyno.size,
            "command": dyno.command,
            "restarts": dyno.restarts,
            "app": _named(app),
            "release": {"version": app.released.version} if app.released else None,
            "created_at": _time(dyno.started_at),
            "updated_at": _time(dyno.since),
        }

    def domain(self, domain: Domain) -> Json:
        """A domain in a list."""
        return {
            "id": domain.id,
            "hostname": domain.hostname,
            "kind": "platform" if domain.platform else "custom",
            "cname": None if domain.platform else domain.target,
            "created_at": _time(domain.created_at),
            "updated_at": _time(domain.since),
        }

    def domain_details(self, domain: Domain) -> Json:
        """A domain ("including its SSL status")."""
        return self.domain(domain) | {
            "ssl": {
                "status": domain.status,
                "error": domain.error,
                "source": "uploaded" if domain.given else "automatic",
                "expires_at": _time(domain.expires_at),
            }
        }

    def namespace(self, namespace: Namespace) -> Json:
        """A namespace."""
        return {
            "id": namespace.id,
            "name": namespace.name,
            "description": namespace.description,
            "team": _named(namespace.team),
            "region": {"name": namespace.region},
            "created_at": _time(namespace.created_at),
        }

    def pipeline(self, pipeline: Pipeline) -> Json:
        """A pipeline in a list."""
        return {
            "id": pipeline.id,
            "name": pipeline.name,
            "team": _named(pipeline.team),
            "created_at": _time(pipeline.created_at),
        }

    def pipeline_details(self, pipeline: Pipeline) -> Json:
        """A pipeline ("including its environments and review app settings")."""
        return self.pipeline(pipeline) | {
            "environments": [_named(one) for one in pipeline.environments],
            "review_apps": {
                "enabled": pipeline.review_apps,
                "automatic": pipeline.review_apps,
                "wait_for_ci": True,
                "destroy_stale_after_days": 5,
            },
        }

    def pipeline_app(self, app: App, stage: str) -> Json:
        """An app in a pipeline."""
        return self.app(app) | {"stage": stage}

    def team(self, team: Team) -> Json:
        """A team in a list."""
        return {"id": team.id, "name": team.name, "created_at": _time(team.created_at)}

    def team_details(self, team: Team, members: Mapping[str, Member]) -> Json:
        """A team and who is in it."""
        return self.team(team) | {
            "members": [
                {"email": one.email, "role": role.name.lower()}
                for one in members.values()
                if (role := one.roles.get(team.name)) is not None
            ]
        }

    def changed(self, whole: Json | None = None) -> Json | None:
        """What is answered to a change whose answer the reference does not tell: the whole, None for no body."""
        return whole if whole is not None else {}


class SparseSerializer(Serializer):
    """Ones that hold what the reference names, under the plainest names."""

    def app(self, app: App) -> Json:
        """An app in a list."""
        return {"id": app.id, "name": app.name}

    def app_details(self, app: App) -> Json:
        """An app: of its deployment no more than the status."""
        return self.app(app) | {
            "formation": {one.type: one.quantity for one in app.formation},
            "buildpacks": list(app.buildpacks),
            "region": app.region,
            "deployment_status": app.deployment.status if app.deployment else None,
        }

    def build(self, app: App, deployment: Deployment) -> Json:  # noqa: ARG002 - as the full one has it
        """A build that was started."""
        return {"status": deployment.status}

    def dyno(self, app: App, dyno: Dyno) -> Json:  # noqa: ARG002 - as the full one has it
        """A dyno and its current status."""
        return {"name": dyno.name, "status": dyno.state}

    def domain(self, domain: Domain) -> Json:
        """A domain in a list."""
        return {"id": domain.id, "hostname": domain.hostname}

    def domain_details(self, domain: Domain) -> Json:
        """A domain and its SSL status."""
        return self.domain(domain) | {"ssl_status": domain.status}

    def namespace(self, namespace: Namespace) -> Json:
        """A namespace."""
        return {"id": namespace.id, "name": namespace.name}

    def pipeline(self, pipeline: Pipeline) -> Json:
        """A pipeline in a list."""
        return {"id": pipeline.id, "name": pipeline.name}

    def pipeline_details(self, pipeline: Pipeline) -> Json:
        """A pipeline with its environments, and whether there are review apps."""
        return self.pipeline(pipeline) | {
            "environments": [_named(one) for one in pipeline.environments],
            "review_apps": pipeline.review_apps,
        }

    def pipeline_app(self, app: App, stage: str) -> Json:  # noqa: ARG002 - as the full one has it
        """An app in a pipeline."""
        return self.app(app)

    def team(self, team: Team) -> Json:
        """A team in a list."""
        return {"id": team.id, "name": team.name}

    def team_details(self, team: Team, members: Mapping[str, Member]) -> Json:  # noqa: ARG002 - as the full one has it
        """A team."""
        return self.team(team)

    def changed(self, whole: Json | None = None) -> Json | None:  # noqa: ARG002 - as the full one has it
        """Nothing."""
        return None


def credential(token: str, until: datetime) -> Json:
    """A Kubernetes ExecCredential (client-go credential plugins, `client.authentication.k8s.io/v1`)."""
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "spec": {"interactive": False},
        "status": {"expirationTimestamp": _time(until), "token": token},
    }


def _named(thing: Any) -> Json | None:
    return {"id": thing.id, "name": thing.name} if thing is not None else None


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
