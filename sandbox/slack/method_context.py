"""What the Web API's methods share: the workspace, whose token asks, and finding the channel that is meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.slack.arguments import Arguments, needed, text
from sandbox.slack.installations import Installation
from sandbox.slack.interaction_handles import InteractionHandles
from sandbox.slack.validation import SlackError
from sandbox.slack.workspace import Channel, FunctionExecution, Post, Workspace

# A conversation's scopes are named after its kind (docs.slack.dev, "Conversations API").
_FAMILIES = {"channel": "channels", "group": "groups", "im": "im"}


@dataclass
class MethodContext:
    """A call in one workspace, for one installation of the app.

    `base_url` is where the workspace itself is reached, `reach` holds every workspace of the token's, `run` is the
    step of a workflow whose token asks.
    """

    workspace: Workspace
    handles: InteractionHandles
    installation: Installation
    base_url: Callable[[], str]
    reach: Sequence[Workspace] = ()
    home_enabled: bool = False
    functions: Mapping[str, Any] = field(default_factory=dict)
    run: FunctionExecution | None = None

    @property
    def scopes(self) -> frozenset[str]:
        """What the token may do."""
        return self.installation.scopes

    @scopes.setter
    def scopes(self, scopes: frozenset[str]) -> None:
        self.installation.scopes = scopes

    def need(self, *any_of: str) -> None:
        """Require one of these scopes. Raises SlackError."""
        if not self.scopes.intersection(any_of):
            raise SlackError("missing_scope", needed=any_of[0], provided=",".join(sorted(self.scopes)))

    def need_for(self, channel: Channel, right: str, *others: str) -> None:
        """Require a conversation's scope of that right (`read`, `write`, `history`). Raises SlackError.

        A bot writes to public channels with channels:manage; `others` are narrower scopes that do as well.
        """
        family = _FAMILIES[channel.kind]
        narrower = [f"{family}:{right}.{one}" for one in others]
        if (family, right) == ("channels", "write"):
            self.need("channels:manage", *narrower)
        else:
            self.need(f"{family}:{right}", *narrower)

    def visible_channel(self, arguments: Arguments, name: str = "channel") -> Channel:
        """The channel of this id. Raises SlackError."""
        return self._seen(self.workspace.channels.get(needed(arguments, name, "channel_not_found")))

    def joined_channel(self, arguments: Arguments) -> Channel:
        """A channel, no direct message, that the bot is in. Raises SlackError."""
        channel = self.group_channel(arguments)
        if self.workspace.bot_user not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def group_channel(self, arguments: Arguments) -> Channel:
        """A channel, no direct message. Raises SlackError."""
        channel = self.visible_channel(arguments)
        if channel.kind == "im":
            raise SlackError("method_not_supported_for_channel_type")
        return channel

    def channel_to_post_in(self, arguments: Arguments) -> Channel:
        """Where a message goes: a channel's id or name, or a person's id, whose direct message it is then.

        docs.slack.dev, "chat.postMessage". Raises SlackError.
        """
        channel = self._seen(self.workspace.resolve(needed(arguments, "channel", "channel_not_found")))
        if channel.archived:
            raise SlackError("is_archived")
        if self.workspace.bot_user not in channel.members and "chat:write.public" not in self.scopes:
            raise SlackError("not_in_channel")
        return channel

    def message(
        self, channel: Channel, arguments: Arguments, name: str, *, missing: str = "message_not_found"
    ) -> Post:
        """A message that everybody in the channel sees. Raises SlackError."""
        post = channel.find(needed(arguments, name, missing))
        if post is None or post.only_for is not None:
            raise SlackError("message_not_found")
        return post

    def permalink(self, channel: Channel, post: Post) -> str:
        """A message's address."""
        address = (
            f"https://{self.workspace.domain}.slack.com/archives/{channel.id}/p{post.ts.replace('.', '')}"
        )
        if post.thread_ts and post.thread_ts != post.ts:
            address += f"?thread_ts={post.thread_ts}&cid={channel.id}"
        return address

    def person_named(self, arguments: Arguments, name: str = "user") -> str:
        """A person's id, or the bot's where nobody is named. Raises SlackError."""
        person = text(arguments, name) or self.workspace.bot_user
        if person not in (*self.workspace.people, self.workspace.bot_user):
            raise SlackError("user_not_found")
        return person

    def _seen(self, channel: Channel | None) -> Channel:
        # A private channel does not exist for a bot that is not in it.
        if channel is None or (channel.private and self.workspace.bot_user not in channel.members):
            raise SlackError("channel_not_found")
        return channel
