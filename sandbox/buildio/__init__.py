"""A simulated Build.io: strict as its API reference, with apps that live, people in teams, and OAuth pages."""

from sandbox.buildio.deployments import Deployment
from sandbox.buildio.domains import Domain
from sandbox.buildio.dynos import Dyno, Formation
from sandbox.buildio.grants import CLIENT_ID, CLIENT_SECRET
from sandbox.buildio.members import (
    ANNA_TOKEN,
    BEN_TOKEN,
    CARLA_TOKEN,
    READ_TOKEN,
    TOKEN,
    Access,
    Member,
    Role,
    Team,
)
from sandbox.buildio.platform import App, Environment, Namespace, Pipeline, Platform
from sandbox.buildio.server import BuildioSandbox

__all__ = [
    "ANNA_TOKEN",
    "BEN_TOKEN",
    "CARLA_TOKEN",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "READ_TOKEN",
    "TOKEN",
    "Access",
    "App",
    "BuildioSandbox",
    "Deployment",
    "Domain",
    "Dyno",
    "Environment",
    "Formation",
    "Member",
    "Namespace",
    "Pipeline",
    "Platform",
    "Role",
    "Team",
]
