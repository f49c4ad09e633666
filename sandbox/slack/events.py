"""The events of a workspace that its app has subscribed to (docs.slack.dev, "Event types")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.slack import payloads
from sandbox.slack.installations import Installation
from sandbox.slack.request_delivery import RequestDelivery
from sandbox.slack.users import User
from sandbox.slack.workspace import Channel, Post, Workspace

# Each event that the sandbox sends, and the scope without which Slack does not send it.
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
_ALTERED = {"created": "created", "archived": "archive", "unarchived": "unarchive", "renamed": "rename"}
_READ = {"channel": "channels:read", "group": "groups:read", "im": "im:read"}


def is_subscribed(manifest: Mapping[str, Any], event: str) -> bool:
    """Whether the app hears of such events."""
    return event in (manifest["settings"].get("event_subscriptions") or {}).get("bot_events", [])


def origin_of(workspace: Workspace, *, org_wide: bool) -> payloads.PayloadSource:
    """What payloads say of the workspace."""
    return payloads.PayloadSource(
        workspace.team, workspace.domain, workspace.bot_user, workspace.enterprise, org_wide
    )


@dataclass
class Events:
    """Sends what happens in one workspace to the app, where it is installed, may know and wants to.

    It observes the workspace, so that a message is an event whoever wrote it: a person, the app by its Web API or by
    a response address, or the clock.
    """

    workspace: Workspace
    delivery: RequestDelivery
    manifest: Mapping[str, Any]
    installed: Callable[[], Installation | None]

    def send(
        self, inner: Mapping[str, Any], name: str, *, shared_outside: bool = False, scope: str | None = None
    ) -> None:
        """Send an event of this name; `scope` is the one it needs, where that depends on more than the name."""
        installation = self.installed()
        if installation is None or not is_subscribed(self.manifest, name):
            return
        scope = scope or EVENTS[name]
        if scope is not None and scope not in installation.scopes:
            return
        origin = origin_of(self.workspace, org_wide=installation.org_wide)
        self.delivery.event(payloads.event(inner, shared_outside=shared_outside, origin=origin))

    def posted(self, channel: Channel, post: Post) -> None:
        """A message, also one of the app's own."""
        if self._hears(channel):
            self._message(channel, {**self.message(channel, post), "event_ts": post.ts})

    def changed(self, channel: Channel, post: Post, before: dict[str, Any]) -> None:
        """message_changed: it has a time of its own, and the message inside."""
        if self._hears(channel):
            message = {**post.as_slack_sends_it(), "source_team": post.team, "user_team": post.team}
            self._about(
                channel, {"subtype": "message_changed", "message": message, "previous_message": before}
            )

    def deleted(self, channel: Channel, post: Post) -> None:
        """message_deleted."""
        if self._hears(channel):
            gone = {"deleted_ts": post.ts, "previous_message": post.as_slack_sends_it()}
            self._about(channel, {"subtype": "message_deleted", **gone})

    def reacted(self, channel: Channel, post: Post, person: str, name: str, *, added: bool) -> None:
        """reaction_added and reaction_removed."""
        if self._is_member(channel):
            event = "reaction_added" if added else "reaction_removed"
            item = {"type": "message", "channel": channel.id, "ts": post.ts}
            inner = {"user": person, "reaction": name, "item": item, "item_user": post.user}
            self._send(event, inner, shared_outside=channel.shared_outside)

    def pinned(self, channel: Channel, post: Post, person: str, *, added: bool) -> None:
        """pin_added and pin_removed."""
        if self._is_member(channel):
            item = {"type": "message", "channel": channel.id, "message": post.as_slack_sends_it()}
            inner = {"user": person, "channel_id": channel.id, "item": item, "has_pins": added}
            self._send("pin_added" if added else "pin_removed", inner)

    def joined(self, channel: Channel, person: str, inviter: str) -> None:
        """member_joined_channel: also of the app's own bot."""
        self._membership("member_joined_channel", channel, person, {"inviter": inviter} if inviter else {})

    def left(self, channel: Channel, person: str) -> None:
        """member_left_channel."""
        self._membership("member_left_channel", channel, person, {})

    def altered(self, channel: Channel, what: str, person: str) -> None:
        """channel_created, channel_archive and so on; a private channel's are named group_… ."""
        family = "channel" if channel.kind == "channel" else "group"
        name = f"{family}_{_ALTERED[what]}"
        if name not in EVENTS or (family == "group" and not self._is_member(channel)):
            return
        described = {"id": channel.id, "name": channel.name, "created": channel.created}
        if what in ("created", "renamed"):
            creator = {"creator": channel.creator} if what == "created" else {}
            self._send(name, {"channel": described | creator})
        else:
            self._send(name, {"channel": channel.id, "user": person})

    def message(self, channel: Channel, post: Post) -> dict[str, Any]:
        """A message as events have it."""
        author = self.workspace.people.get(post.user)
        inner = {
            **post.as_slack_sends_it(),
            "team": self.workspace.team,
            "channel": channel.id,
            "channel_type": channel.kind,
        }
        if not post.by_bot:
            inner["client_msg_id"] = post.ts
        if post.thread_ts and (head := channel.find(post.thread_ts)) is not None and head is not post:
            inner["parent_user_id"] = head.user
        return inner | (payloads.from_elsewhere(author) if author is not None else {})

    def _message(self, channel: Channel, inner: Mapping[str, Any]) -> None:
        author = self.workspace.people.get(str(inner.get("user")))
        outside = channel.shared_outside or _is_elsewhere(author)
        self.send(inner, _MESSAGES[channel.kind], shared_outside=outside)

    def _about(self, channel: Channel, inner: Mapping[str, Any]) -> None:
        """An event about a message that is there already."""
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

    def _membership(self, name: str, channel: Channel, person: str, more: Mapping[str, Any]) -> None:
        if channel.kind != "im" and self._is_member(channel):
            kind = "G" if channel.private else "C"
            inner = {"user": person, "channel": channel.id, "channel_type": kind, "team": self.workspace.team}
            self._send(name, {**inner, **more}, scope=_READ[channel.kind])

    def _send(
        self, name: str, inner: Mapping[str, Any], *, shared_outside: bool = False, scope: str | None = None
    ) -> None:
        whole = {"type": name, **inner, "event_ts": self.workspace.new_ts()}
        self.send(whole, name, shared_outside=shared_outside, scope=scope)

    def _hears(self, channel: Channel) -> bool:
        """Whether the app is told of messages there at all."""
        return self._is_member(channel) and is_subscribed(self.manifest, _MESSAGES[channel.kind])

    def _is_member(self, channel: Channel) -> bool:
        return self.workspace.bot_user in channel.members


def _is_elsewhere(author: User | None) -> bool:
    return author is not None and bool(author.workspace)
