"""Client of Bitrise's API v0.1."""

from bot.bitrise.client import Bitrise
from bot.bitrise.errors import BuildAlreadyFinished, NoLog
from bot.bitrise.listing import Listing, Page
from bot.bitrise.logs import Log
from bot.bitrise.logs_api import LogTail, ReadLog
from bot.bitrise.models import Artifact, ArtifactLinks, Me
from bot.bitrise.orders import AbortOrder, BuildQuery, EnvironmentVariable, Started, TriggerParams
from bot.bitrise.plug import bitrise_plug
from bot.bitrise.yml import YmlVerdict
from bot.buildables import Buildables

__all__ = [
    "AbortOrder",
    "Artifact",
    "ArtifactLinks",
    "Bitrise",
    "BuildAlreadyFinished",
    "BuildQuery",
    "Buildables",
    "EnvironmentVariable",
    "Listing",
    "Log",
    "LogTail",
    "Me",
    "NoLog",
    "Page",
    "ReadLog",
    "Started",
    "TriggerParams",
    "YmlVerdict",
    "bitrise_plug",
]
