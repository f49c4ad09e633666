"""Endpoints for an app's build configuration, and what its bitrise.yml defines."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import yaml
from pydantic import BaseModel, BeforeValidator, ValidationError

from domain.build import FrozenModel
from domain.provider_errors import ProviderError, RequestRejected, UnexpectedResponse
from providers.bitrise.api.connection import Connection, path_of
from providers.bitrise.provider import BITRISE
from providers.http.api_client import ApiResponse
from providers.http.field_parsing import parse_json
from services.worker_processes.pool import WorkFailed

# The C loader is ten times as fast, but not available on every machine.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BuildTargets(FrozenModel):
    """Names of workflows and pipelines that a build can be started with."""

    workflows: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()


def parse_build_targets(text: str) -> BuildTargets | None:
    """Parse the workflows and pipelines of a bitrise.yml; None if it is not YAML.

    Workflows whose name begins with an underscore can only be used by other workflows (Bitrise's documents, "Utility
    workflows"), so they are left out.
    """
    try:
        content = yaml.load(text, Loader=_LOADER)  # noqa: S506 - both are safe loaders
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    sections = content if isinstance(content, dict) else {}
    return BuildTargets(
        workflows=tuple(name for name in _names(sections.get("workflows")) if not name.startswith("_")),
        pipelines=tuple(_names(sections.get("pipelines"))),
    )


def _names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, dict) else []


def _empty_if_null(value: object) -> object:
    return () if value is None else value


class YmlValidation(BaseModel):
    """The errors and warnings that Bitrise reports about a bitrise.yml."""

    errors: Annotated[tuple[str, ...], BeforeValidator(_empty_if_null)] = ()
    warnings: Annotated[tuple[str, ...], BeforeValidator(_empty_if_null)] = ()


def parse_validation(body: bytes) -> YmlValidation | None:
    """Parse the validation in a response; None if the response cannot be parsed."""
    try:
        return YmlValidation.model_validate_json(body)
    except ValidationError:
        return None


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
            return YmlValidation(errors=(refusal.words or "Bitrise doesn't say what is wrong.",))
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
            raise UnexpectedResponse("the bitrise.yml isn't valid YAML", provider=BITRISE)
        return targets


def _decode_yml(reply: ApiResponse) -> str:
    if len(reply.body) > MAX_YML_BYTES:
        raise UnexpectedResponse("the bitrise.yml is too long", provider=BITRISE)
    return reply.body.decode("utf-8", "replace")


def _parse_names(body: bytes) -> list[str]:
    content = parse_json(body, provider=BITRISE)
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, list):
        raise UnexpectedResponse("it isn't a list", provider=BITRISE)
    return [name for name in data if isinstance(name, str) and name]
