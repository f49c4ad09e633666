"""Actions of users on messages and channels, which are events for the app."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sandbox.request_log import RequestLog
from sandbox.slack import payloads
from sandbox.slack.events import Events, payload_source
from sandbox.slack.input_values import (
    InvalidInteraction,
)
from sandbox.slack.installations import Installation, Installations
from sandbox.slack.interaction_handles import InteractionHandles
from sandbox.slack.models import Channel, Post
from sandbox.slack.request_delivery import RequestDelivery
from sandbox.slack.users import User
from sandbox.slack.workspace import Workspace

_LINK = re.compile(r"https?://[^\s<>|]+")


@dataclass
class MessageActions:
    """Posts, edits and joins as the users of one workspace."""

    workspace: Workspace
    delivery: RequestDelivery
    handles: InteractionHandles
    request_log: RequestLog
    manifest: Mapping[str, Any]
    base_url: Callable[[], str]
    installations: Installations
    events: Events

    def say(self, user_name: str, channel: str, text: str, *, thread: str | None = None) -> Post:
        """Post a message; `@` with the bot's name mentions the bot."""
        user, conversation = self._find_active_user(user_name), self._find_open_channel(user_name, channel)
        sent = _LINK.sub(lambda match: f"<{match[0]}>", html.escape(text, quote=False))
        sent = sent.replace(f"@{self.workspace.bot.name}", f"<@{self.workspace.bot_user}>")
        post = self.workspace.post(
            conversation, Post(self.workspace.new_ts(), user.id, sent, thread_ts=thread)
        )
        self._send_link_shared(user, conversation, post, sent)
        if conversation.kind != "im" and f"<@{self.workspace.bot_user}>" in sent:
            if self.workspace.bot_user in conversation.members:
                inner = {
                    **self.events.message(conversation, post),
                    "type": "app_mention",
                    "event_ts": post.ts,
                }
                del inner["channel_type"]
                self.events.send(inner, "app_mention", shared_outside=conversation.shared_outside)
            else:
                bot = self.workspace.bot.name
                self._slackbot(conversation, user, f"{bot} is not in this channel. /invite @{bot}")
        return post

    def edit(self, user_name: str, post: Post, text: str) -> None:
        """Edit the user's own message."""
        conversation = self._channel_of_own(user_name, post)
        self.workspace.edit(conversation, post, text=html.escape(text, quote=False), edited=True)

    def delete(self, user_name: str, post: Post) -> None:
        """Delete the user's own message."""
        conversation = self._channel_of_own(user_name, post)
        self.workspace.remove(conversation, post)

    def react(self, user_name: str, post: Post, emoji: str) -> None:
        """Add a reaction, or remove it if it exists."""
        user, conversation = self._find_active_user(user_name), self._channel_of(post)
        name = emoji.strip(":")
        if not self.workspace.react(conversation, post, user.id, name):
            self.workspace.unreact(conversation, post, user.id, name)

    def join(self, user_name: str, channel: str) -> None:
        """Join a channel."""
        self.workspace.join(self._find_open_channel(user_name, channel), self._find_active_user(user_name).id)

    def leave_channel(self, user_name: str, channel: str) -> None:
        """Leave a channel."""
        self.workspace.leave(
            self._find_open_channel(user_name, channel), self._find_active_user(user_name).id
        )

    def invite(self, channel: str) -> None:
        """Send `/invite` with the bot's name, which Slack itself handles."""
        self._source()
        self.workspace.join(self.workspace.find_channel(channel), self.workspace.bot_user)

    def installation(self) -> Installation | None:
        """Return the installation of the workspace; None without one."""
        return self.installations.find(self.workspace)

    def _send_link_shared(self, user: User, conversation: Channel, post: Post, sent: str) -> None:
        """Send link_shared for links to the app's unfurl domains."""
        domains = self.manifest["features"].get("unfurl_domains") or []
        links = [
            {"url": url, "domain": host}
            for url in re.findall(r"<(https?://[^|>]+)", sent)
            if (host := urlsplit(url).hostname or "") in domains
            or any(host.endswith(f".{domain}") for domain in domains)
        ]
        if links:
            inner = {
                "type": "link_shared",
                "channel": conversation.id,
                "is_bot_user_member": self.workspace.bot_user in conversation.members,
                "user": user.id,
                "message_ts": post.ts,
                "links": links,
                "source": "conversations_history",
                "unfurl_id": f"{conversation.id}-{post.ts}",
                "event_ts": post.ts,
            }
            self.events.send(inner, "link_shared", shared_outside=conversation.shared_outside)

    def _source(self) -> payloads.PayloadSource:
        """Return the source of this workspace's payloads. Raises InvalidInteraction if the app is not installed."""
        installation = self.installation()
        if installation is None:
            raise InvalidInteraction(f"{self.workspace.bot.name} is not installed in {self.workspace.name}")
        return payload_source(self.workspace, org_wide=installation.org_wide)

    def _find_active_user(self, name: str) -> User:
        user = self.workspace.find_user(name)
        if user.deleted:
            raise InvalidInteraction(f"{user.name} has left {self.workspace.name}")
        return user

    def _find_open_channel(self, user_name: str, channel: str) -> Channel:
        conversation = self.workspace.find_channel(channel)
        if conversation.archived:
            raise InvalidInteraction(f"#{conversation.name} is archived")
        if conversation.im_with and conversation.im_with != self.workspace.find_user(user_name).id:
            raise InvalidInteraction("this is another user's direct message")
        return conversation

    def _channel_of(self, post: Post) -> Channel:
        return next(channel for channel in self.workspace.channels.values() if post in channel.posts)

    def _channel_of_own(self, user_name: str, post: Post) -> Channel:
        user = self._find_active_user(user_name)
        if post.user != user.id:
            raise InvalidInteraction(f"this is not {user.name}'s message")
        return self._channel_of(post)

    def _slackbot(self, channel: Channel, user_name: User, text: str) -> None:
        self.workspace.post(channel, Post(self.workspace.new_ts(), "USLACKBOT", text, only_for=user_name.id))
