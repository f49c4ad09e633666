"""A simulated Bitrise: the documented answers and errors, apps whose builds live, and people with roles."""

from sandbox.bitrise.farm import App, Artifact, Build, Farm, Pipeline
from sandbox.bitrise.members import ANNA_TOKEN, BEN_TOKEN, CARLA_TOKEN, TESTER_TOKEN, TOKEN, Member, Role
from sandbox.bitrise.server import BitriseSandbox

__all__ = [
    "ANNA_TOKEN",
    "BEN_TOKEN",
    "CARLA_TOKEN",
    "TESTER_TOKEN",
    "TOKEN",
    "App",
    "Artifact",
    "BitriseSandbox",
    "Build",
    "Farm",
    "Member",
    "Pipeline",
    "Role",
]
