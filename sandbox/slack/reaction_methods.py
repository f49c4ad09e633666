"""Web API methods for reactions and pins (docs.slack.dev, "reactions.*" and "pins.*")."""

from __future__ import annotations

import re
from typing import Any

from sandbox.slack.arguments import Arguments, paginate, read_required_text, read_text, read_timestamp
from sandbox.slack.method_context import MethodContext
from sandbox.slack.models import Channel, Post
from sandbox.slack.validation import SlackError

# As in Slack's clients: 23 different emoji on a message, and 23 by one user.
MAX_REACTIONS = 23
MAX_PINS = 100
_NAME = re.compile(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?\Z", re.ASCII)


class ReactionMethods(MethodContext):
    """Reactions to messages, and pinned messages."""

    def reactions_add(self, arguments: Arguments) -> dict[str, Any]:
        """reactions.add."""
        name = self._emoji(arguments)
        channel, post = self._item(arguments)
        if channel.archived:
            raise SlackError("is_archived")
        bot = self.workspace.bot_user
        if name not in post.reactions and len(post.reactions) >= MAX_REACTIONS:
            raise SlackError("too_many_emoji")
        if sum(bot in users for users in post.reactions.values()) >= MAX_REACTIONS:
            raise SlackError("too_many_reactions")
        if not self.workspace.react(channel, post, bot, name):
            raise SlackError("already_reacted")
        return {}

    def reactions_remove(self, arguments: Arguments) -> dict[str, Any]:
        """reactions.remove: only the bot's own."""
        name = self._emoji(arguments)
        channel, post = self._item(arguments)
        if not self.workspace.unreact(channel, post, self.workspace.bot_user, name):
            raise SlackError("no_reaction")
        return {}

    def reactions_get(self, arguments: Arguments) -> dict[str, Any]:
        """reactions.get."""
        channel, post = self._item(arguments)
        message = post.to_json() | {"permalink": self.permalink(channel, post)}
        return {"type": "message", "message": message, "channel": channel.id}

    def reactions_list(self, arguments: Arguments) -> dict[str, Any]:
        """reactions.list: the reactions of a user, newest first, in channels of the bot."""
        user_id = self.find_user_id(arguments)
        found = [
            {"type": "message", "channel": channel.id, "message": post.to_json()}
            for channel in self.workspace.channels.values()
            if self.workspace.bot_user in channel.members
            for post in reversed(channel.posts)
            if any(user_id in users for users in post.reactions.values())
        ]
        shown, cursor = paginate(found, arguments)
        return {"items": shown, "response_metadata": {"next_cursor": cursor}}

    def pins_add(self, arguments: Arguments) -> dict[str, Any]:
        """pins.add."""
        channel, post = self._item(arguments)
        if self.workspace.bot_user not in channel.members:
            raise SlackError("not_in_channel")
        if post.pinned is not None:
            raise SlackError("already_pinned")
        if sum(post.pinned is not None for post in channel.posts) >= MAX_PINS:
            raise SlackError("too_many_pins")
        self.workspace.pin(channel, post, self.workspace.bot_user, pinned=True)
        return {}

    def pins_remove(self, arguments: Arguments) -> dict[str, Any]:
        """pins.remove."""
        channel, post = self._item(arguments)
        if post.pinned is None:
            raise SlackError("no_pin")
        self.workspace.pin(channel, post, self.workspace.bot_user, pinned=False)
        return {}

    def pins_list(self, arguments: Arguments) -> dict[str, Any]:
        """pins.list."""
        channel = self.find_channel(arguments)
        return {
            "items": [
                {
                    "type": "message",
                    "channel": channel.id,
                    "created": post.pinned[0],
                    "created_by": post.pinned[1],
                    "message": post.to_json()
                    | {"permalink": self.permalink(channel, post), "pinned_to": [channel.id]},
                }
                for post in reversed(channel.posts)
                if post.pinned is not None
            ]
        }

    def _item(self, arguments: Arguments) -> tuple[Channel, Post]:
        if not read_text(arguments, "timestamp") or not read_text(arguments, "channel"):
            raise SlackError("no_item_specified")
        read_timestamp(arguments, "timestamp", "bad_timestamp")
        channel = self.find_channel(arguments)
        return channel, self.find_message(channel, arguments, "timestamp", missing="bad_timestamp")

    def _emoji(self, arguments: Arguments) -> str:
        name = read_required_text(arguments, "name", "invalid_name").strip(":")
        if not _NAME.match(name):
            raise SlackError("invalid_name")
        return name


REACTION_METHODS: dict[str, tuple[str, str | None]] = {
    "pins.add": ("pins_add", "pins:write"),
    "pins.list": ("pins_list", "pins:read"),
    "pins.remove": ("pins_remove", "pins:write"),
    "reactions.add": ("reactions_add", "reactions:write"),
    "reactions.get": ("reactions_get", "reactions:read"),
    "reactions.list": ("reactions_list", "reactions:read"),
    "reactions.remove": ("reactions_remove", "reactions:write"),
}
