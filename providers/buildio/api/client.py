"""Typed client of Build.io's API v1, and the parsing of the token's owner and of the cluster credential."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from pydantic import SecretStr

from domain.provider_errors import Forbidden, NotFound, UnexpectedResponse
from providers.buildio.api.apps import AppsApi
from providers.buildio.api.domains import DomainsApi
from providers.buildio.api.dynos import DynosApi
from providers.buildio.api.field_parsing import Fields
from providers.buildio.api.models import ClusterLogin, Identity
from providers.buildio.api.pipelines import PipelinesApi
from providers.buildio.provider import BUILDIO
from providers.http.field_parsing import parse_json


def parse_identity(body: bytes) -> Identity:
    """Parse the owner of a token. Raises UnexpectedResponse without an e-mail address, the only field needed."""
    content = parse_json(body, provider=BUILDIO)
    fields = Fields({"email": content}) if isinstance(content, str) else Fields.of(content) or Fields({})
    email = fields.name("email") or fields.inner("user", "data", "account").name("email")
    if email is None:
        raise UnexpectedResponse("there is no email address in it", provider=BUILDIO)
    return Identity(email=email)


def parse_cluster_login(body: bytes) -> ClusterLogin:
    """Parse the credential and keep it unchanged (Kubernetes, "client.authentication.k8s.io", ExecCredential).

    Raises UnexpectedResponse.
    """
    content: Any = parse_json(body, provider=BUILDIO)
    if not isinstance(content, dict) or not isinstance(content.get("status"), dict):
        raise UnexpectedResponse("there is no credential in it", provider=BUILDIO)
    expires_at = Fields(content["status"]).time("expirationTimestamp")
    return ClusterLogin(content=SecretStr(json.dumps(content, indent=2)), expires_at=expires_at)


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
