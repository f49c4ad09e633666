"""A workspace: its people, channels, messages and open modals. State alone; nothing here talks to the app."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sandbox.slack.accounts import Enterprise, Group, Person

T = TypeVar("T")

# Of the first workspace; every other one has its own (`Workspace.team` and so on).
TEAM = "T0SANDBOX"
TEAM_NAME = "Sandbox"
APP = "A0BUILDBELL"
BOT_USER = "U0BUILDBELL"
BOT_ID = "B0BUILDBELL"


@dataclass
class Post:
    """A message in a channel; with `only_for` an ephemeral one, which that person alone sees."""

    ts: str
    user: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    thread_ts: str | None = None
    only_for: str | None = None
    broadcast: bool = False
    edited: bool = False
    by_bot: bool = False
    attachments: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    revision: int = 0
    chosen: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    team: str = TEAM
    bot_id: str = BOT_ID

    def as_slack_sends_it(self, *, with_metadata: bool = False) -> dict[str, Any]:
        """The message as the Web API and payloads have it."""
        message: dict[str, Any] = {"type": "message", "user": self.user, "ts": self.ts, "text": self.text}
        if self.by_bot:
            message |= {"bot_id": self.bot_id, "app_id": APP, "team": self.team}
        if self.blocks:
            message["blocks"] = self.blocks
        for name in ("attachments", "files"):
            if value := getattr(self, name):
                message[name] = value
        if self.thread_ts:
            message["thread_ts"] = self.thread_ts
        if self.broadcast:
            message["subtype"] = "thread_broadcast"
        if self.edited:
            message["edited"] = {"user": self.user, "ts": self.ts}
        if with_metadata and self.metadata:
            message["metadata"] = self.metadata
        return message


@dataclass
class Channel:
    """A place to talk: public, private, or a direct message with the bot (`im_with` names the person)."""

    id: str
    name: str
    private: bool = False
    archived: bool = False
    im_with: str | None = None
    members: set[str] = field(default_factory=set)
    shared_outside: bool = False
    posts: list[Post] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """`channel`, `group` or `im`, as events name it."""
        return "im" if self.im_with else "group" if self.private else "channel"

    def find(self, ts: str) -> Post | None:
        """The message of that name."""
        return next((post for post in self.posts if post.ts == ts), None)


@dataclass
class OpenView:
    """A modal that a person has before them, and what they have filled in so far."""

    id: str
    view: dict[str, Any]
    root_id: str
    previous_id: str | None = None
    hash: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    filled: dict[str, Any] = field(default_factory=dict)
    chosen: dict[tuple[str, str], Any] = field(default_factory=dict)
    team: str = TEAM
    bot_id: str = BOT_ID

    def show(self, view: dict[str, Any]) -> None:
        """Become this view; what was filled in stays in the fields that are still there (views.update)."""
        kept = {block_id for block_id, _ in _fields(self.view) & _fields(view)}
        self.filled = {block_id: given for block_id, given in self.filled.items() if block_id in kept}
        self.view, self.hash, self.errors = view, new_hash(), {}

    def as_slack_sends_it(self) -> dict[str, Any]:
        """The view as the Web API and payloads have it."""
        return {
            "id": self.id,
            "team_id": self.team,
            "app_id": APP,
            "bot_id": self.bot_id,
            "hash": self.hash,
            "root_view_id": self.root_id,
            "previous_view_id": self.previous_id,
            "state": {"values": {}},
            "private_metadata": "",
            "callback_id": "",
            "external_id": "",
            **self.view,
        }


@dataclass
class StepRun:
    """One run of a workflow's step: the function's name, what it was given, and what came of it."""

    id: str
    function: str
    inputs: dict[str, Any]
    outputs: dict[str, Any] | None = None
    error: str | None = None

    @property
    def status(self) -> str:
        """How it stands."""
        return "failed" if self.error is not None else "running" if self.outputs is None else "completed"


@dataclass(frozen=True)
class Upload:
    """What is known of a file beside its content."""

    name: str
    alt: str = ""


def first_people() -> list[Person]:
    """The people of the first workspace."""
    return [
        Person("U0ANNA", "anna", "Anna Berg", admin=True, owner=True),
        Person("U0BEN", "ben", "Ben Okafor"),
        Person("U0CARLA", "carla", "Carla Ruiz", guest=True),
    ]


def other_people(team: str) -> list[Person]:
    """The people of any other workspace, if nobody says who they are; their ids carry the workspace's."""
    start = f"U{team[1:]}"
    return [
        Person(f"{start}DANA", "dana", "Dana Novak", admin=True, owner=True),
        Person(f"{start}EMIL", "emil", "Emil Sato"),
        Person(f"{start}FAY", "fay", "Fay Lindqvist", guest=True),
    ]


def first_channels() -> list[Channel]:
    """The channels of the first workspace."""
    return [
        Channel("C0BUILDS", "builds"),
        Channel("C0RANDOM", "random"),
        Channel("G0RELEASE", "release", private=True),
    ]


def other_channels(team: str) -> list[Channel]:
    """The channels of any other workspace, if nobody says which."""
    return [
        Channel(f"C{team[1:]}BUILDS", "builds"),
        Channel(f"C{team[1:]}RANDOM", "random"),
        Channel(f"G{team[1:]}RELEASE", "release", private=True),
    ]


class Workspace:
    """Everything that a workspace remembers; whoever waits for a change is woken by `changed`.

    A channel without members gets everybody. With `only_admins_install` nobody else may install apps.
    """

    def __init__(
        self,
        bot_name: str = "bot",
        clock: Callable[[], float] = time.time,
        *,
        team: str = TEAM,
        name: str = TEAM_NAME,
        people: Iterable[Person] | None = None,
        channels: Iterable[Channel] | None = None,
        enterprise: Enterprise | None = None,
    ) -> None:
        first = team == TEAM
        self.clock = clock
        self.team, self.name, self.enterprise = team, name, enterprise
        self.bot_user = BOT_USER if first else f"U{team[1:]}BUILDBELL"
        self.bot_id = BOT_ID if first else f"B{team[1:]}BUILDBELL"
        self.only_admins_install = False
        self.bot = Person(self.bot_user, bot_name, bot_name)
        if people is None:
            people = first_people() if first else other_people(team)
        if channels is None:
            channels = first_channels() if first else other_channels(team)
        self.people = {one.id: one for one in people}
        self.channels = {one.id: one for one in channels}
        for channel in self.channels.values():
            channel.members = channel.members or set(self.people)
        for person in self.people:
            channel_id = f"D{person[1:]}"
            self.channels[channel_id] = Channel(
                channel_id, f"{bot_name}-{person}", im_with=person, members={person, self.bot_user}
            )
        self.groups: dict[str, Group] = {}
        if first:
            self.groups["S0RELEASE"] = Group("S0RELEASE", "release-team", "Release team", ["U0BEN"])
        self.views: dict[str, list[OpenView]] = {}
        self.homes: dict[str, dict[str, Any]] = {}
        self.chosen_at_home: dict[str, dict[tuple[str, str], Any]] = {}
        self.files: dict[str, bytes] = {}
        self.uploads: dict[str, Upload] = {}
        self.runs: dict[str, StepRun] = {}
        self.revision = 0
        self.removed: list[tuple[int, str, str]] = []
        self._posted = itertools.count(1)
        self._change = asyncio.Event()

    def person(self, name: str) -> Person:
        """Somebody by id or name. Raises KeyError."""
        found = self.people.get(name) or next((one for one in self.people.values() if one.name == name), None)
        if found is None:
            raise KeyError(
                f"nobody is called {name}; there are {', '.join(one.name for one in self.people.values())}"
            )
        return found

    def channel(self, name: str) -> Channel:
        """A channel by id or name. Raises KeyError."""
        name = name.removeprefix("#")
        found = self.channels.get(name) or next(
            (one for one in self.channels.values() if one.name == name), None
        )
        if found is None:
            raise KeyError(f"there is no channel {name}")
        return found

    def add_channel(self, name: str, *, private: bool = False) -> Channel:
        """A new channel with everybody in it, but not the bot."""
        identity = f"{'G' if private else 'C'}0{name.upper().replace('-', '')}"
        made = Channel(identity, name, private, members=set(self.people))
        self.channels[identity] = made
        self.changed()
        return made

    @property
    def domain(self) -> str:
        """The name in the workspace's address."""
        return self.name.lower().replace(" ", "-")

    def adopt_bot(self, other: Workspace) -> None:
        """Let the app's bot be the one that it is in another workspace: an organisation knows it by one id."""
        for channel in self.channels.values():
            if self.bot_user in channel.members:
                channel.members = channel.members - {self.bot_user} | {other.bot_user}
        self.bot_user, self.bot_id = other.bot_user, other.bot_id
        self.bot = replace(self.bot, id=self.bot_user)

    def deactivate(self, person: Person) -> Person:
        """Take somebody's account away, with their places in channels and groups; who they are now."""
        gone = self.people[person.id] = replace(person, deleted=True)
        for channel in self.channels.values():
            channel.members.discard(gone.id)
            # Nobody can be written to who is not there.
            channel.archived |= channel.im_with == gone.id
        for group in self.groups.values():
            group.users = [one for one in group.users if one != gone.id]
        self.views.pop(gone.id, None)
        self.homes.pop(gone.id, None)
        self.changed()
        return gone

    def dismiss_bot(self) -> None:
        """Take the bot out of all channels, and its modals and Homes away: the app is gone."""
        for channel in self.channels.values():
            if channel.im_with is None:
                channel.members.discard(self.bot_user)
        self.views.clear()
        self.homes.clear()
        self.changed()

    def new_ts(self) -> str:
        """A message's name: the time, made unique."""
        return f"{int(self.clock())}.{next(self._posted):06d}"

    def post(self, channel: Channel, post: Post) -> Post:
        """Put a message into a channel."""
        post.team, post.bot_id = self.team, self.bot_id
        channel.posts.append(post)
        self.touch(post)
        return post

    def touch(self, post: Post) -> None:
        """Note that a message is new or has changed."""
        self.revision += 1
        post.revision = self.revision
        self.changed()

    def remove(self, channel: Channel, post: Post) -> None:
        """Take a message away."""
        channel.posts.remove(post)
        self.revision += 1
        self.removed.append((self.revision, channel.id, post.ts))
        self.changed()

    async def next_change(self) -> None:
        """Wait until something changes."""
        await self._change.wait()

    @property
    def names(self) -> dict[str, str]:
        """What everybody, every group and every channel is mentioned by, the bot too."""
        people = {one.id: one.name for one in (*self.people.values(), self.bot)}
        groups = {one.id: one.handle for one in self.groups.values()}
        return people | groups | {one.id: one.name for one in self.channels.values()}

    def open_view(self, person: str, view: dict[str, Any], *, on_top: bool = False) -> OpenView:
        """Show a modal: on top of the one that is there, or alone."""
        if not on_top:
            self.views[person] = []
        stack = self.views.setdefault(person, [])
        identity = f"V{secrets.token_hex(5).upper()}"
        root = stack[0].id if stack else identity
        opened = OpenView(
            identity,
            view,
            root,
            stack[-1].id if stack else None,
            new_hash(),
            team=self.team,
            bot_id=self.bot_id,
        )
        stack.append(opened)
        self.changed()
        return opened

    def find_view(self, view_id: str) -> OpenView | None:
        """An open modal."""
        return next((one for stack in self.views.values() for one in stack if one.id == view_id), None)

    def changed(self) -> None:
        """Wake everybody who waits."""
        self._change.set()
        self._change = asyncio.Event()

    async def wait_for(self, look: Callable[[], T | None], seconds: float, what: str) -> T:
        """The first thing that `look` finds. Raises TimeoutError, which names what was waited for."""
        try:
            async with asyncio.timeout(seconds):
                while (found := look()) is None:
                    await self._change.wait()
                return found
        except TimeoutError:
            raise TimeoutError(f"waited {seconds} s for {what}") from None


def _fields(view: dict[str, Any]) -> set[tuple[str, str]]:
    """A view's fields: their blocks' and their own names."""
    return {
        (block["block_id"], block["element"].get("action_id", ""))
        for block in view["blocks"]
        if block["type"] == "input"
    }


def new_hash() -> str:
    """A view's version."""
    return f"{int(time.time())}.{secrets.token_hex(4)}"
