"""Web API methods for conversations (docs.slack.dev, "conversations.*" and "users.conversations")."""

from __future__ import annotations

import re
from typing import Any

from sandbox.slack import payloads
from sandbox.slack.arguments import (
    Arguments,
    paginate,
    read_flag,
    read_required_text,
    read_text,
    read_timestamp,
)
from sandbox.slack.method_context import MethodContext
from sandbox.slack.models import Channel, Post
from sandbox.slack.validation import SlackError

MAX_NAME_LENGTH = 80
MAX_TOPIC_LENGTH = 250
MAX_INVITED = 100
MAX_HISTORY = 999
MAX_GROUP_MESSAGE_USERS = 8

_SCOPES = {
    "public_channel": ("channel", "channels:read"),
    "private_channel": ("group", "groups:read"),
    "im": ("im", "im:read"),
    "mpim": ("mpim", "mpim:read"),
}
_NAME = re.compile(r"[\w-]+\Z")


class ConversationMethods(MethodContext):
    """Channels: list, read, create, join and leave."""

    def conversations_list(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.list: private channels and direct messages only if the bot is in them."""
        kinds = self._kinds(arguments)
        found = [
            channel
            for channel in self.workspace.channels.values()
            if channel.kind in kinds
            and (channel.kind == "channel" or self.workspace.bot_user in channel.members)
            and not (channel.archived and read_flag(arguments, "exclude_archived"))
        ]
        shown, cursor = paginate(found, arguments)
        return {
            "channels": [self._channel(item, members=True) for item in shown],
            "response_metadata": {"next_cursor": cursor},
        }

    def users_conversations(self, arguments: Arguments) -> dict[str, Any]:
        """users.conversations: the channels of a user; private ones only if the bot is in them, too."""
        user_id, kinds = self.find_user_id(arguments), self._kinds(arguments)
        found = [
            channel
            for channel in self.workspace.channels.values()
            if channel.kind in kinds
            and user_id in channel.members
            and (channel.kind == "channel" or self.workspace.bot_user in channel.members)
            and not (channel.archived and read_flag(arguments, "exclude_archived"))
        ]
        shown, cursor = paginate(found, arguments)
        return {
            "channels": [self._channel(item) for item in shown],
            "response_metadata": {"next_cursor": cursor},
        }

    def conversations_info(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.info."""
        channel = self.find_channel(arguments)
        self.require_channel_scope(channel, "read")
        return {"channel": self._channel(channel, members=read_flag(arguments, "include_num_members"))}

    def conversations_members(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.members."""
        channel = self.find_channel(arguments)
        self.require_channel_scope(channel, "read")
        shown, cursor = paginate(sorted(channel.members), arguments)
        return {"members": shown, "response_metadata": {"next_cursor": cursor}}

    def conversations_open(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.open: the direct message with one user; the sandbox has no group direct messages."""
        if channel_id := read_text(arguments, "channel"):
            channel = self.workspace.channels.get(channel_id)
            if channel is None:
                raise SlackError("channel_not_found")
            if channel.kind != "im":
                raise SlackError("method_not_supported_for_channel_type")
            return self._opened(channel, arguments)
        user_ids = [part.strip() for part in read_text(arguments, "users").split(",") if part.strip()]
        if not user_ids:
            raise SlackError("users_list_not_supplied")
        if len(user_ids) > MAX_GROUP_MESSAGE_USERS:
            raise SlackError("too_many_users")
        for user_id in user_ids:
            if user_id not in self.workspace.users:
                raise SlackError("user_not_found")
            if self.workspace.users[user_id].deleted:
                raise SlackError("user_disabled")
        if len(user_ids) > 1:
            self.require_scope("mpim:write")
            raise SlackError("invalid_user_combination", "the sandbox has no group direct messages")
        [channel] = [
            channel for channel in self.workspace.channels.values() if channel.im_with == user_ids[0]
        ]
        return self._opened(channel, arguments)

    def conversations_join(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.join: a public channel, by the bot itself."""
        channel = self.find_channel(arguments)
        if channel.kind != "channel":
            raise SlackError("method_not_supported_for_channel_type")
        if channel.archived:
            raise SlackError("is_archived")
        if self.workspace.bot_user in channel.members:
            return {
                "channel": self._channel(channel),
                "warning": "already_in_channel",
                "response_metadata": {"warnings": ["already_in_channel"]},
            }
        self.workspace.join(channel, self.workspace.bot_user)
        return {"channel": self._channel(channel)}

    def conversations_leave(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.leave: by the bot itself."""
        channel = self.find_group_channel(arguments)
        self.require_channel_scope(channel, "write")
        if channel.archived:
            raise SlackError("is_archived")
        if self.workspace.bot_user not in channel.members:
            return {"not_in_channel": True}
        if channel.private and len(channel.members) == 1:
            raise SlackError("last_member")
        self.workspace.leave(channel, self.workspace.bot_user)
        return {}

    def conversations_create(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.create."""
        private = read_flag(arguments, "is_private")
        self.require_scope("groups:write" if private else "channels:manage")
        name = self._new_name(arguments)
        return {
            "channel": self._channel(
                self.workspace.create_channel(name, self.workspace.bot_user, private=private)
            )
        }

    def conversations_rename(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.rename: a bot can rename only the channels that it created."""
        channel = self.find_joined_channel(arguments)
        self.require_channel_scope(channel, "write")
        if channel.creator != self.workspace.bot_user:
            raise SlackError("not_authorized")
        channel.name = self._new_name(arguments)
        self.workspace.notify_channel_change(channel, "renamed", self.workspace.bot_user)
        return {"channel": self._channel(channel)}

    def conversations_archive(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.archive."""
        channel = self.find_group_channel(arguments)
        self.require_channel_scope(channel, "write")
        if self.workspace.bot_user not in channel.members:
            raise SlackError("not_in_channel")
        if channel.archived:
            raise SlackError("already_archived")
        channel.archived = True
        self.workspace.notify_channel_change(channel, "archived", self.workspace.bot_user)
        return {}

    def conversations_unarchive(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.unarchive."""
        channel = self.find_group_channel(arguments)
        self.require_channel_scope(channel, "write")
        if not channel.archived:
            raise SlackError("not_archived")
        channel.archived = False
        self.workspace.notify_channel_change(channel, "unarchived", self.workspace.bot_user)
        return {}

    def conversations_invite(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.invite: all named users, or none."""
        channel = self.find_joined_channel(arguments)
        self.require_channel_scope(channel, "write", "invites")
        if channel.archived:
            raise SlackError("is_archived")
        user_ids = [part.strip() for part in read_text(arguments, "users").split(",") if part.strip()]
        if not user_ids:
            raise SlackError("no_user")
        if len(user_ids) > MAX_INVITED:
            raise SlackError("too_many_users")
        problems = {user: problem for user in user_ids if (problem := self._uninvitable(channel, user))}
        if problems:
            raise SlackError(
                next(iter(problems.values())),
                errors=[{"user": one, "ok": False, "error": problem} for one, problem in problems.items()],
            )
        for user in user_ids:
            self.workspace.join(channel, user, inviter=self.workspace.bot_user)
        return {"channel": self._channel(channel)}

    def conversations_kick(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.kick."""
        channel = self.find_joined_channel(arguments)
        self.require_channel_scope(channel, "write")
        user_id = read_required_text(arguments, "user", "user_not_found")
        if user_id == self.workspace.bot_user:
            raise SlackError("cant_kick_self")
        if user_id not in self.workspace.users:
            raise SlackError("user_not_found")
        if user_id not in channel.members:
            raise SlackError("not_in_channel")
        self.workspace.leave(channel, user_id)
        return {}

    def conversations_set_topic(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.setTopic."""
        channel, description = self._described(arguments, "topic")
        channel.topic = description
        self.workspace.notify_change()
        return {"channel": self._channel(channel)}

    def conversations_set_purpose(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.setPurpose."""
        channel, description = self._described(arguments, "purpose")
        channel.purpose = description
        self.workspace.notify_change()
        return {"channel": self._channel(channel)}

    def conversations_history(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.history: newest first, without thread replies; only for members."""
        channel = self._readable_channel(arguments)
        found = [
            post
            for post in reversed(channel.posts)
            if post.only_for is None and (post.thread_ts in (None, post.ts) or post.broadcast)
        ]
        return self._read(channel, found, arguments)

    def conversations_replies(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.replies: a thread, the parent message first."""
        channel = self._readable_channel(arguments)
        head = read_required_text(arguments, "ts", "thread_not_found")
        if channel.find(head) is None:
            raise SlackError("thread_not_found")
        found = [
            post for post in channel.posts if post.only_for is None and head in (post.ts, post.thread_ts)
        ]
        return self._read(channel, found, arguments)

    def _readable_channel(self, arguments: Arguments) -> Channel:
        channel = self.find_channel(arguments)
        self.require_channel_scope(channel, "history")
        if self.workspace.bot_user not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def _read(self, channel: Channel, posts: list[Post], arguments: Arguments) -> dict[str, Any]:
        """Return a page of messages."""
        oldest = read_timestamp(arguments, "oldest", "invalid_ts_oldest") or 0.0
        latest = read_timestamp(arguments, "latest", "invalid_ts_latest")
        inclusive = read_flag(arguments, "inclusive")

        def is_meant(post: Post) -> bool:
            at = float(post.ts)
            at_an_end = at in (oldest, latest)
            return oldest < at < (latest or float("inf")) or (inclusive and at_an_end)

        found, cursor = paginate([post for post in posts if is_meant(post)], arguments, maximum=MAX_HISTORY)
        with_metadata = read_flag(arguments, "include_all_metadata")
        response: dict[str, Any] = {
            "messages": [_with_thread(channel, post, with_metadata=with_metadata) for post in found],
            "has_more": bool(cursor),
        }
        return response | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})

    def _kinds(self, arguments: Arguments) -> set[str]:
        """Return the kinds of conversations in `types`; each needs its scope. Raises SlackError."""
        wanted = [part.strip() for part in (read_text(arguments, "types") or "public_channel").split(",")]
        if any(part not in _SCOPES for part in wanted):
            raise SlackError("invalid_types")
        for part in wanted:
            self.require_scope(_SCOPES[part][1])
        return {_SCOPES[part][0] for part in wanted}

    def _channel(self, channel: Channel, *, members: bool = False) -> dict[str, Any]:
        return payloads.serialize_channel(channel, self.workspace, with_count=members)

    def _opened(self, channel: Channel, arguments: Arguments) -> dict[str, Any]:
        return {
            "channel": self._channel(channel) if read_flag(arguments, "return_im") else {"id": channel.id}
        }

    def _uninvitable(self, channel: Channel, user_id: str) -> str:
        """Return the error for a user who cannot be invited; "" if they can."""
        if user_id == self.workspace.bot_user:
            return "cant_invite_self"
        if user_id not in self.workspace.users:
            return "user_not_found"
        if self.workspace.users[user_id].deleted:
            return "cant_invite"
        return "already_in_channel" if user_id in channel.members else ""

    def _new_name(self, arguments: Arguments) -> str:
        """Return a valid channel name (docs.slack.dev, "conversations.create", "Naming"). Raises SlackError."""
        name = read_text(arguments, "name")
        if not name:
            raise SlackError("invalid_name_required")
        if len(name) > MAX_NAME_LENGTH:
            raise SlackError("invalid_name_maxlength")
        if not name.strip("-_"):
            raise SlackError("invalid_name_punctuation")
        if not _NAME.match(name) or name != name.lower():
            raise SlackError("invalid_name_specials")
        if any(channel.name == name for channel in self.workspace.channels.values()):
            raise SlackError("name_taken")
        return name

    def _described(self, arguments: Arguments, field: str) -> tuple[Channel, str]:
        channel = self.find_joined_channel(arguments)
        self.require_channel_scope(channel, "write", "topic")
        if channel.archived:
            raise SlackError("is_archived")
        description = read_text(arguments, field)
        if len(description) > MAX_TOPIC_LENGTH:
            raise SlackError("too_long")
        return channel, description


def _with_thread(channel: Channel, post: Post, *, with_metadata: bool) -> dict[str, Any]:
    """Return a message with the thread fields of parents and replies."""
    message = post.to_json(with_metadata=with_metadata)
    replies = channel.replies_to(post)
    if replies:
        users = list(dict.fromkeys(reply.user for reply in replies))
        message |= {
            "thread_ts": post.ts,
            "reply_count": len(replies),
            "reply_users": users[:5],
            "reply_users_count": len(users),
            "latest_reply": replies[-1].ts,
        }
    if post.thread_ts and (head := channel.find(post.thread_ts)) is not None and head is not post:
        message["parent_user_id"] = head.user
    return message


# By method: the Python method, and the required scope (None: none, or the method checks it).
CONVERSATION_METHODS: dict[str, tuple[str, str | None]] = {
    "conversations.archive": ("conversations_archive", None),
    "conversations.create": ("conversations_create", None),
    "conversations.history": ("conversations_history", None),
    "conversations.info": ("conversations_info", None),
    "conversations.invite": ("conversations_invite", None),
    "conversations.join": ("conversations_join", "channels:join"),
    "conversations.kick": ("conversations_kick", None),
    "conversations.leave": ("conversations_leave", None),
    "conversations.list": ("conversations_list", None),
    "conversations.members": ("conversations_members", None),
    "conversations.open": ("conversations_open", "im:write"),
    "conversations.rename": ("conversations_rename", None),
    "conversations.replies": ("conversations_replies", None),
    "conversations.setPurpose": ("conversations_set_purpose", None),
    "conversations.setTopic": ("conversations_set_topic", None),
    "conversations.unarchive": ("conversations_unarchive", None),
    "users.conversations": ("users_conversations", None),
}
