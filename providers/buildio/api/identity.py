"""Parsing of the token's owner and of the cluster credential. Pure; no I/O."""

from __future__ import annotations

import json
from typing import Any

from pydantic import SecretStr

from domain.provider_errors import UnexpectedResponse
from providers.buildio.api.field_parsing import Fields
from providers.buildio.api.models import ClusterLogin, Identity
from providers.buildio.provider import BUILDIO
from providers.http.field_parsing import parse_json


def parse_identity(body: bytes) -> Identity:
    """Parse the owner of a token. Raises UnexpectedResponse without an e-mail address, the only field needed."""
    content = parse_json(body, provider=BUILDIO)
    fields = Fields({"email": content}) if isinstance(content, str) else Fields.of(content) or Fields({})
    email = fields.name("email") or fields.inner("user", "data", "account").name("email")
    if email is None:
        raise UnexpectedResponse("there is no e-mail address in it", provider=BUILDIO)
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
