"""The methods of the Conversations API (docs.slack.dev, "conversations.*" and "users.conversations")."""

from __future__ import annotations

import re
from typing import Any

from sandbox.slack import payloads
from sandbox.slack.arguments import Arguments, flag, needed, page, text, timestamp
from sandbox.slack.method_context import MethodContext
from sandbox.slack.validation import SlackError
from sandbox.slack.workspace import Channel, Post

LONGEST_NAME = 80
LONGEST_TOPIC = 250
MOST_INVITED = 100
MOST_HISTORY = 999
MOST_IN_A_GROUP_MESSAGE = 8

_SCOPES = {
    "public_channel": ("channel", "channels:read"),
    "private_channel": ("group", "groups:read"),
    "im": ("im", "im:read"),
    "mpim": ("mpim", "mpim:read"),
}
_NAME = re.compile(r"[\w-]+\Z")


class ConversationMethods(MethodContext):
    """Channels: listed, read, made, entered and left."""

    def conversations_list(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.list: private channels and direct messages only where the bot is in them."""
        kinds = self._kinds(arguments)
        found = [
            one
            for one in self.workspace.channels.values()
            if one.kind in kinds
            and (one.kind == "channel" or self.workspace.bot_user in one.members)
            and not (one.archived and flag(arguments, "exclude_archived"))
        ]
        shown, cursor = page(found, arguments)
        return {
            "channels": [self._channel(one, members=True) for one in shown],
            "response_metadata": {"next_cursor": cursor},
        }

    def users_conversations(self, arguments: Arguments) -> dict[str, Any]:
        """users.conversations: a person's channels; private ones only where the bot is in them, too."""
        person, kinds = self.person_named(arguments), self._kinds(arguments)
        found = [
            one
            for one in self.workspace.channels.values()
            if one.kind in kinds
            and person in one.members
            and (one.kind == "channel" or self.workspace.bot_user in one.members)
            and not (one.archived and flag(arguments, "exclude_archived"))
        ]
        shown, cursor = page(found, arguments)
        return {
            "channels": [self._channel(one) for one in shown],
            "response_metadata": {"next_cursor": cursor},
        }

    def conversations_info(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.info."""
        channel = self.visible_channel(arguments)
        self.need_for(channel, "read")
        return {"channel": self._channel(channel, members=flag(arguments, "include_num_members"))}

    def conversations_members(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.members."""
        channel = self.visible_channel(arguments)
        self.need_for(channel, "read")
        shown, cursor = page(sorted(channel.members), arguments)
        return {"members": shown, "response_metadata": {"next_cursor": cursor}}

    def conversations_open(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.open: the direct message with one person; the sandbox has none of several people."""
        if given := text(arguments, "channel"):
            channel = self.workspace.channels.get(given)
            if channel is None:
                raise SlackError("channel_not_found")
            if channel.kind != "im":
                raise SlackError("method_not_supported_for_channel_type")
            return self._opened(channel, arguments)
        people = [one.strip() for one in text(arguments, "users").split(",") if one.strip()]
        if not people:
            raise SlackError("users_list_not_supplied")
        if len(people) > MOST_IN_A_GROUP_MESSAGE:
            raise SlackError("too_many_users")
        for person in people:
            if person not in self.workspace.people:
                raise SlackError("user_not_found")
            if self.workspace.people[person].deleted:
                raise SlackError("user_disabled")
        if len(people) > 1:
            self.need("mpim:write")
            raise SlackError(
                "invalid_user_combination", "the sandbox has no direct messages of several people"
            )
        [channel] = [one for one in self.workspace.channels.values() if one.im_with == people[0]]
        return self._opened(channel, arguments)

    def conversations_join(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.join: a public channel, by the bot itself."""
        channel = self.visible_channel(arguments)
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
        channel = self.group_channel(arguments)
        self.need_for(channel, "write")
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
        private = flag(arguments, "is_private")
        self.need("groups:write" if private else "channels:manage")
        name = self._new_name(arguments)
        return {
            "channel": self._channel(
                self.workspace.create_channel(name, self.workspace.bot_user, private=private)
            )
        }

    def conversations_rename(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.rename: a bot renames only the channels that it made."""
        channel = self.joined_channel(arguments)
        self.need_for(channel, "write")
        if channel.creator != self.workspace.bot_user:
            raise SlackError("not_authorized")
        channel.name = self._new_name(arguments)
        self.workspace.alter(channel, "renamed", self.workspace.bot_user)
        return {"channel": self._channel(channel)}

    def conversations_archive(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.archive."""
        channel = self.group_channel(arguments)
        self.need_for(channel, "write")
        if self.workspace.bot_user not in channel.members:
            raise SlackError("not_in_channel")
        if channel.archived:
            raise SlackError("already_archived")
        channel.archived = True
        self.workspace.alter(channel, "archived", self.workspace.bot_user)
        return {}

    def conversations_unarchive(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.unarchive."""
        channel = self.group_channel(arguments)
        self.need_for(channel, "write")
        if not channel.archived:
            raise SlackError("not_archived")
        channel.archived = False
        self.workspace.alter(channel, "unarchived", self.workspace.bot_user)
        return {}

    def conversations_invite(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.invite: everybody who is named, or nobody."""
        channel = self.joined_channel(arguments)
        self.need_for(channel, "write", "invites")
        if channel.archived:
            raise SlackError("is_archived")
        people = [one.strip() for one in text(arguments, "users").split(",") if one.strip()]
        if not people:
            raise SlackError("no_user")
        if len(people) > MOST_INVITED:
            raise SlackError("too_many_users")
        problems = {one: problem for one in people if (problem := self._uninvitable(channel, one))}
        if problems:
            raise SlackError(
                next(iter(problems.values())),
                errors=[{"user": one, "ok": False, "error": problem} for one, problem in problems.items()],
            )
        for one in people:
            self.workspace.join(channel, one, inviter=self.workspace.bot_user)
        return {"channel": self._channel(channel)}

    def conversations_kick(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.kick."""
        channel = self.joined_channel(arguments)
        self.need_for(channel, "write")
        person = needed(arguments, "user", "user_not_found")
        if person == self.workspace.bot_user:
            raise SlackError("cant_kick_self")
        if person not in self.workspace.people:
            raise SlackError("user_not_found")
        if person not in channel.members:
            raise SlackError("not_in_channel")
        self.workspace.leave(channel, person)
        return {}

    def conversations_set_topic(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.setTopic."""
        channel, words = self._described(arguments, "topic")
        channel.topic = words
        self.workspace.changed()
        return {"channel": self._channel(channel)}

    def conversations_set_purpose(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.setPurpose."""
        channel, words = self._described(arguments, "purpose")
        channel.purpose = words
        self.workspace.changed()
        return {"channel": self._channel(channel)}

    def conversations_history(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.history: newest first, without the replies of threads; only where the bot is a member."""
        channel = self._readable_channel(arguments)
        found = [
            post
            for post in reversed(channel.posts)
            if post.only_for is None and (post.thread_ts in (None, post.ts) or post.broadcast)
        ]
        return self._read(channel, found, arguments)

    def conversations_replies(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.replies: a thread, its head first."""
        channel = self._readable_channel(arguments)
        head = needed(arguments, "ts", "thread_not_found")
        if channel.find(head) is None:
            raise SlackError("thread_not_found")
        found = [
            post for post in channel.posts if post.only_for is None and head in (post.ts, post.thread_ts)
        ]
        return self._read(channel, found, arguments)

    def _readable_channel(self, arguments: Arguments) -> Channel:
        channel = self.visible_channel(arguments)
        self.need_for(channel, "history")
        if self.workspace.bot_user not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def _read(self, channel: Channel, posts: list[Post], arguments: Arguments) -> dict[str, Any]:
        """A page of messages."""
        oldest = timestamp(arguments, "oldest", "invalid_ts_oldest") or 0.0
        latest = timestamp(arguments, "latest", "invalid_ts_latest")
        inclusive = flag(arguments, "inclusive")

        def is_meant(post: Post) -> bool:
            at = float(post.ts)
            at_an_end = at in (oldest, latest)
            return oldest < at < (latest or float("inf")) or (inclusive and at_an_end)

        found, cursor = page([post for post in posts if is_meant(post)], arguments, most=MOST_HISTORY)
        with_metadata = flag(arguments, "include_all_metadata")
        answer: dict[str, Any] = {
            "messages": [_with_thread(channel, post, with_metadata=with_metadata) for post in found],
            "has_more": bool(cursor),
        }
        return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})

    def _kinds(self, arguments: Arguments) -> set[str]:
        """The kinds of conversations that `types` names, for each of which a scope is needed. Raises SlackError."""
        wanted = [one.strip() for one in (text(arguments, "types") or "public_channel").split(",")]
        if any(one not in _SCOPES for one in wanted):
            raise SlackError("invalid_types")
        for one in wanted:
            self.need(_SCOPES[one][1])
        return {_SCOPES[one][0] for one in wanted}

    def _channel(self, channel: Channel, *, members: bool = False) -> dict[str, Any]:
        return payloads.conversation(channel, self.workspace, with_count=members)

    def _opened(self, channel: Channel, arguments: Arguments) -> dict[str, Any]:
        return {"channel": self._channel(channel) if flag(arguments, "return_im") else {"id": channel.id}}

    def _uninvitable(self, channel: Channel, person: str) -> str:
        """Why somebody can't be invited; "" where they can."""
        if person == self.workspace.bot_user:
            return "cant_invite_self"
        if person not in self.workspace.people:
            return "user_not_found"
        if self.workspace.people[person].deleted:
            return "cant_invite"
        return "already_in_channel" if person in channel.members else ""

    def _new_name(self, arguments: Arguments) -> str:
        """A name for a channel (docs.slack.dev, "conversations.create", "Naming"). Raises SlackError."""
        name = text(arguments, "name")
        if not name:
            raise SlackError("invalid_name_required")
        if len(name) > LONGEST_NAME:
            raise SlackError("invalid_name_maxlength")
        if not name.strip("-_"):
            raise SlackError("invalid_name_punctuation")
        if not _NAME.match(name) or name != name.lower():
            raise SlackError("invalid_name_specials")
        if any(one.name == name for one in self.workspace.channels.values()):
            raise SlackError("name_taken")
        return name

    def _described(self, arguments: Arguments, what: str) -> tuple[Channel, str]:
        channel = self.joined_channel(arguments)
        self.need_for(channel, "write", "topic")
        if channel.archived:
            raise SlackError("is_archived")
        words = text(arguments, what)
        if len(words) > LONGEST_TOPIC:
            raise SlackError("too_long")
        return channel, words


def _with_thread(channel: Channel, post: Post, *, with_metadata: bool) -> dict[str, Any]:
    """A message, with what a thread's head and its replies say of each other."""
    message = post.as_slack_sends_it(with_metadata=with_metadata)
    replies = channel.replies_to(post)
    if replies:
        users = list(dict.fromkeys(one.user for one in replies))
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


# The method's name, what answers it, and the scope that it needs (None: none, or decided inside).
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
