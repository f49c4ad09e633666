"""What somebody wants to change at a provider: an act, whole, so that it can be judged, noted, and done later. Pure."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, TypeAdapter

from domain.action import ProviderAct, Secret
from providers.bitrise.actions import (
    Abort,
    AbortPipeline,
    ActedBuild,
    ActedPipeline,
    AnyOfBitrise,
    Decide,
    Rebuild,
    RebuildPipeline,
    SetPublicPage,
    Start,
)
from providers.buildio.actions import (
    AddDomain,
    AnyOfBuildio,
    BuiltAtBitrise,
    ClusterLogin,
    CreateApp,
    CreateNamespace,
    DeleteNamespace,
    Deploy,
    RemoveAllDomains,
    RemoveDomain,
    Restart,
    RevealConfig,
    RevealEnvironment,
    Run,
    SetConfig,
    SetEnvironment,
    UnsetConfig,
    UnsetEnvironment,
    UpdateCertificate,
)

Act: TypeAlias = AnyOfBitrise | AnyOfBuildio
_ACT: TypeAdapter[Act] = TypeAdapter(Annotated[Act, Field(discriminator="act")])


def act_from(body: str) -> Act:
    """The act that was kept as JSON. Raises ValidationError."""
    return _ACT.validate_json(body)


__all__ = [
    "Abort",
    "AbortPipeline",
    "Act",
    "ActedBuild",
    "ActedPipeline",
    "AddDomain",
    "AnyOfBitrise",
    "AnyOfBuildio",
    "BuiltAtBitrise",
    "ClusterLogin",
    "CreateApp",
    "CreateNamespace",
    "Decide",
    "DeleteNamespace",
    "Deploy",
    "ProviderAct",
    "Rebuild",
    "RebuildPipeline",
    "RemoveAllDomains",
    "RemoveDomain",
    "Restart",
    "RevealConfig",
    "RevealEnvironment",
    "Run",
    "Secret",
    "SetConfig",
    "SetEnvironment",
    "SetPublicPage",
    "Start",
    "UnsetConfig",
    "UnsetEnvironment",
    "UpdateCertificate",
    "act_from",
]
