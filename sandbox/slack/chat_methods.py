"""Web API methods that write messages (docs.slack.dev, "chat.*")."""

from __future__ import annotations

import itertools
from typing import Any

from sandbox.slack.arguments import (
    Arguments,
    paginate,
    read_flag,
    read_json,
    read_required_text,
    read_text,
    read_timestamp,
)
from sandbox.slack.method_context import MethodContext
from sandbox.slack.models import Channel, Post, ScheduledMessage
from sandbox.slack.validation import SlackError, validate_attachments, validate_blocks

MAX_TEXT_LENGTH = 40_000
# docs.slack.dev, "chat.scheduleMessage": 120 days ahead, and 30 messages in five minutes for each channel. The minute
# is that of "chat.deleteScheduledMessage".
SCHEDULED_AHEAD_SECONDS = 120 * 24 * 3600
SCHEDULED_WINDOW_SECONDS = 300
MAX_SCHEDULED = 30
DELETABLE_UNTIL_SECONDS = 60

_numbers = itertools.count(1)


class ChatMethods(MethodContext):
    """Messages: post, update, delete, schedule and unfurl."""

    def chat_post_message(self, arguments: Arguments) -> dict[str, Any]:
        """chat.postMessage."""
        channel = self.find_channel_to_post(arguments)
        post = self.workspace.post(channel, self._new_post(channel, arguments))
        return {"channel": channel.id, "ts": post.ts, "message": post.to_json(with_metadata=True)}

    def chat_me_message(self, arguments: Arguments) -> dict[str, Any]:
        """chat.meMessage."""
        channel = self.find_channel_to_post(arguments)
        message_text, _ = _content({"text": read_text(arguments, "text")})
        post = Post(
            self.workspace.new_ts(), self.workspace.bot_user, message_text, by_bot=True, subtype="me_message"
        )
        self.workspace.post(channel, post)
        return {"channel": channel.id, "ts": post.ts}

    def chat_post_ephemeral(self, arguments: Arguments) -> dict[str, Any]:
        """chat.postEphemeral."""
        channel = self.find_channel_to_post(arguments)
        user_id = read_required_text(arguments, "user", "user_not_in_channel")
        if user_id not in channel.members:
            raise SlackError("user_not_in_channel")
        message_text, blocks = _content(arguments)
        thread = read_text(arguments, "thread_ts")
        post = Post(
            self.workspace.new_ts(),
            self.workspace.bot_user,
            message_text,
            blocks,
            only_for=user_id,
            by_bot=True,
            thread_ts=thread or None,
            execution=self.execution,
        )
        self.workspace.post(channel, post)
        return {"message_ts": post.ts}

    def chat_update(self, arguments: Arguments) -> dict[str, Any]:
        """chat.update."""
        channel = self.find_channel(arguments)
        post = self.find_message(channel, arguments, "ts")
        if not post.by_bot:
            raise SlackError("cant_update_message")
        message_text, blocks = _content(arguments)
        self.workspace.edit(
            channel, post, text=message_text, blocks=blocks, attachments=_attachments(arguments), edited=True
        )
        return {
            "channel": channel.id,
            "ts": post.ts,
            "text": post.text,
            "message": post.to_json(),
        }

    def chat_delete(self, arguments: Arguments) -> dict[str, Any]:
        """chat.delete."""
        channel = self.find_channel(arguments)
        post = channel.find(read_required_text(arguments, "ts", "message_not_found"))
        if post is None:
            raise SlackError("message_not_found")
        if not post.by_bot:
            raise SlackError("cant_delete_message")
        self.workspace.remove(channel, post)
        return {"channel": channel.id, "ts": post.ts}

    def chat_get_permalink(self, arguments: Arguments) -> dict[str, Any]:
        """chat.getPermalink."""
        channel = self.find_channel(arguments)
        post = self.find_message(channel, arguments, "message_ts")
        return {"channel": channel.id, "permalink": self.permalink(channel, post)}

    def chat_schedule_message(self, arguments: Arguments) -> dict[str, Any]:
        """chat.scheduleMessage."""
        channel = self.find_channel_to_post(arguments)
        now = int(self.workspace.clock())
        post_at = read_timestamp(arguments, "post_at", "invalid_time")
        if post_at is None:
            raise SlackError("invalid_time")
        if post_at <= now:
            raise SlackError("time_in_past")
        if post_at > now + SCHEDULED_AHEAD_SECONDS:
            raise SlackError("time_too_far")
        waiting = [
            item
            for item in self.workspace.scheduled.values()
            if item.channel == channel.id and abs(item.post_at - post_at) < SCHEDULED_WINDOW_SECONDS
        ]
        if len(waiting) >= MAX_SCHEDULED:
            raise SlackError("restricted_too_many")
        post = self._new_post(channel, arguments)
        scheduled = ScheduledMessage(f"Q{next(_numbers):010d}", channel.id, int(post_at), now, post)
        self.workspace.scheduled[scheduled.id] = scheduled
        message = post.to_json() | {"type": "delayed_message"}
        del message["ts"]
        return {
            "channel": channel.id,
            "scheduled_message_id": scheduled.id,
            "post_at": scheduled.post_at,
            "message": message,
        }

    def chat_delete_scheduled_message(self, arguments: Arguments) -> dict[str, Any]:
        """chat.deleteScheduledMessage: not in the last minute before the message is posted."""
        channel = self.find_channel(arguments)
        scheduled = self.workspace.scheduled.get(
            read_required_text(arguments, "scheduled_message_id", "invalid_scheduled_message_id")
        )
        if scheduled is None or scheduled.channel != channel.id:
            raise SlackError("invalid_scheduled_message_id")
        if scheduled.post_at - self.workspace.clock() < DELETABLE_UNTIL_SECONDS:
            raise SlackError("invalid_scheduled_message_id")
        del self.workspace.scheduled[scheduled.id]
        return {}

    def chat_scheduled_messages_list(self, arguments: Arguments) -> dict[str, Any]:
        """chat.scheduledMessages.list."""
        channel, found = read_text(arguments, "channel"), list(self.workspace.scheduled.values())
        if channel and channel not in self.workspace.channels:
            raise SlackError("invalid_channel")
        oldest = read_timestamp(arguments, "oldest", "invalid_arguments") or 0
        latest = read_timestamp(arguments, "latest", "invalid_arguments") or float("inf")
        shown, cursor = paginate(
            [item for item in found if channel in ("", item.channel) and oldest <= item.post_at <= latest],
            arguments,
        )
        return {
            "scheduled_messages": [
                {
                    "id": item.id,
                    "channel_id": item.channel,
                    "post_at": item.post_at,
                    "date_created": item.created,
                    "text": item.post.text,
                }
                for item in shown
            ],
            "response_metadata": {"next_cursor": cursor},
        }

    def chat_unfurl(self, arguments: Arguments) -> dict[str, Any]:
        """chat.unfurl."""
        channel = self.find_channel(arguments)
        post = channel.find(read_required_text(arguments, "ts", "cannot_find_message"))
        unfurls = read_json(arguments, "unfurls")
        if post is None:
            raise SlackError("cannot_find_message")
        if not isinstance(unfurls, dict) or not all(url in post.text for url in unfurls):
            raise SlackError("cannot_unfurl_url")
        previews = validate_attachments(list(unfurls.values()))
        for url, preview in zip(unfurls, previews, strict=True):
            # A second preview of a link replaces the first.
            others = [attachment for attachment in post.attachments if attachment.get("from_url") != url]
            self.workspace.edit(channel, post, attachments=[*others, {**preview, "from_url": url}])
        return {}

    def _new_post(self, channel: Channel, arguments: Arguments) -> Post:
        message_text, blocks = _content(arguments)
        thread = read_text(arguments, "thread_ts")
        if thread:
            head = channel.find(thread)
            # "Avoid using a reply's ts value": the result is undefined, so it is refused here.
            if head is None or head.thread_ts not in (None, head.ts):
                raise SlackError("thread_not_found")
        return Post(
            self.workspace.new_ts(),
            self.workspace.bot_user,
            message_text,
            blocks,
            metadata=_metadata(arguments),
            thread_ts=thread or None,
            by_bot=True,
            broadcast=bool(thread) and read_flag(arguments, "reply_broadcast"),
            attachments=_attachments(arguments),
            execution=self.execution,
        )


def _content(arguments: Arguments) -> tuple[str, list[dict[str, Any]]]:
    blocks = read_json(arguments, "blocks")
    checked = validate_blocks(blocks) if blocks else []
    message_text = read_text(arguments, "text")
    if not message_text and not checked and not arguments.get("attachments"):
        raise SlackError("no_text")
    if len(message_text) > MAX_TEXT_LENGTH:
        raise SlackError("msg_too_long")
    return message_text, checked


def _attachments(arguments: Arguments) -> list[dict[str, Any]]:
    return validate_attachments(read_json(arguments, "attachments") or [])


def _metadata(arguments: Arguments) -> dict[str, Any] | None:
    metadata = read_json(arguments, "metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_type"), str):
        raise SlackError("invalid_metadata_format")
    if not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    return metadata


CHAT_METHODS: dict[str, tuple[str, str | None]] = {
    "chat.delete": ("chat_delete", "chat:write"),
    "chat.deleteScheduledMessage": ("chat_delete_scheduled_message", "chat:write"),
    "chat.getPermalink": ("chat_get_permalink", None),
    "chat.meMessage": ("chat_me_message", "chat:write"),
    "chat.postEphemeral": ("chat_post_ephemeral", "chat:write"),
    "chat.postMessage": ("chat_post_message", "chat:write"),
    "chat.scheduleMessage": ("chat_schedule_message", "chat:write"),
    "chat.scheduledMessages.list": ("chat_scheduled_messages_list", None),
    "chat.unfurl": ("chat_unfurl", "links:write"),
    "chat.update": ("chat_update", "chat:write"),
}
