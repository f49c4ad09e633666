"""A simulated Bitrise: the documented answers and errors, and apps whose builds live."""

from sandbox.bitrise.farm import App, Artifact, Build, Farm, Pipeline
from sandbox.bitrise.server import TESTER_TOKEN, TOKEN, BitriseSandbox

__all__ = ["TESTER_TOKEN", "TOKEN", "App", "Artifact", "BitriseSandbox", "Build", "Farm", "Pipeline"]
