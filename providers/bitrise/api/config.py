"""Endpoints for an app's build configuration."""

from __future__ import annotations

from urllib.parse import quote

from domain.provider_errors import ProviderError, RequestRejected, UnexpectedResponse
from providers.bitrise.api.connection import Connection, path_of
from providers.bitrise.config.bitrise_yml import YmlValidation, parse_validation
from providers.bitrise.config.build_targets import BuildTargets, parse_build_targets
from providers.bitrise.provider import BITRISE
from providers.http.api_client import ApiResponse
from providers.http.field_parsing import parse_json
from services.worker_processes.pool import WorkFailed

MAX_YML_BYTES = 1024 * 1024


class ConfigurationApi(Connection):
    """Endpoints for an app's build configuration. Every method raises ProviderError."""

    async def branches(self, app_slug: str) -> list[str]:
        """List the branches that have builds."""
        return _parse_names((await self._api.read(path_of("apps", app_slug, "branches"))).body)

    async def workflows(self, app_slug: str) -> list[str]:
        """List the workflows that were ever triggered."""
        return _parse_names((await self._api.read(path_of("apps", app_slug, "build-workflows"))).body)

    async def app_yml(self, app_slug: str) -> str:
        """Return the app's bitrise.yml as text."""
        return _decode_yml(await self._api.read(path_of("apps", app_slug, "bitrise.yml")))

    async def build_yml(self, app_slug: str, build_slug: str) -> str:
        """Return the bitrise.yml that a build ran with, as text."""
        return _decode_yml(
            await self._api.read(path_of("apps", app_slug, "builds", build_slug, "bitrise.yml"))
        )

    async def validate_yml(self, app_slug: str, text: str) -> YmlValidation | None:
        """Validate a bitrise.yml; None if Bitrise does not validate it ("validate-bitrise-yml")."""
        path = f"/validate-bitrise-yml?app_slug={quote(app_slug, safe='')}"
        try:
            reply = await self._api.change("POST", path, {"bitrise_yml": text})
        except RequestRejected as refusal:
            return YmlValidation(errors=(refusal.words or "Bitrise does not say what is wrong.",))
        except ProviderError:
            return None
        return parse_validation(reply.body)

    async def buildables(self, app_slug: str) -> BuildTargets:
        """Return the workflows and pipelines in the app's bitrise.yml: the exact list; not every token may read it."""
        text = await self.app_yml(app_slug)
        try:
            async with self._yml_lock:
                targets = await self._runner.run(parse_build_targets, text)
        except WorkFailed as error:
            raise UnexpectedResponse("the bitrise.yml takes too long to read", provider=BITRISE) from error
        if targets is None:
            raise UnexpectedResponse("the bitrise.yml is no YAML", provider=BITRISE)
        return targets


def _decode_yml(reply: ApiResponse) -> str:
    if len(reply.body) > MAX_YML_BYTES:
        raise UnexpectedResponse("the bitrise.yml is too long", provider=BITRISE)
    return reply.body.decode("utf-8", "replace")


def _parse_names(body: bytes) -> list[str]:
    content = parse_json(body, provider=BITRISE)
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, list):
        raise UnexpectedResponse("it is no list", provider=BITRISE)
    return [name for name in data if isinstance(name, str) and name]
