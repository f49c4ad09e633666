"""Events of a workspace that the app subscribes to (docs.slack.dev, "Event types")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.slack import payloads
from sandbox.slack.installations import Installation
from sandbox.slack.models import Channel, Post
from sandbox.slack.request_delivery import RequestDelivery
from sandbox.slack.users import User
from sandbox.slack.workspace import Workspace

# The events that the sandbox sends, and the scope that each one requires.
EVENTS: dict[str, str | None] = {
    "app_home_opened": None,
    "app_mention": "app_mentions:read",
    "app_uninstalled": None,
    "channel_archive": "channels:read",
    "channel_created": "channels:read",
    "channel_rename": "channels:read",
    "channel_unarchive": "channels:read",
    "function_executed": None,
    "group_archive": "groups:read",
    "group_rename": "groups:read",
    "group_unarchive": "groups:read",
    "link_shared": "links:read",
    "member_joined_channel": None,
    "member_left_channel": None,
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "pin_added": "pins:read",
    "pin_removed": "pins:read",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
    "tokens_revoked": None,
    "user_change": "users:read",
}
_MESSAGES = {"channel": "message.channels", "group": "message.groups", "im": "message.im"}
_CHANNEL_CHANGES = {
    "created": "created",
    "archived": "archive",
    "unarchived": "unarchive",
    "renamed": "rename",
}
_READ_SCOPES = {"channel": "channels:read", "group": "groups:read", "im": "im:read"}


def is_subscribed(manifest: Mapping[str, Any], event: str) -> bool:
    """Return whether the app subscribes to this event."""
    return event in (manifest["settings"].get("event_subscriptions") or {}).get("bot_events", [])


def payload_source(workspace: Workspace, *, org_wide: bool) -> payloads.PayloadSource:
    """Return the source fields of the workspace's payloads."""
    return payloads.PayloadSource(
        workspace.team, workspace.domain, workspace.bot_user, workspace.enterprise, org_wide
    )


@dataclass
class Events:
    """Sends events of one workspace to the app if it is installed, subscribed and has the scope.

    It observes the workspace, so every message is an event, whoever wrote it: a user, the app by its Web API or a
    response_url, or the scheduler.
    """

    workspace: Workspace
    delivery: RequestDelivery
    manifest: Mapping[str, Any]
    installed: Callable[[], Installation | None]

    def send(
        self, inner: Mapping[str, Any], name: str, *, shared_outside: bool = False, scope: str | None = None
    ) -> None:
        """Send an event; `scope` overrides the required scope if it depends on more than the name."""
        installation = self.installed()
        if installation is None or not is_subscribed(self.manifest, name):
            return
        scope = scope or EVENTS[name]
        if scope is not None and scope not in installation.scopes:
            return
        source = payload_source(self.workspace, org_wide=installation.org_wide)
        self.delivery.event(payloads.event_envelope(inner, shared_outside=shared_outside, source=source))

    def posted(self, channel: Channel, post: Post) -> None:
        """Send a message event, also for the app's own messages."""
        if self._receives_messages(channel):
            self._message(channel, {**self.message(channel, post), "event_ts": post.ts})

    def changed(self, channel: Channel, post: Post, before: dict[str, Any]) -> None:
        """Send message_changed, which has its own timestamp and contains the message."""
        if self._receives_messages(channel):
            message = {**post.to_json(), "source_team": post.team, "user_team": post.team}
            self._message_change(
                channel, {"subtype": "message_changed", "message": message, "previous_message": before}
            )

    def deleted(self, channel: Channel, post: Post) -> None:
        """Send message_deleted."""
        if self._receives_messages(channel):
            gone = {"deleted_ts": post.ts, "previous_message": post.to_json()}
            self._message_change(channel, {"subtype": "message_deleted", **gone})

    def reacted(self, channel: Channel, post: Post, user_id: str, name: str, *, added: bool) -> None:
        """Send reaction_added or reaction_removed."""
        if self._is_member(channel):
            event = "reaction_added" if added else "reaction_removed"
            item = {"type": "message", "channel": channel.id, "ts": post.ts}
            inner = {"user": user_id, "reaction": name, "item": item, "item_user": post.user}
            self._send(event, inner, shared_outside=channel.shared_outside)

    def pinned(self, channel: Channel, post: Post, user_id: str, *, added: bool) -> None:
        """Send pin_added or pin_removed."""
        if self._is_member(channel):
            item = {"type": "message", "channel": channel.id, "message": post.to_json()}
            inner = {"user": user_id, "channel_id": channel.id, "item": item, "has_pins": added}
            self._send("pin_added" if added else "pin_removed", inner)

    def joined(self, channel: Channel, user_id: str, inviter: str) -> None:
        """Send member_joined_channel, also for the app's own bot."""
        self._membership("member_joined_channel", channel, user_id, {"inviter": inviter} if inviter else {})

    def left(self, channel: Channel, user_id: str) -> None:
        """Send member_left_channel."""
        self._membership("member_left_channel", channel, user_id, {})

    def channel_changed(self, channel: Channel, change: str, user_id: str) -> None:
        """Send channel_created, channel_archive and so on; for private channels their names start with group_."""
        family = "channel" if channel.kind == "channel" else "group"
        name = f"{family}_{_CHANNEL_CHANGES[change]}"
        if name not in EVENTS or (family == "group" and not self._is_member(channel)):
            return
        described = {"id": channel.id, "name": channel.name, "created": channel.created}
        if change in ("created", "renamed"):
            creator = {"creator": channel.creator} if change == "created" else {}
            self._send(name, {"channel": described | creator})
        else:
            self._send(name, {"channel": channel.id, "user": user_id})

    def message(self, channel: Channel, post: Post) -> dict[str, Any]:
        """Return a message as in events."""
        author = self.workspace.users.get(post.user)
        inner = {
            **post.to_json(),
            "team": self.workspace.team,
            "channel": channel.id,
            "channel_type": channel.kind,
        }
        if not post.by_bot:
            inner["client_msg_id"] = post.ts
        if post.thread_ts and (head := channel.find(post.thread_ts)) is not None and head is not post:
            inner["parent_user_id"] = head.user
        return inner | (payloads.external_user_fields(author) if author is not None else {})

    def _message(self, channel: Channel, inner: Mapping[str, Any]) -> None:
        author = self.workspace.users.get(str(inner.get("user")))
        outside = channel.shared_outside or _is_external(author)
        self.send(inner, _MESSAGES[channel.kind], shared_outside=outside)

    def _message_change(self, channel: Channel, inner: Mapping[str, Any]) -> None:
        """Send an event about an existing message."""
        ts = self.workspace.new_ts()
        self._message(
            channel,
            {
                "type": "message",
                **inner,
                "channel": channel.id,
                "channel_type": channel.kind,
                "hidden": True,
                "ts": ts,
                "event_ts": ts,
            },
        )

    def _membership(self, name: str, channel: Channel, user_id: str, extra: Mapping[str, Any]) -> None:
        if channel.kind != "im" and self._is_member(channel):
            kind = "G" if channel.private else "C"
            inner = {
                "user": user_id,
                "channel": channel.id,
                "channel_type": kind,
                "team": self.workspace.team,
            }
            self._send(name, {**inner, **extra}, scope=_READ_SCOPES[channel.kind])

    def _send(
        self, name: str, inner: Mapping[str, Any], *, shared_outside: bool = False, scope: str | None = None
    ) -> None:
        event = {"type": name, **inner, "event_ts": self.workspace.new_ts()}
        self.send(event, name, shared_outside=shared_outside, scope=scope)

    def _receives_messages(self, channel: Channel) -> bool:
        """Return whether the app receives message events of the channel."""
        return self._is_member(channel) and is_subscribed(self.manifest, _MESSAGES[channel.kind])

    def _is_member(self, channel: Channel) -> bool:
        return self.workspace.bot_user in channel.members


def _is_external(author: User | None) -> bool:
    return author is not None and bool(author.workspace)
