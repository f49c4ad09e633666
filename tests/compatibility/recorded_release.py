"""What commit 1391b6b stored and posted, brought back: its database, and Slack, Bitrise and Build.io as they were then.

The fixtures were made by that commit's own bot (tests/fixtures/release_1391b6b/README.md).
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
    """One of the recorded JSON files."""
    return json.loads((FIXTURES / name).read_text())


def write_database(path: Path, dump: str = "buildbell.sql") -> None:
    """Make a database file of a recorded dump."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FIXTURES / dump).read_text())


# The simulators' things by the names that the recording has for them.
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


class RecordedWorld:
    """The things at both providers, with their references to each other."""

    def __init__(self) -> None:
        content = read_json("world.json")
        self._objects = [_new(_CLASSES[one["class"]]) for one in content["objects"]]
        # A frozen one may be a key of a mapping, so all of them are filled before anything refers to them by value.
        for made, one in zip(self._objects, content["objects"], strict=True):
            renamed = _RENAMED_FIELDS.get(one["class"], {})
            for name, value in one["fields"].items():
                object.__setattr__(made, renamed.get(name, name), self._value(value))
        self._roots: dict[str, Any] = content["roots"]

    def __getitem__(self, name: str) -> Any:
        return self._value(self._roots[name])

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(one) for one in value]
        if not isinstance(value, dict):
            return value
        [(kind, held)] = value.items()
        match kind:
            case "$ref":
                return self._objects[held]
            case "$time":
                return datetime.fromisoformat(held)
            case "$seconds":
                return timedelta(seconds=held)
            case "$bytes":
                return bytes(held)
            case "$tuple":
                return tuple(self._value(one) for one in held)
            case "$set":
                return set(held)
            case "$map":
                return {self._value(key): self._value(one) for key, one in held}
            case "$method":
                return getattr(self._value(held[0]), _RENAMED_METHODS[held[1]])
        raise ValueError(kind)


def _new(kind: type[Any]) -> Any:
    """An empty one, with the defaults of what that commit did not know yet."""
    made = object.__new__(kind)
    for field in fields(kind):
        if field.default is not MISSING:
            object.__setattr__(made, field.name, field.default)
        elif field.default_factory is not MISSING:
            object.__setattr__(made, field.name, field.default_factory())
    return made


class RecordedHarness(BotHarness):
    """The town in which that commit's bot was killed; whoever starts today's bot in it updates to it."""

    def __init__(self, folder: Path) -> None:
        self.world = RecordedWorld()
        settings = {
            "policy_file": str(FIXTURES / "policy.toml"),
            "service_token_acts": "0",
            "public_url": self.world["settings"]["public_url"],
            "buildio_client_id": buildio_grants.CLIENT_ID,
            "buildio_client_secret": buildio_grants.CLIENT_SECRET,
        }
        super().__init__(folder, now=self._clock_now, settings=settings)
        # A minute later.
        self.clock.skip(self.world["now"] - datetime.now(UTC) + timedelta(minutes=1))
        self._fill_bitrise()
        self._fill_buildio()
        self._fill_slack()
        write_database(folder / "buildbell.db")

    def _clock_now(self) -> datetime:
        return self.clock()

    async def open(self) -> None:
        """Start the services, at other ports than then: what was known of a token goes by its service's address too."""
        await super().open()
        now, then = self.settings(), self.world["settings"]
        for provider in ("bitrise", "buildio"):
            names = [_name_of_token(provider, settings) for settings in (now, then)]
            await self.execute("UPDATE looks SET token = ? WHERE token = ?", *names)

    def _fill_bitrise(self) -> None:
        there = self.bitrise
        for name, value in self.world["farm"].items():
            setattr(there.state, name, value)
        there.state.randomness = random.Random(1391)
        for pipeline in there.state.pipelines:
            pipeline.attempts_at = [pipeline.triggered_at for _ in pipeline.attempts]
        there.android, there.ios, there.web = there.state.apps[:3]
        there.members.clear()
        there.members.update(bitrise_members.default_members(there.android, there.ios, there.web))
        for app in there.state.apps[3:]:
            there.set_role("anna-berg", app, bitrise_members.Role.OWNER)

    def _fill_buildio(self) -> None:
        there, world = self.buildio, self.world
        for name, value in world["platform"].items():
            setattr(there.state, name, value)
        there.state.randomness = random.Random(1391)
        there.acme, there.labs = there.state.teams
        apps = {one.name: one for one in there.state.apps}
        there.shop, there.staging = apps["shop"], apps["shop-staging"]
        there.review, there.ledger = apps["shop-pr-42"], apps["ledger"]
        there.pipeline = there.state.pipelines[0]
        there.namespace = there.state.namespaces[0]
        there.members.clear()
        there.members.update(world["members"])
        for member in there.members.values():
            member.roles = {team: buildio_members.Role(role) for team, role in member.roles.items() if role}
        there.oauth_grants._codes.update(world["codes"])
        there.oauth_grants._consents.extend(world["consents"])
        there.oauth_grants.redirect_uris.extend(world["redirects"])

    def _fill_slack(self) -> None:
        content, workspace = read_json("slack.json"), self.slack.workspace
        for channel, members in content["members"].items():
            workspace.channels[channel].members = set(members)
        for channel, posts in content["channels"].items():
            workspace.channels[channel].posts.extend(post_from(one) for one in posts)
        for identity, run in content["runs"].items():
            workspace.executions[identity] = FunctionExecution(identity, run["function"], run["inputs"])
            if run["status"] == "completed":
                workspace.executions[identity].outputs = {}
        workspace.homes.update(deepcopy(read_json("views.json")["homes"]))
        workspace.files.update(dict.fromkeys(content["files"], b""))


def _name_of_token(provider: str, settings: Mapping[str, str]) -> str:
    """By which that commit knew a token again."""
    named = f"{settings[f'{provider}_api_url']} {settings[f'{provider}_token']}"
    return f"{provider}:{hashlib.sha256(named.encode()).hexdigest()[:16]}"


def post_from(recorded: Mapping[str, Any]) -> Post:
    """A recorded message."""
    return Post(**deepcopy(dict(recorded)))


def elements_in(blocks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """All that can be used in these blocks, each with its block's id as `block_id`."""
    found = []
    for block in blocks:
        held = [*block.get("elements", ()), block.get("accessory"), block.get("element")]
        found += [
            {**one, "block_id": block.get("block_id")}
            for one in held
            if isinstance(one, dict) and "action_id" in one
        ]
    return found
