"""Shared parts of the Web API methods: the workspace, the token's scopes, and finding channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.slack.arguments import Arguments, read_required_text, read_text
from sandbox.slack.installations import Installation
from sandbox.slack.interaction_handles import InteractionHandles
from sandbox.slack.models import Channel, FunctionExecution, Post
from sandbox.slack.validation import SlackError
from sandbox.slack.workspace import Workspace

# Scopes are named after the kind of conversation (docs.slack.dev, "Conversations API").
_FAMILIES = {"channel": "channels", "group": "groups", "im": "im"}


@dataclass
class MethodContext:
    """A call in one workspace, by one installation of the app.

    `base_url` is the address of the simulator, `reach` has every workspace of the token, `run` is the workflow step of
    the token.
    """

    workspace: Workspace
    handles: InteractionHandles
    installation: Installation
    base_url: Callable[[], str]
    workspaces: Sequence[Workspace] = ()
    home_enabled: bool = False
    functions: Mapping[str, Any] = field(default_factory=dict)
    execution: FunctionExecution | None = None

    @property
    def scopes(self) -> frozenset[str]:
        """Return the scopes of the token."""
        return self.installation.scopes

    @scopes.setter
    def scopes(self, scopes: frozenset[str]) -> None:
        self.installation.scopes = scopes

    def require_scope(self, *any_of: str) -> None:
        """Require one of these scopes. Raises SlackError."""
        if not self.scopes.intersection(any_of):
            raise SlackError("missing_scope", needed=any_of[0], provided=",".join(sorted(self.scopes)))

    def require_channel_scope(self, channel: Channel, right: str, *others: str) -> None:
        """Require a conversation's scope for `read`, `write` or `history`. Raises SlackError.

        A bot writes to public channels with channels:manage; `others` are narrower scopes that also suffice.
        """
        family = _FAMILIES[channel.kind]
        narrower = [f"{family}:{right}.{other}" for other in others]
        if (family, right) == ("channels", "write"):
            self.require_scope("channels:manage", *narrower)
        else:
            self.require_scope(f"{family}:{right}", *narrower)

    def find_channel(self, arguments: Arguments) -> Channel:
        """Return the channel with this id. Raises SlackError."""
        return self._seen(
            self.workspace.channels.get(read_required_text(arguments, "channel", "channel_not_found"))
        )

    def find_joined_channel(self, arguments: Arguments) -> Channel:
        """Return a channel that the bot is in, but no direct message. Raises SlackError."""
        channel = self.find_group_channel(arguments)
        if self.workspace.bot_user not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def find_group_channel(self, arguments: Arguments) -> Channel:
        """Return a channel, but no direct message. Raises SlackError."""
        channel = self.find_channel(arguments)
        if channel.kind == "im":
            raise SlackError("method_not_supported_for_channel_type")
        return channel

    def find_channel_to_post(self, arguments: Arguments) -> Channel:
        """Return the target of a message: by channel id, channel name, or user id for the direct message.

        docs.slack.dev, "chat.postMessage". Raises SlackError.
        """
        channel = self._seen(
            self.workspace.resolve_channel(read_required_text(arguments, "channel", "channel_not_found"))
        )
        if channel.archived:
            raise SlackError("is_archived")
        if self.workspace.bot_user not in channel.members and "chat:write.public" not in self.scopes:
            raise SlackError("not_in_channel")
        return channel

    def find_message(
        self, channel: Channel, arguments: Arguments, name: str, *, missing: str = "message_not_found"
    ) -> Post:
        """Return a message that everybody in the channel can see. Raises SlackError."""
        post = channel.find(read_required_text(arguments, name, missing))
        if post is None or post.only_for is not None:
            raise SlackError("message_not_found")
        return post

    def permalink(self, channel: Channel, post: Post) -> str:
        """Return the permalink of a message."""
        address = (
            f"https://{self.workspace.domain}.slack.com/archives/{channel.id}/p{post.ts.replace('.', '')}"
        )
        if post.thread_ts and post.thread_ts != post.ts:
            address += f"?thread_ts={post.thread_ts}&cid={channel.id}"
        return address

    def find_user_id(self, arguments: Arguments) -> str:
        """Return the id of the named user, or the bot's by default. Raises SlackError."""
        user_id = read_text(arguments, "user") or self.workspace.bot_user
        if user_id not in (*self.workspace.users, self.workspace.bot_user):
            raise SlackError("user_not_found")
        return user_id

    def _seen(self, channel: Channel | None) -> Channel:
        # A private channel does not exist for a bot outside of it.
        if channel is None or (channel.private and self.workspace.bot_user not in channel.members):
            raise SlackError("channel_not_found")
        return channel
