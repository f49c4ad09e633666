"""A workspace: its people, channels, messages and open modals. State alone; nothing here talks to the app."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from sandbox.slack.users import Enterprise, User, UserGroup

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
    # What kind of message it is, where it is no ordinary one: `me_message`.
    subtype: str = ""
    # Who has reacted, by the emoji's name, in the order in which they did.
    reactions: dict[str, list[str]] = field(default_factory=dict)
    # When it was pinned, in Unix seconds, and by whom.
    pinned: tuple[int, str] | None = None
    # The step of a workflow that posted it: its buttons belong to that step.
    run: FunctionExecution | None = None

    def as_slack_sends_it(self, *, with_metadata: bool = False) -> dict[str, Any]:
        """The message as the Web API and payloads have it."""
        message: dict[str, Any] = {"type": "message", "user": self.user, "ts": self.ts, "text": self.text}
        if self.subtype:
            message["subtype"] = self.subtype
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
        if self.reactions:
            message["reactions"] = [
                {"name": name, "users": list(users), "count": len(users)}
                for name, users in self.reactions.items()
            ]
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
    created: int = 1_700_000_000
    creator: str = ""
    topic: str = ""
    purpose: str = ""

    @property
    def kind(self) -> str:
        """`channel`, `group` or `im`, as events name it."""
        return "im" if self.im_with else "group" if self.private else "channel"

    def find(self, ts: str) -> Post | None:
        """The message of that name."""
        return next((post for post in self.posts if post.ts == ts), None)

    def replies_to(self, post: Post) -> list[Post]:
        """The replies of a thread, which everybody sees."""
        return [one for one in self.posts if one.thread_ts == post.ts != one.ts and one.only_for is None]


# What a view has in payloads and answers where the app has not set it (docs.slack.dev, "View object").
VIEW_DEFAULTS: dict[str, Any] = {
    "private_metadata": "",
    "callback_id": "",
    "external_id": "",
    "submit": None,
    "close": None,
    "clear_on_close": False,
    "notify_on_close": False,
}


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
    # The step of a workflow that opened it.
    run: FunctionExecution | None = None

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
            "app_installed_team_id": self.team,
            **VIEW_DEFAULTS,
            **self.view,
        }


@dataclass
class FunctionExecution:
    """One run of a workflow's step: the function's name, what it was given, and what came of it."""

    id: str
    function: str
    inputs: dict[str, Any]
    outputs: dict[str, Any] | None = None
    error: str | None = None
    # With what the app acts for this step (docs.slack.dev, "Workflow tokens").
    token: str = ""

    @property
    def status(self) -> str:
        """How it stands."""
        return "failed" if self.error is not None else "running" if self.outputs is None else "completed"

    def as_json(self) -> dict[str, Any]:
        """What people are shown: all but the token."""
        return {
            "id": self.id,
            "function": self.function,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "error": self.error,
        }


@dataclass(frozen=True)
class ScheduledMessage:
    """A message that waits for its time; `post_at` and `created` are in Unix seconds."""

    id: str
    channel: str
    post_at: int
    created: int
    post: Post


class Observer(Protocol):
    """Whoever hears of what happens in a workspace."""

    def posted(self, channel: Channel, post: Post) -> None:
        """Note a new message."""

    def changed(self, channel: Channel, post: Post, before: dict[str, Any]) -> None:
        """Note a message that was edited; `before` is what it was."""

    def deleted(self, channel: Channel, post: Post) -> None:
        """Note a message that is gone."""

    def reacted(self, channel: Channel, post: Post, person: str, name: str, *, added: bool) -> None:
        """Note a reaction that was added or removed."""

    def pinned(self, channel: Channel, post: Post, person: str, *, added: bool) -> None:
        """Note a message that was pinned or is pinned no more."""

    def joined(self, channel: Channel, person: str, inviter: str) -> None:
        """Note a new member of a channel."""

    def left(self, channel: Channel, person: str) -> None:
        """Note a member who left a channel."""

    def altered(self, channel: Channel, what: str, person: str) -> None:
        """Note a channel that was created, archived, unarchived or renamed."""


@dataclass(frozen=True)
class Upload:
    """What is known of a file beside its content."""

    name: str
    alt: str = ""


def default_users() -> list[User]:
    """The people of the first workspace."""
    return [
        User("U0ANNA", "anna", "Anna Berg", admin=True, owner=True),
        User("U0BEN", "ben", "Ben Okafor"),
        User("U0CARLA", "carla", "Carla Ruiz", guest=True),
    ]


def more_users(team: str) -> list[User]:
    """The people of any other workspace, if nobody says who they are; their ids carry the workspace's."""
    start = f"U{team[1:]}"
    return [
        User(f"{start}DANA", "dana", "Dana Novak", admin=True, owner=True),
        User(f"{start}EMIL", "emil", "Emil Sato"),
        User(f"{start}FAY", "fay", "Fay Lindqvist", guest=True),
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
        people: Iterable[User] | None = None,
        channels: Iterable[Channel] | None = None,
        enterprise: Enterprise | None = None,
    ) -> None:
        first = team == TEAM
        self.clock = clock
        self.team, self.name, self.enterprise = team, name, enterprise
        self.bot_user = BOT_USER if first else f"U{team[1:]}BUILDBELL"
        self.bot_id = BOT_ID if first else f"B{team[1:]}BUILDBELL"
        self.only_admins_install = False
        self.bot = User(self.bot_user, bot_name, bot_name)
        if people is None:
            people = default_users() if first else more_users(team)
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
        self.groups: dict[str, UserGroup] = {}
        if first:
            self.groups["S0RELEASE"] = UserGroup("S0RELEASE", "release-team", "Release team", ["U0BEN"])
        self.views: dict[str, list[OpenView]] = {}
        self.homes: dict[str, dict[str, Any]] = {}
        self.chosen_at_home: dict[str, dict[tuple[str, str], Any]] = {}
        self.files: dict[str, bytes] = {}
        self.uploads: dict[str, Upload] = {}
        self.runs: dict[str, FunctionExecution] = {}
        self.scheduled: dict[str, ScheduledMessage] = {}
        self.observer: Observer | None = None
        self.revision = 0
        self.removed: list[tuple[int, str, str]] = []
        self._posted = itertools.count(1)
        self._change = asyncio.Event()

    def person(self, name: str) -> User:
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

    def resolve(self, named: str) -> Channel | None:
        """The conversation that an id, a channel's name or a person's id leads to."""
        name = named.removeprefix("#")
        found = (
            one
            for one in self.channels.values()
            if one.im_with == named or (one.kind != "im" and one.name == name)
        )
        return self.channels.get(named) or next(found, None)

    def add_channel(self, name: str, *, private: bool = False) -> Channel:
        """A new channel with everybody in it, but not the bot."""
        identity = f"{'G' if private else 'C'}0{name.upper().replace('-', '')}"
        made = Channel(identity, name, private, members=set(self.people))
        self.channels[identity] = made
        self.changed()
        return made

    def create_channel(self, name: str, creator: str, *, private: bool = False) -> Channel:
        """Make a channel with nobody in it but its maker."""
        identity = f"{'G' if private else 'C'}{secrets.token_hex(5).upper()}"
        made = Channel(identity, name, private, members={creator}, created=int(self.clock()), creator=creator)
        self.channels[identity] = made
        if self.observer is not None:
            self.observer.altered(made, "created", creator)
        self.changed()
        return made

    def alter(self, channel: Channel, what: str, person: str) -> None:
        """Tell that somebody has archived, unarchived or renamed a channel."""
        if self.observer is not None:
            self.observer.altered(channel, what, person)
        self.changed()

    def join(self, channel: Channel, person: str, *, inviter: str = "") -> None:
        """Make somebody a member of a channel."""
        if person in channel.members:
            return
        channel.members.add(person)
        if self.observer is not None:
            self.observer.joined(channel, person, inviter)
        self.changed()

    def leave(self, channel: Channel, person: str) -> None:
        """Take somebody out of a channel."""
        if person not in channel.members:
            return
        if self.observer is not None:
            self.observer.left(channel, person)
        channel.members.discard(person)
        self.changed()

    @property
    def domain(self) -> str:
        """The name in the workspace's address."""
        return self.name.lower().replace(" ", "-")

    def add_bot(self, other: Workspace) -> None:
        """Let the app's bot be the one that it is in another workspace: an organisation knows it by one id."""
        for channel in self.channels.values():
            if self.bot_user in channel.members:
                channel.members = channel.members - {self.bot_user} | {other.bot_user}
        self.bot_user, self.bot_id = other.bot_user, other.bot_id
        self.bot = replace(self.bot, id=self.bot_user)

    def deactivate(self, person: User) -> User:
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

    def remove_bot(self) -> None:
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
        if self.observer is not None and post.only_for is None:
            self.observer.posted(channel, post)
        return post

    def edit(self, channel: Channel, post: Post, **changed: Any) -> None:
        """Change a message's text, blocks or attachments."""
        before = post.as_slack_sends_it()
        for name, value in changed.items():
            setattr(post, name, value)
        self.touch(post)
        if self.observer is not None and post.only_for is None:
            self.observer.changed(channel, post, before)

    def react(self, channel: Channel, post: Post, person: str, name: str) -> bool:
        """Add somebody's reaction; whether it was not there yet."""
        users = post.reactions.setdefault(name, [])
        if person in users:
            return False
        users.append(person)
        self.touch(post)
        if self.observer is not None:
            self.observer.reacted(channel, post, person, name, added=True)
        return True

    def unreact(self, channel: Channel, post: Post, person: str, name: str) -> bool:
        """Remove somebody's reaction; whether it was there."""
        if person not in post.reactions.get(name, []):
            return False
        post.reactions[name].remove(person)
        if not post.reactions[name]:
            del post.reactions[name]
        self.touch(post)
        if self.observer is not None:
            self.observer.reacted(channel, post, person, name, added=False)
        return True

    def pin(self, channel: Channel, post: Post, person: str, *, pinned: bool) -> None:
        """Pin a message to its channel, or take it off."""
        post.pinned = (int(self.clock()), person) if pinned else None
        self.touch(post)
        if self.observer is not None:
            self.observer.pinned(channel, post, person, added=pinned)

    def post_scheduled(self) -> None:
        """Post what was scheduled for now or earlier."""
        now = self.clock()
        for one in sorted(self.scheduled.values(), key=lambda one: one.post_at):
            channel = self.channels.get(one.channel)
            if one.post_at <= now:
                del self.scheduled[one.id]
                if channel is not None and not channel.archived:
                    one.post.ts = self.new_ts()
                    self.post(channel, one.post)

    def touch(self, post: Post) -> None:
        """Note that a message is new or has changed."""
        self.revision += 1
        post.revision = self.revision
        self.changed()

    def remove(self, channel: Channel, post: Post) -> None:
        """Take a message away."""
        channel.posts.remove(post)
        if self.observer is not None and post.only_for is None:
            self.observer.deleted(channel, post)
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

    def open_view(
        self, person: str, view: dict[str, Any], *, on_top: bool = False, run: FunctionExecution | None = None
    ) -> OpenView:
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
            run=run,
        )
        stack.append(opened)
        self.changed()
        return opened

    def home_as_slack_sends_it(self, person: str) -> dict[str, Any]:
        """Somebody's Home, as the Web API and payloads have it. Raises KeyError where the app has published none."""
        identity = f"VHOME{person}"
        return {
            "id": identity,
            "team_id": self.team,
            "app_id": APP,
            "bot_id": self.bot_id,
            "app_installed_team_id": self.team,
            "hash": new_hash(),
            "root_view_id": identity,
            "previous_view_id": None,
            "title": {"type": "plain_text", "text": "View Title", "emoji": True},
            "state": {"values": {}},
            **VIEW_DEFAULTS,
            **self.homes[person],
        }

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
