"""Endpoints for artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.bitrise.api.base import ApiError, BaseEndpoints, paginated_response
from sandbox.bitrise.members import Role
from sandbox.bitrise.serializers import serialize_artifact
from sandbox.bitrise.state import Artifact
from sandbox.middleware import as_json


@dataclass
class ArtifactEndpoints(BaseEndpoints):
    """Endpoints for the artifacts of a build."""

    async def _artifacts(self, request: web.Request) -> web.Response:
        artifacts = self._find_build(request).artifacts
        return paginated_response(
            artifacts, [artifact.slug for artifact in artifacts], serialize_artifact, request
        )

    async def _artifact(self, request: web.Request) -> web.Response:
        return web.json_response({"data": self._with_links(self._find_artifact(request))})

    async def _change_artifact(self, request: web.Request) -> web.Response:
        artifact, body = self._find_artifact(request, Role.DEVELOPER), as_json(await request.text())
        if not isinstance(body, dict) or not isinstance(body.get("is_public_page_enabled"), bool):
            raise ApiError(400, "Invalid parameters")
        artifact.public = body["is_public_page_enabled"]
        return web.json_response({"data": self._with_links(artifact)})

    def _with_links(self, artifact: Artifact) -> dict[str, Any]:
        page = f"https://app.bitrise.io/artifact/{artifact.slug}/p" if artifact.public else ""
        return serialize_artifact(artifact) | {
            "expiring_download_url": self.file_store.signed_url(artifact.title, artifact.content),
            "public_install_page_url": page,
        }

    def _find_artifact(self, request: web.Request, minimum_role: Role = Role.TESTER) -> Artifact:
        build, slug = self._find_build(request, minimum_role), request.match_info["artifact"]
        found = next((artifact for artifact in build.artifacts if artifact.slug == slug), None)
        if found is None:
            raise ApiError(404, "Not Found")
        return found
