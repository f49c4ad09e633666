"""Client of Build.io's API v1."""

from bot.buildio.client import Buildio
from bot.buildio.deployments import state_of
from bot.buildio.oauth import BuildioOAuth, endpoints_beside
from bot.buildio.plug import app_of, buildio_plug
from bot.buildio.things import (
    BuildioApp,
    ClusterLogin,
    Deployment,
    Domain,
    Dyno,
    Environment,
    Executed,
    Formation,
    Identity,
    Namespace,
    Pipeline,
    PipelineApp,
    StartedBuild,
    Team,
)

__all__ = [
    "Buildio",
    "BuildioApp",
    "BuildioOAuth",
    "ClusterLogin",
    "Deployment",
    "Domain",
    "Dyno",
    "Environment",
    "Executed",
    "Formation",
    "Identity",
    "Namespace",
    "Pipeline",
    "PipelineApp",
    "StartedBuild",
    "Team",
    "app_of",
    "buildio_plug",
    "endpoints_beside",
    "state_of",
]
