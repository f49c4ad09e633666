"""The recorded state of commit 1391b6b: its database, and Slack, Bitrise and Build.io at the same time.

The bot of that commit made the fixtures (tests/fixtures/release_1391b6b/README.md).
"""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from copy import deepcopy
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sandbox.bitrise.members as bitrise_members
import sandbox.bitrise.state as bitrise_state
import sandbox.buildio.deployments as buildio_deployments
import sandbox.buildio.domains as buildio_domains
import sandbox.buildio.dynos as buildio_dynos
import sandbox.buildio.members as buildio_members
import sandbox.buildio.oauth_grants as buildio_grants
import sandbox.buildio.state as buildio_state
from sandbox.slack.models import FunctionExecution, Post
from tests.support.bot_harness import BotHarness

FIXTURES = Path(__file__).parent.parent / "fixtures" / "release_1391b6b"


def read_json(name: str) -> Any:
    """Return the content of a recorded JSON file."""
    return json.loads((FIXTURES / name).read_text())


def write_database(path: Path, dump: str = "buildbell.sql") -> None:
    """Create a database file from a recorded dump."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FIXTURES / dump).read_text())


# The simulators' classes by their names in the recording.
_CLASSES: Mapping[str, type[Any]] = {
    "bitrise.App": bitrise_state.App,
    "bitrise.Artifact": bitrise_state.Artifact,
    "bitrise.Build": bitrise_state.Build,
    "bitrise.Pipeline": bitrise_state.Pipeline,
    "bitrise.BuildRequest": bitrise_state.BuildRequest,
    "buildio.Team": buildio_members.Team,
    "buildio.Member": buildio_members.Member,
    "buildio.Access": buildio_members.Access,
    "buildio.App": buildio_state.App,
    "buildio.Namespace": buildio_state.Namespace,
    "buildio.Environment": buildio_state.Environment,
    "buildio.Pipeline": buildio_state.Pipeline,
    "buildio.Deployment": buildio_deployments.Deployment,
    "buildio.Dyno": buildio_dynos.Dyno,
    "buildio.Formation": buildio_dynos.Formation,
    "buildio.Domain": buildio_domains.Domain,
    "buildio.Consent": buildio_grants.Consent,
    "buildio.Asked": buildio_grants.AuthorizationRequest,
}
# Fields and methods that have other names today.
_RENAMED_FIELDS: Mapping[str, Mapping[str, str]] = {
    "bitrise.App": {"sums_up": "has_log_summary", "explains": "has_ai_summary"},
    "buildio.Deployment": {"obstacle": "release_error", "pace": "speed"},
    "buildio.Dyno": {"place": "index", "pace": "speed"},
    "buildio.Domain": {"given": "has_custom_certificate", "platform": "is_platform_domain", "pace": "speed"},
    "buildio.Consent": {"asked": "authorization", "past": "old_refresh_tokens"},
}
_RENAMED_METHODS = {"obstacle": "release_error"}


class RecordedProviders:
    """The recorded objects at both providers, with their references to each other."""

    def __init__(self) -> None:
        content = read_json("world.json")
        self._objects = [_create_empty(_CLASSES[recorded["class"]]) for recorded in content["objects"]]
        # A frozen object may be a key of a mapping, so all fields are set before an object is used by value.
        for instance, recorded in zip(self._objects, content["objects"], strict=True):
            renamed = _RENAMED_FIELDS.get(recorded["class"], {})
            for name, value in recorded["fields"].items():
                object.__setattr__(instance, renamed.get(name, name), self._value(value))
        self._roots: dict[str, Any] = content["roots"]

    def __getitem__(self, name: str) -> Any:
        return self._value(self._roots[name])

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if not isinstance(value, dict):
            return value
        [(tag, content)] = value.items()
        match tag:
            case "$ref":
                return self._objects[content]
            case "$time":
                return datetime.fromisoformat(content)
            case "$seconds":
                return timedelta(seconds=content)
            case "$bytes":
                return bytes(content)
            case "$tuple":
                return tuple(self._value(item) for item in content)
            case "$set":
                return set(content)
            case "$map":
                return {self._value(key): self._value(item) for key, item in content}
            case "$method":
                return getattr(self._value(content[0]), _RENAMED_METHODS[content[1]])
        raise ValueError(tag)


def _create_empty(kind: type[Any]) -> Any:
    """Create an object with only the defaults of its fields, for fields that the recording does not have."""
    instance = object.__new__(kind)
    for field in fields(kind):
        if field.default is not MISSING:
            object.__setattr__(instance, field.name, field.default)
        elif field.default_factory is not MISSING:
            object.__setattr__(instance, field.name, field.default_factory())
    return instance


class RecordedHarness(BotHarness):
    """The environment in which that commit's bot was killed; starting the bot in it is an update to today's code."""

    def __init__(self, folder: Path) -> None:
        self.recorded = RecordedProviders()
        settings = {
            "policy_file": str(FIXTURES / "policy.toml"),
            "service_token_acts": "0",
            "public_url": self.recorded["settings"]["public_url"],
            "buildio_client_id": buildio_grants.CLIENT_ID,
            "buildio_client_secret": buildio_grants.CLIENT_SECRET,
        }
        super().__init__(folder, now=self._clock_now, settings=settings)
        # One minute after the recording.
        self.clock.skip(self.recorded["now"] - datetime.now(UTC) + timedelta(minutes=1))
        self._fill_bitrise()
        self._fill_buildio()
        self._fill_slack()
        write_database(folder / "buildbell.db")

    def _clock_now(self) -> datetime:
        return self.clock()

    async def open(self) -> None:
        """Start the simulators, on other ports than then, and rename stored tokens, whose names contain the address."""
        await super().open()
        now, then = self.settings(), self.recorded["settings"]
        for provider in ("bitrise", "buildio"):
            names = [_token_name(provider, settings) for settings in (now, then)]
            await self.execute("UPDATE looks SET token = ? WHERE token = ?", *names)

    def _fill_bitrise(self) -> None:
        simulator = self.bitrise
        for name, value in self.recorded["farm"].items():
            setattr(simulator.state, name, value)
        simulator.state.randomness = random.Random(1391)
        for pipeline in simulator.state.pipelines:
            pipeline.attempts_at = [pipeline.triggered_at for _ in pipeline.attempts]
        simulator.android, simulator.ios, simulator.web = simulator.state.apps[:3]
        simulator.members.clear()
        simulator.members.update(
            bitrise_members.default_members(simulator.android, simulator.ios, simulator.web)
        )
        for app in simulator.state.apps[3:]:
            simulator.set_role("anna-berg", app, bitrise_members.Role.OWNER)

    def _fill_buildio(self) -> None:
        simulator, recorded = self.buildio, self.recorded
        for name, value in recorded["platform"].items():
            setattr(simulator.state, name, value)
        simulator.state.randomness = random.Random(1391)
        simulator.acme, simulator.labs = simulator.state.teams
        apps = {app.name: app for app in simulator.state.apps}
        simulator.shop, simulator.staging = apps["shop"], apps["shop-staging"]
        simulator.review, simulator.ledger = apps["shop-pr-42"], apps["ledger"]
        simulator.pipeline = simulator.state.pipelines[0]
        simulator.namespace = simulator.state.namespaces[0]
        simulator.members.clear()
        simulator.members.update(recorded["members"])
        for member in simulator.members.values():
            member.roles = {team: buildio_members.Role(role) for team, role in member.roles.items() if role}
        simulator.oauth_grants._codes.update(recorded["codes"])
        simulator.oauth_grants._consents.extend(recorded["consents"])
        simulator.oauth_grants.redirect_uris.extend(recorded["redirects"])

    def _fill_slack(self) -> None:
        content, workspace = read_json("slack.json"), self.slack.workspace
        for channel, members in content["members"].items():
            workspace.channels[channel].members = set(members)
        for channel, posts in content["channels"].items():
            workspace.channels[channel].posts.extend(make_post(post) for post in posts)
        for identity, run in content["runs"].items():
            workspace.executions[identity] = FunctionExecution(identity, run["function"], run["inputs"])
            if run["status"] == "completed":
                workspace.executions[identity].outputs = {}
        workspace.homes.update(deepcopy(read_json("views.json")["homes"]))
        workspace.files.update(dict.fromkeys(content["files"], b""))


def _token_name(provider: str, settings: Mapping[str, str]) -> str:
    """Return the name under which that commit stored the polls of a token."""
    source = f"{settings[f'{provider}_api_url']} {settings[f'{provider}_token']}"
    return f"{provider}:{hashlib.sha256(source.encode()).hexdigest()[:16]}"


def make_post(recorded: Mapping[str, Any]) -> Post:
    """Make a message of its recorded fields."""
    return Post(**deepcopy(dict(recorded)))


def find_elements(blocks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return all interactive elements of the blocks, each with its block's id as `block_id`."""
    found = []
    for block in blocks:
        content = [*block.get("elements", ()), block.get("accessory"), block.get("element")]
        found += [
            {**item, "block_id": block.get("block_id")}
            for item in content
            if isinstance(item, dict) and "action_id" in item
        ]
    return found
