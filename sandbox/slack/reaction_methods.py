"""The methods about reactions and pinned messages (docs.slack.dev, "reactions.*" and "pins.*")."""

from __future__ import annotations

import re
from typing import Any

from sandbox.slack.arguments import Arguments, needed, page, text, timestamp
from sandbox.slack.method_context import MethodContext
from sandbox.slack.validation import SlackError
from sandbox.slack.workspace import Channel, Post

# As Slack's clients do, 23 different ones on a message, and 23 of one person.
MOST_REACTIONS = 23
MOST_PINS = 100
_NAME = re.compile(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?\Z", re.ASCII)


class ReactionMethods(MethodContext):
    """Emoji on messages, and messages that are pinned to their channel."""

    def reactions_add(self, arguments: Arguments) -> dict[str, Any]:
        """reactions.add."""
        name = self._emoji(arguments)
        channel, post = self._item(arguments)
        if channel.archived:
            raise SlackError("is_archived")
        bot = self.workspace.bot_user
        if name not in post.reactions and len(post.reactions) >= MOST_REACTIONS:
            raise SlackError("too_many_emoji")
        if sum(bot in users for users in post.reactions.values()) >= MOST_REACTIONS:
            raise SlackError("too_many_reactions")
        if not self.workspace.react(channel, post, bot, name):
            raise SlackError("already_reacted")
        return {}

    def reactions_remove(self, arguments: Arguments) -> dict[str, Any]:
        """reactions.remove: the bot's own."""
        name = self._emoji(arguments)
        channel, post = self._item(arguments)
        if not self.workspace.unreact(channel, post, self.workspace.bot_user, name):
            raise SlackError("no_reaction")
        return {}

    def reactions_get(self, arguments: Arguments) -> dict[str, Any]:
        """reactions.get."""
        channel, post = self._item(arguments)
        message = post.as_slack_sends_it() | {"permalink": self.permalink(channel, post)}
        return {"type": "message", "message": message, "channel": channel.id}

    def reactions_list(self, arguments: Arguments) -> dict[str, Any]:
        """reactions.list: what somebody has reacted to, newest first, in channels that the bot is in."""
        person = self.person_named(arguments)
        found = [
            {"type": "message", "channel": channel.id, "message": post.as_slack_sends_it()}
            for channel in self.workspace.channels.values()
            if self.workspace.bot_user in channel.members
            for post in reversed(channel.posts)
            if any(person in users for users in post.reactions.values())
        ]
        shown, cursor = page(found, arguments)
        return {"items": shown, "response_metadata": {"next_cursor": cursor}}

    def pins_add(self, arguments: Arguments) -> dict[str, Any]:
        """pins.add."""
        channel, post = self._item(arguments)
        if self.workspace.bot_user not in channel.members:
            raise SlackError("not_in_channel")
        if post.pinned is not None:
            raise SlackError("already_pinned")
        if sum(one.pinned is not None for one in channel.posts) >= MOST_PINS:
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
        channel = self.visible_channel(arguments)
        return {
            "items": [
                {
                    "type": "message",
                    "channel": channel.id,
                    "created": post.pinned[0],
                    "created_by": post.pinned[1],
                    "message": post.as_slack_sends_it()
                    | {"permalink": self.permalink(channel, post), "pinned_to": [channel.id]},
                }
                for post in reversed(channel.posts)
                if post.pinned is not None
            ]
        }

    def _item(self, arguments: Arguments) -> tuple[Channel, Post]:
        if not text(arguments, "timestamp") or not text(arguments, "channel"):
            raise SlackError("no_item_specified")
        timestamp(arguments, "timestamp", "bad_timestamp")
        channel = self.visible_channel(arguments)
        return channel, self.message(channel, arguments, "timestamp", missing="bad_timestamp")

    def _emoji(self, arguments: Arguments) -> str:
        name = needed(arguments, "name", "invalid_name").strip(":")
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
