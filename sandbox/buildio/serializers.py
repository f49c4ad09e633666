"""Build.io's JSON responses. Pure; no I/O.

The API reference names resources but few of their fields; the others follow Heroku's Platform API. `SparseSerializer`
returns little more than the documented fields, to find code that relies on the rest.
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
    """Responses with all fields."""

    def app(self, app: App) -> Json:
        """Return an app of a list; its deployment is not included."""
        return {
            "id": app.id,
            "name": app.name,
            "team": _id_and_name(app.team),
            "owner": {"id": app.owner.id, "email": app.owner.email} if app.owner else None,
            "region": {"name": app.region},
            "stack": {"name": "build-24"},
            "namespace": _id_and_name(app.namespace),
            "web_url": f"https://{app.domains[0].hostname}/",
            "created_at": _time(app.created_at),
            "updated_at": _time(app.updated_at),
        }

    def app_details(self, app: App) -> Json:
        """Return an app ("including its formation, buildpacks, region, and current deployment status")."""
        return self.app(app) | {
            "formation": [
                {"type": item.type, "quantity": item.quantity, "size": item.size, "command": item.command}
                for item in app.formation
            ],
            "buildpacks": [
                {"ordinal": place, "buildpack": {"name": one, "url": f"urn:buildpack:{one}"}}
                for place, one in enumerate(app.buildpacks)
            ],
            "deployment": self.deployment(app.deployment) if app.deployment else None,
        }

    def deployment(self, deployment: Deployment) -> Json:
        """Return the current deployment."""
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
        """Return a started build."""
        return {
            "id": deployment.id,
            "app": _id_and_name(app),
            "status": deployment.status,
            "version": deployment.version,
            "branch": deployment.branch,
            "commit": deployment.commit,
            "description": deployment.description,
            "user": {"email": deployment.by},
            "created_at": _time(deployment.created_at),
        }

    def dyno(self, app: App, dyno: Dyno) -> Json:
        """Return a dyno and its current status."""
        return {
            "id": dyno.id,
            "name": dyno.name,
            "type": dyno.type,
            "state": dyno.state,
            "size": dyno.size,
            "command": dyno.command,
            "restarts": dyno.restarts,
            "app": _id_and_name(app),
            "release": {"version": app.released.version} if app.released else None,
            "created_at": _time(dyno.started_at),
            "updated_at": _time(dyno.since),
        }

    def domain(self, domain: Domain) -> Json:
        """Return a domain of a list."""
        return {
            "id": domain.id,
            "hostname": domain.hostname,
            "kind": "platform" if domain.is_platform_domain else "custom",
            "cname": None if domain.is_platform_domain else domain.target,
            "created_at": _time(domain.created_at),
            "updated_at": _time(domain.since),
        }

    def domain_details(self, domain: Domain) -> Json:
        """Return a domain ("including its SSL status")."""
        return self.domain(domain) | {
            "ssl": {
                "status": domain.status,
                "error": domain.error,
                "source": "uploaded" if domain.has_custom_certificate else "automatic",
                "expires_at": _time(domain.expires_at),
            }
        }

    def namespace(self, namespace: Namespace) -> Json:
        """Return a namespace."""
        return {
            "id": namespace.id,
            "name": namespace.name,
            "description": namespace.description,
            "team": _id_and_name(namespace.team),
            "region": {"name": namespace.region},
            "created_at": _time(namespace.created_at),
        }

    def pipeline(self, pipeline: Pipeline) -> Json:
        """Return a pipeline of a list."""
        return {
            "id": pipeline.id,
            "name": pipeline.name,
            "team": _id_and_name(pipeline.team),
            "created_at": _time(pipeline.created_at),
        }

    def pipeline_details(self, pipeline: Pipeline) -> Json:
        """Return a pipeline ("including its environments and review app settings")."""
        return self.pipeline(pipeline) | {
            "environments": [_id_and_name(environment) for environment in pipeline.environments],
            "review_apps": {
                "enabled": pipeline.review_apps,
                "automatic": pipeline.review_apps,
                "wait_for_ci": True,
                "destroy_stale_after_days": 5,
            },
        }

    def pipeline_app(self, app: App, stage: str) -> Json:
        """Return an app of a pipeline."""
        return self.app(app) | {"stage": stage}

    def team(self, team: Team) -> Json:
        """Return a team of a list."""
        return {"id": team.id, "name": team.name, "created_at": _time(team.created_at)}

    def team_details(self, team: Team, members: Mapping[str, Member]) -> Json:
        """Return a team and its members."""
        return self.team(team) | {
            "members": [
                {"email": member.email, "role": role.name.lower()}
                for member in members.values()
                if (role := member.roles.get(team.name)) is not None
            ]
        }

    def changed(self, resource: Json | None = None) -> Json | None:
        """Return the response to a change that the reference leaves open: the resource, or None for no body."""
        return resource if resource is not None else {}


class SparseSerializer(Serializer):
    """Responses with documented fields only, under the plainest names."""

    def app(self, app: App) -> Json:
        """Return an app of a list."""
        return {"id": app.id, "name": app.name}

    def app_details(self, app: App) -> Json:
        """Return an app with only the status of its deployment."""
        return self.app(app) | {
            "formation": {item.type: item.quantity for item in app.formation},
            "buildpacks": list(app.buildpacks),
            "region": app.region,
            "deployment_status": app.deployment.status if app.deployment else None,
        }

    def build(self, app: App, deployment: Deployment) -> Json:  # noqa: ARG002 - as the full one has it
        """Return a started build."""
        return {"status": deployment.status}

    def dyno(self, app: App, dyno: Dyno) -> Json:  # noqa: ARG002 - as the full one has it
        """Return a dyno and its current status."""
        return {"name": dyno.name, "status": dyno.state}

    def domain(self, domain: Domain) -> Json:
        """Return a domain of a list."""
        return {"id": domain.id, "hostname": domain.hostname}

    def domain_details(self, domain: Domain) -> Json:
        """Return a domain and its SSL status."""
        return self.domain(domain) | {"ssl_status": domain.status}

    def namespace(self, namespace: Namespace) -> Json:
        """Return a namespace."""
        return {"id": namespace.id, "name": namespace.name}

    def pipeline(self, pipeline: Pipeline) -> Json:
        """Return a pipeline of a list."""
        return {"id": pipeline.id, "name": pipeline.name}

    def pipeline_details(self, pipeline: Pipeline) -> Json:
        """Return a pipeline with its environments and whether review apps are enabled."""
        return self.pipeline(pipeline) | {
            "environments": [_id_and_name(environment) for environment in pipeline.environments],
            "review_apps": pipeline.review_apps,
        }

    def pipeline_app(self, app: App, stage: str) -> Json:  # noqa: ARG002 - as the full one has it
        """Return an app of a pipeline."""
        return self.app(app)

    def team(self, team: Team) -> Json:
        """Return a team of a list."""
        return {"id": team.id, "name": team.name}

    def team_details(self, team: Team, members: Mapping[str, Member]) -> Json:  # noqa: ARG002 - as the full one has it
        """Return a team."""
        return self.team(team)

    def changed(self, resource: Json | None = None) -> Json | None:  # noqa: ARG002 - as the full one has it
        """Return None."""
        return None


def credential(token: str, until: datetime) -> Json:
    """Return a Kubernetes ExecCredential (client-go credential plugins, `client.authentication.k8s.io/v1`)."""
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "spec": {"interactive": False},
        "status": {"expirationTimestamp": _time(until), "token": token},
    }


def _id_and_name(resource: Any) -> Json | None:
    return {"id": resource.id, "name": resource.name} if resource is not None else None


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
