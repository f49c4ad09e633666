"""A workspace: its users, channels, messages and open modals. State only; nothing here talks to the app."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from sandbox.slack.models import (
    APP,
    BOT_ID,
    BOT_USER,
    TEAM,
    TEAM_NAME,
    VIEW_DEFAULTS,
    Channel,
    FunctionExecution,
    OpenView,
    Post,
    ScheduledMessage,
    Upload,
    new_hash,
)
from sandbox.slack.users import Enterprise, User, UserGroup

T = TypeVar("T")


class Observer(Protocol):
    """An observer of a workspace."""

    def posted(self, channel: Channel, post: Post) -> None:
        """Handle a new message."""

    def changed(self, channel: Channel, post: Post, before: dict[str, Any]) -> None:
        """Handle an edited message; `before` is the previous version."""

    def deleted(self, channel: Channel, post: Post) -> None:
        """Handle a deleted message."""

    def reacted(self, channel: Channel, post: Post, user_id: str, name: str, *, added: bool) -> None:
        """Handle an added or removed reaction."""

    def pinned(self, channel: Channel, post: Post, user_id: str, *, added: bool) -> None:
        """Handle a pinned or unpinned message."""

    def joined(self, channel: Channel, user_id: str, inviter: str) -> None:
        """Handle a new member of a channel."""

    def left(self, channel: Channel, user_id: str) -> None:
        """Handle a member who left a channel."""

    def channel_changed(self, channel: Channel, change: str, user_id: str) -> None:
        """Handle a channel that was created, archived, unarchived or renamed."""


def default_users() -> list[User]:
    """Return the users of the first workspace."""
    return [
        User("U0ANNA", "anna", "Anna Berg", admin=True, owner=True),
        User("U0BEN", "ben", "Ben Okafor"),
        User("U0CARLA", "carla", "Carla Ruiz", guest=True),
    ]


def more_users(team: str) -> list[User]:
    """Return the default users of any other workspace; their ids contain the workspace's."""
    start = f"U{team[1:]}"
    return [
        User(f"{start}DANA", "dana", "Dana Novak", admin=True, owner=True),
        User(f"{start}EMIL", "emil", "Emil Sato"),
        User(f"{start}FAY", "fay", "Fay Lindqvist", guest=True),
    ]


def default_channels() -> list[Channel]:
    """Return the channels of the first workspace."""
    return [
        Channel("C0BUILDS", "builds"),
        Channel("C0RANDOM", "random"),
        Channel("G0RELEASE", "release", private=True),
    ]


def more_channels(team: str) -> list[Channel]:
    """Return the default channels of any other workspace."""
    return [
        Channel(f"C{team[1:]}BUILDS", "builds"),
        Channel(f"C{team[1:]}RANDOM", "random"),
        Channel(f"G{team[1:]}RELEASE", "release", private=True),
    ]


class Workspace:
    """The state of a workspace; `notify_change` wakes everything that waits for a change.

    A channel without members gets all users. With `only_admins_install` nobody else may install apps.
    """

    def __init__(
        self,
        bot_name: str = "bot",
        clock: Callable[[], float] = time.time,
        *,
        team: str = TEAM,
        name: str = TEAM_NAME,
        users: Iterable[User] | None = None,
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
        if users is None:
            users = default_users() if first else more_users(team)
        if channels is None:
            channels = default_channels() if first else more_channels(team)
        self.users = {user.id: user for user in users}
        self.channels = {channel.id: channel for channel in channels}
        for channel in self.channels.values():
            channel.members = channel.members or set(self.users)
        for user_id in self.users:
            channel_id = f"D{user_id[1:]}"
            self.channels[channel_id] = Channel(
                channel_id, f"{bot_name}-{user_id}", im_with=user_id, members={user_id, self.bot_user}
            )
        self.groups: dict[str, UserGroup] = {}
        if first:
            self.groups["S0RELEASE"] = UserGroup("S0RELEASE", "release-team", "Release team", ["U0BEN"])
        self.views: dict[str, list[OpenView]] = {}
        self.homes: dict[str, dict[str, Any]] = {}
        self.home_selections: dict[str, dict[tuple[str, str], Any]] = {}
        self.files: dict[str, bytes] = {}
        self.uploads: dict[str, Upload] = {}
        self.executions: dict[str, FunctionExecution] = {}
        self.scheduled: dict[str, ScheduledMessage] = {}
        self.observer: Observer | None = None
        self.revision = 0
        self.removed_posts: list[tuple[int, str, str]] = []
        self._posted = itertools.count(1)
        self._change = asyncio.Event()

    def find_user(self, name: str) -> User:
        """Return a user by id or name. Raises KeyError."""
        found = self.users.get(name) or next(
            (user for user in self.users.values() if user.name == name), None
        )
        if found is None:
            raise KeyError(
                f"no user {name}; choose from {', '.join(user.name for user in self.users.values())}"
            )
        return found

    def find_channel(self, name: str) -> Channel:
        """Return a channel by id or name. Raises KeyError."""
        name = name.removeprefix("#")
        found = self.channels.get(name) or next(
            (channel for channel in self.channels.values() if channel.name == name), None
        )
        if found is None:
            raise KeyError(f"no channel {name}")
        return found

    def resolve_channel(self, named: str) -> Channel | None:
        """Return the conversation for a channel id, a channel name or a user id."""
        name = named.removeprefix("#")
        found = (
            channel
            for channel in self.channels.values()
            if channel.im_with == named or (channel.kind != "im" and channel.name == name)
        )
        return self.channels.get(named) or next(found, None)

    def add_channel(self, name: str, *, private: bool = False) -> Channel:
        """Add a channel with all users, but without the bot."""
        identity = f"{'G' if private else 'C'}0{name.upper().replace('-', '')}"
        channel = Channel(identity, name, private, members=set(self.users))
        self.channels[identity] = channel
        self.notify_change()
        return channel

    def create_channel(self, name: str, creator: str, *, private: bool = False) -> Channel:
        """Create a channel whose only member is its creator."""
        identity = f"{'G' if private else 'C'}{secrets.token_hex(5).upper()}"
        channel = Channel(
            identity, name, private, members={creator}, created=int(self.clock()), creator=creator
        )
        self.channels[identity] = channel
        if self.observer is not None:
            self.observer.channel_changed(channel, "created", creator)
        self.notify_change()
        return channel

    def notify_channel_change(self, channel: Channel, change: str, user_id: str) -> None:
        """Notify the observer that a channel was archived, unarchived or renamed."""
        if self.observer is not None:
            self.observer.channel_changed(channel, change, user_id)
        self.notify_change()

    def join(self, channel: Channel, user_id: str, *, inviter: str = "") -> None:
        """Add a member to a channel."""
        if user_id in channel.members:
            return
        channel.members.add(user_id)
        if self.observer is not None:
            self.observer.joined(channel, user_id, inviter)
        self.notify_change()

    def leave(self, channel: Channel, user_id: str) -> None:
        """Remove a member from a channel."""
        if user_id not in channel.members:
            return
        if self.observer is not None:
            self.observer.left(channel, user_id)
        channel.members.discard(user_id)
        self.notify_change()

    @property
    def domain(self) -> str:
        """Return the name in the workspace's address."""
        return self.name.lower().replace(" ", "-")

    def add_bot(self, other: Workspace) -> None:
        """Use the bot ids of another workspace, since an organisation has one bot user."""
        for channel in self.channels.values():
            if self.bot_user in channel.members:
                channel.members = channel.members - {self.bot_user} | {other.bot_user}
        self.bot_user, self.bot_id = other.bot_user, other.bot_id
        self.bot = replace(self.bot, id=self.bot_user)

    def deactivate(self, user: User) -> User:
        """Deactivate a user and remove them from channels and groups; returns the deactivated user."""
        deactivated = self.users[user.id] = replace(user, deleted=True)
        for channel in self.channels.values():
            channel.members.discard(user.id)
            # Nobody can write to a deactivated user.
            channel.archived |= channel.im_with == user.id
        for group in self.groups.values():
            group.users = [member for member in group.users if member != user.id]
        self.views.pop(user.id, None)
        self.homes.pop(user.id, None)
        self.notify_change()
        return deactivated

    def remove_bot(self) -> None:
        """Remove the bot from all channels, with its modals and Homes, since the app was uninstalled."""
        for channel in self.channels.values():
            if channel.im_with is None:
                channel.members.discard(self.bot_user)
        self.views.clear()
        self.homes.clear()
        self.notify_change()

    def new_ts(self) -> str:
        """Return a new, unique message timestamp."""
        return f"{int(self.clock())}.{next(self._posted):06d}"

    def post(self, channel: Channel, post: Post) -> Post:
        """Post a message to a channel."""
        post.team, post.bot_id = self.team, self.bot_id
        channel.posts.append(post)
        self.touch(post)
        if self.observer is not None and post.only_for is None:
            self.observer.posted(channel, post)
        return post

    def edit(self, channel: Channel, post: Post, **changed: Any) -> None:
        """Edit a message's text, blocks or attachments."""
        before = post.to_json()
        for name, value in changed.items():
            setattr(post, name, value)
        self.touch(post)
        if self.observer is not None and post.only_for is None:
            self.observer.changed(channel, post, before)

    def react(self, channel: Channel, post: Post, user_id: str, name: str) -> bool:
        """Add a reaction; returns False if it exists."""
        users = post.reactions.setdefault(name, [])
        if user_id in users:
            return False
        users.append(user_id)
        self.touch(post)
        if self.observer is not None:
            self.observer.reacted(channel, post, user_id, name, added=True)
        return True

    def unreact(self, channel: Channel, post: Post, user_id: str, name: str) -> bool:
        """Remove a reaction; returns False if it does not exist."""
        if user_id not in post.reactions.get(name, []):
            return False
        post.reactions[name].remove(user_id)
        if not post.reactions[name]:
            del post.reactions[name]
        self.touch(post)
        if self.observer is not None:
            self.observer.reacted(channel, post, user_id, name, added=False)
        return True

    def pin(self, channel: Channel, post: Post, user_id: str, *, pinned: bool) -> None:
        """Pin or unpin a message."""
        post.pinned = (int(self.clock()), user_id) if pinned else None
        self.touch(post)
        if self.observer is not None:
            self.observer.pinned(channel, post, user_id, added=pinned)

    def post_scheduled(self) -> None:
        """Post the scheduled messages that are due."""
        now = self.clock()
        for item in sorted(self.scheduled.values(), key=lambda item: item.post_at):
            channel = self.channels.get(item.channel)
            if item.post_at <= now:
                del self.scheduled[item.id]
                if channel is not None and not channel.archived:
                    item.post.ts = self.new_ts()
                    self.post(channel, item.post)

    def touch(self, post: Post) -> None:
        """Mark a message as new or changed."""
        self.revision += 1
        post.revision = self.revision
        self.notify_change()

    def remove(self, channel: Channel, post: Post) -> None:
        """Delete a message."""
        channel.posts.remove(post)
        if self.observer is not None and post.only_for is None:
            self.observer.deleted(channel, post)
        self.revision += 1
        self.removed_posts.append((self.revision, channel.id, post.ts))
        self.notify_change()

    async def wait_for_change(self) -> None:
        """Wait for the next change."""
        await self._change.wait()

    @property
    def mention_names(self) -> dict[str, str]:
        """Return the mention names of users, groups, channels and the bot, by id."""
        people = {user.id: user.name for user in (*self.users.values(), self.bot)}
        groups = {group.id: group.handle for group in self.groups.values()}
        return people | groups | {channel.id: channel.name for channel in self.channels.values()}

    def open_view(
        self,
        user_id: str,
        view: dict[str, Any],
        *,
        on_top: bool = False,
        execution: FunctionExecution | None = None,
    ) -> OpenView:
        """Open a modal: on top of the current one, or alone."""
        if not on_top:
            self.views[user_id] = []
        stack = self.views.setdefault(user_id, [])
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
            execution=execution,
        )
        stack.append(opened)
        self.notify_change()
        return opened

    def home_json(self, user_id: str) -> dict[str, Any]:
        """Return a user's Home as in the Web API and in payloads. Raises KeyError if the app has not published one."""
        identity = f"VHOME{user_id}"
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
            **self.homes[user_id],
        }

    def find_view(self, view_id: str) -> OpenView | None:
        """Return an open modal."""
        return next((view for stack in self.views.values() for view in stack if view.id == view_id), None)

    def notify_change(self) -> None:
        """Wake everything that waits for a change."""
        self._change.set()
        self._change = asyncio.Event()

    async def wait_for(self, find: Callable[[], T | None], seconds: float, change: str) -> T:
        """Return the first result of `look` that is not None. Raises TimeoutError with `what`."""
        try:
            async with asyncio.timeout(seconds):
                while (found := find()) is None:
                    await self._change.wait()
                return found
        except TimeoutError:
            raise TimeoutError(f"waited {seconds} s for {change}") from None
