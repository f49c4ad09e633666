"""What somebody wants to change at a provider: an act, whole, so that it can be judged, noted, and done later. Pure."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, TypeAdapter

from domain.action import Action, Secret
from providers.bitrise.actions import (
    AbortBuildAction,
    AbortPipelineAction,
    AnyOfBitrise,
    BuildTarget,
    DecideBuildRequestAction,
    PipelineTarget,
    RebuildBuildAction,
    RebuildPipelineAction,
    SetPublicInstallPageAction,
    TriggerBuildAction,
)
from providers.buildio.actions import (
    AddDomainAction,
    AnyOfBuildio,
    ClusterLoginAction,
    CreateAppAction,
    CreateNamespaceAction,
    DeleteNamespaceAction,
    DeployAction,
    RemoveAllDomainsAction,
    RemoveDomainAction,
    RestartAction,
    RevealConfigAction,
    RevealEnvironmentAction,
    RunCommandAction,
    SetConfigAction,
    SetEnvironmentAction,
    SourceBuild,
    UnsetConfigAction,
    UnsetEnvironmentAction,
    UpdateCertificateAction,
)

Act: TypeAlias = Action
_ACT: TypeAdapter[Action] = TypeAdapter(Annotated[AnyOfBitrise | AnyOfBuildio, Field(discriminator="act")])


def act_from(body: str) -> Act:
    """The act that was kept as JSON. Raises ValidationError."""
    return _ACT.validate_json(body)


__all__ = [
    "AbortBuildAction",
    "AbortPipelineAction",
    "Act",
    "Action",
    "AddDomainAction",
    "AnyOfBitrise",
    "AnyOfBuildio",
    "BuildTarget",
    "ClusterLoginAction",
    "CreateAppAction",
    "CreateNamespaceAction",
    "DecideBuildRequestAction",
    "DeleteNamespaceAction",
    "DeployAction",
    "PipelineTarget",
    "RebuildBuildAction",
    "RebuildPipelineAction",
    "RemoveAllDomainsAction",
    "RemoveDomainAction",
    "RestartAction",
    "RevealConfigAction",
    "RevealEnvironmentAction",
    "RunCommandAction",
    "Secret",
    "SetConfigAction",
    "SetEnvironmentAction",
    "SetPublicInstallPageAction",
    "SourceBuild",
    "TriggerBuildAction",
    "UnsetConfigAction",
    "UnsetEnvironmentAction",
    "UpdateCertificateAction",
    "act_from",
]
