"""A workspace: its people, channels, messages and open modals. State alone; nothing here talks to the app."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

TEAM = "T0SANDBOX"
TEAM_NAME = "Sandbox"
APP = "A0BUILDBELL"
BOT_USER = "U0BUILDBELL"
BOT_ID = "B0BUILDBELL"


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    id: str
    name: str
    real_name: str
    zone: str = "Europe/Berlin"
    guest: bool = False

    @property
    def email(self) -> str:
        """Their e-mail address."""
        return f"{self.name}@example.com"


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

    def as_slack_sends_it(self, *, with_metadata: bool = False) -> dict[str, Any]:
        """The message as the Web API and payloads have it."""
        message: dict[str, Any] = {"type": "message", "user": self.user, "ts": self.ts, "text": self.text}
        if self.by_bot:
            message |= {"bot_id": BOT_ID, "app_id": APP, "team": TEAM}
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

    def show(self, view: dict[str, Any]) -> None:
        """Become this view; what was filled in stays in the fields that are still there (views.update)."""
        kept = {block_id for block_id, _ in _fields(self.view) & _fields(view)}
        self.filled = {block_id: given for block_id, given in self.filled.items() if block_id in kept}
        self.view, self.hash, self.errors = view, new_hash(), {}

    def as_slack_sends_it(self) -> dict[str, Any]:
        """The view as the Web API and payloads have it."""
        return {
            "id": self.id,
            "team_id": TEAM,
            "app_id": APP,
            "bot_id": BOT_ID,
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


class Workspace:
    """Everything that a workspace remembers; whoever waits for a change is woken by `changed`."""

    def __init__(self, bot_name: str = "bot", clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.bot = Person(BOT_USER, bot_name, bot_name)
        self.people = {
            one.id: one
            for one in (
                Person("U0ANNA", "anna", "Anna Berg"),
                Person("U0BEN", "ben", "Ben Okafor"),
                Person("U0CARLA", "carla", "Carla Ruiz", guest=True),
            )
        }
        self.channels: dict[str, Channel] = {}
        for channel_id, name, private in (
            ("C0BUILDS", "builds", False),
            ("C0RANDOM", "random", False),
            ("G0RELEASE", "release", True),
        ):
            self.channels[channel_id] = Channel(channel_id, name, private, members=set(self.people))
        for person in self.people:
            channel_id = f"D{person[1:]}"
            self.channels[channel_id] = Channel(
                channel_id, f"{bot_name}-{person}", im_with=person, members={person, BOT_USER}
            )
        self.views: dict[str, list[OpenView]] = {}
        self.homes: dict[str, dict[str, Any]] = {}
        self.chosen_at_home: dict[str, dict[tuple[str, str], Any]] = {}
        self.files: dict[str, bytes] = {}
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

    def new_ts(self) -> str:
        """A message's name: the time, made unique."""
        return f"{int(self.clock())}.{next(self._posted):06d}"

    def post(self, channel: Channel, post: Post) -> Post:
        """Put a message into a channel."""
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
        """What everybody and every channel is mentioned by, the bot too."""
        people = {one.id: one.name for one in (*self.people.values(), self.bot)}
        return people | {one.id: one.name for one in self.channels.values()}

    def open_view(self, person: str, view: dict[str, Any], *, on_top: bool = False) -> OpenView:
        """Show a modal: on top of the one that is there, or alone."""
        if not on_top:
            self.views[person] = []
        stack = self.views.setdefault(person, [])
        identity = f"V{secrets.token_hex(5).upper()}"
        root = stack[0].id if stack else identity
        opened = OpenView(identity, view, root, stack[-1].id if stack else None, new_hash())
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
