"""Typed client of Build.io's API v1."""

from __future__ import annotations

from contextlib import suppress

from domain.provider_errors import Forbidden, NotFound
from providers.buildio.api.apps import AppsApi
from providers.buildio.api.domains import DomainsApi
from providers.buildio.api.dynos import DynosApi
from providers.buildio.api.identity import parse_cluster_login, parse_identity
from providers.buildio.api.models import ClusterLogin, Identity
from providers.buildio.api.pipelines import PipelinesApi


class BuildioClient(AppsApi, DomainsApi, DynosApi, PipelinesApi):
    """API client with one set of credentials. Every method raises ProviderError."""

    async def me(self) -> Identity:
        """Fetch the owner of the token."""
        return parse_identity((await self._api.read("/me")).body)

    async def probe(self) -> None:
        """Send one small request to see if the API responds to this token.

        Raises ProviderError; NotFound if the URL leads to no such API.
        """
        with suppress(Forbidden):  # the API responded
            try:
                await self._api.read("/me", max_tries=1)
            except NotFound:
                await self._api.read("/apps", max_tries=1)

    async def cluster_login(self, region: str) -> ClusterLogin:
        """Fetch the credential for the Kubernetes cluster of a region, which is secret (reference, "OIDC Login")."""
        return parse_cluster_login((await self._api.read("/oidc-login", {"region": region})).body)
