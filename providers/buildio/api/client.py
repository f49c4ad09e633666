"""Build.io's API v1, typed."""

from __future__ import annotations

from contextlib import suppress

from domain.errors import Forbidden, NotFound
from providers.buildio.api.apps import AppsApi
from providers.buildio.api.domains import DomainsApi
from providers.buildio.api.dynos import DynosApi
from providers.buildio.api.identity import parse_cluster_login, parse_identity
from providers.buildio.api.models import ClusterLogin, Identity
from providers.buildio.api.pipelines import PipelinesApi


class BuildioClient(AppsApi, DomainsApi, DynosApi, PipelinesApi):
    """A client under somebody's credentials. Every method raises ProviderError."""

    async def me(self) -> Identity:
        """Whose token it is."""
        return parse_identity((await self._api.read("/me")).body)

    async def probe(self) -> None:
        """Ask for next to nothing, once, to see whether the API answers under this token. Raises ProviderError."""
        with suppress(NotFound, Forbidden):  # that is an answer
            await self._api.read("/me", most_tries=1)

    async def cluster_login(self, region: str) -> ClusterLogin:
        """A credential for the Kubernetes cluster of a region, secret (reference, "OIDC Login")."""
        return parse_cluster_login((await self._api.read("/oidc-login", {"region": region})).body)
