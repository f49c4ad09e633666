"""The methods that write messages (docs.slack.dev, "chat.*")."""

from __future__ import annotations

import itertools
from typing import Any

from sandbox.slack.arguments import Arguments, flag, needed, page, structure, text, timestamp
from sandbox.slack.method_context import MethodContext
from sandbox.slack.validation import SlackError, check_attachments, validate_blocks
from sandbox.slack.workspace import Channel, Post, ScheduledMessage

LONGEST_TEXT = 40_000
# docs.slack.dev, "chat.scheduleMessage": 120 days ahead, and 30 messages in five minutes for each channel. The minute
# is that of "chat.deleteScheduledMessage".
SCHEDULED_AHEAD_SECONDS = 120 * 24 * 3600
SCHEDULED_WINDOW_SECONDS = 300
MOST_SCHEDULED = 30
KEPT_BEFORE_SECONDS = 60

_numbers = itertools.count(1)


class ChatMethods(MethodContext):
    """Messages: posted, changed, deleted, scheduled, and given a preview."""

    def chat_post_message(self, arguments: Arguments) -> dict[str, Any]:
        """chat.postMessage."""
        channel = self.channel_to_post_in(arguments)
        post = self.workspace.post(channel, self._new_post(channel, arguments))
        return {"channel": channel.id, "ts": post.ts, "message": post.as_slack_sends_it(with_metadata=True)}

    def chat_me_message(self, arguments: Arguments) -> dict[str, Any]:
        """chat.meMessage."""
        channel = self.channel_to_post_in(arguments)
        words, _ = _content({"text": text(arguments, "text")})
        post = Post(
            self.workspace.new_ts(), self.workspace.bot_user, words, by_bot=True, subtype="me_message"
        )
        self.workspace.post(channel, post)
        return {"channel": channel.id, "ts": post.ts}

    def chat_post_ephemeral(self, arguments: Arguments) -> dict[str, Any]:
        """chat.postEphemeral."""
        channel = self.channel_to_post_in(arguments)
        person = needed(arguments, "user", "user_not_in_channel")
        if person not in channel.members:
            raise SlackError("user_not_in_channel")
        words, blocks = _content(arguments)
        thread = text(arguments, "thread_ts")
        post = Post(
            self.workspace.new_ts(),
            self.workspace.bot_user,
            words,
            blocks,
            only_for=person,
            by_bot=True,
            thread_ts=thread or None,
            run=self.run,
        )
        self.workspace.post(channel, post)
        return {"message_ts": post.ts}

    def chat_update(self, arguments: Arguments) -> dict[str, Any]:
        """chat.update."""
        channel = self.visible_channel(arguments)
        post = self.message(channel, arguments, "ts")
        if not post.by_bot:
            raise SlackError("cant_update_message")
        words, blocks = _content(arguments)
        self.workspace.edit(
            channel, post, text=words, blocks=blocks, attachments=_attachments(arguments), edited=True
        )
        return {
            "channel": channel.id,
            "ts": post.ts,
            "text": post.text,
            "message": post.as_slack_sends_it(),
        }

    def chat_delete(self, arguments: Arguments) -> dict[str, Any]:
        """chat.delete."""
        channel = self.visible_channel(arguments)
        post = channel.find(needed(arguments, "ts", "message_not_found"))
        if post is None:
            raise SlackError("message_not_found")
        if not post.by_bot:
            raise SlackError("cant_delete_message")
        self.workspace.remove(channel, post)
        return {"channel": channel.id, "ts": post.ts}

    def chat_get_permalink(self, arguments: Arguments) -> dict[str, Any]:
        """chat.getPermalink."""
        channel = self.visible_channel(arguments)
        post = self.message(channel, arguments, "message_ts")
        return {"channel": channel.id, "permalink": self.permalink(channel, post)}

    def chat_schedule_message(self, arguments: Arguments) -> dict[str, Any]:
        """chat.scheduleMessage."""
        channel = self.channel_to_post_in(arguments)
        now = int(self.workspace.clock())
        post_at = timestamp(arguments, "post_at", "invalid_time")
        if post_at is None:
            raise SlackError("invalid_time")
        if post_at <= now:
            raise SlackError("time_in_past")
        if post_at > now + SCHEDULED_AHEAD_SECONDS:
            raise SlackError("time_too_far")
        waiting = [
            one
            for one in self.workspace.scheduled.values()
            if one.channel == channel.id and abs(one.post_at - post_at) < SCHEDULED_WINDOW_SECONDS
        ]
        if len(waiting) >= MOST_SCHEDULED:
            raise SlackError("restricted_too_many")
        post = self._new_post(channel, arguments)
        scheduled = ScheduledMessage(f"Q{next(_numbers):010d}", channel.id, int(post_at), now, post)
        self.workspace.scheduled[scheduled.id] = scheduled
        message = post.as_slack_sends_it() | {"type": "delayed_message"}
        del message["ts"]
        return {
            "channel": channel.id,
            "scheduled_message_id": scheduled.id,
            "post_at": scheduled.post_at,
            "message": message,
        }

    def chat_delete_scheduled_message(self, arguments: Arguments) -> dict[str, Any]:
        """chat.deleteScheduledMessage: not in the last minute before it is posted."""
        channel = self.visible_channel(arguments)
        scheduled = self.workspace.scheduled.get(
            needed(arguments, "scheduled_message_id", "invalid_scheduled_message_id")
        )
        if scheduled is None or scheduled.channel != channel.id:
            raise SlackError("invalid_scheduled_message_id")
        if scheduled.post_at - self.workspace.clock() < KEPT_BEFORE_SECONDS:
            raise SlackError("invalid_scheduled_message_id")
        del self.workspace.scheduled[scheduled.id]
        return {}

    def chat_scheduled_messages_list(self, arguments: Arguments) -> dict[str, Any]:
        """chat.scheduledMessages.list."""
        channel, found = text(arguments, "channel"), list(self.workspace.scheduled.values())
        if channel and channel not in self.workspace.channels:
            raise SlackError("invalid_channel")
        oldest = timestamp(arguments, "oldest", "invalid_arguments") or 0
        latest = timestamp(arguments, "latest", "invalid_arguments") or float("inf")
        shown, cursor = page(
            [one for one in found if channel in ("", one.channel) and oldest <= one.post_at <= latest],
            arguments,
        )
        return {
            "scheduled_messages": [
                {
                    "id": one.id,
                    "channel_id": one.channel,
                    "post_at": one.post_at,
                    "date_created": one.created,
                    "text": one.post.text,
                }
                for one in shown
            ],
            "response_metadata": {"next_cursor": cursor},
        }

    def chat_unfurl(self, arguments: Arguments) -> dict[str, Any]:
        """chat.unfurl."""
        channel = self.visible_channel(arguments)
        post = channel.find(needed(arguments, "ts", "cannot_find_message"))
        unfurls = structure(arguments, "unfurls")
        if post is None:
            raise SlackError("cannot_find_message")
        if not isinstance(unfurls, dict) or not all(url in post.text for url in unfurls):
            raise SlackError("cannot_unfurl_url")
        previews = check_attachments(list(unfurls.values()))
        for url, preview in zip(unfurls, previews, strict=True):
            # A link that has a preview already gets this one instead.
            others = [one for one in post.attachments if one.get("from_url") != url]
            self.workspace.edit(channel, post, attachments=[*others, {**preview, "from_url": url}])
        return {}

    def _new_post(self, channel: Channel, arguments: Arguments) -> Post:
        words, blocks = _content(arguments)
        thread = text(arguments, "thread_ts")
        if thread:
            head = channel.find(thread)
            # "Avoid using a reply's ts value": what then happens is nowhere promised, so that nothing may rely on it.
            if head is None or head.thread_ts not in (None, head.ts):
                raise SlackError("thread_not_found")
        return Post(
            self.workspace.new_ts(),
            self.workspace.bot_user,
            words,
            blocks,
            metadata=_metadata(arguments),
            thread_ts=thread or None,
            by_bot=True,
            broadcast=bool(thread) and flag(arguments, "reply_broadcast"),
            attachments=_attachments(arguments),
            run=self.run,
        )


def _content(arguments: Arguments) -> tuple[str, list[dict[str, Any]]]:
    blocks = structure(arguments, "blocks")
    checked = validate_blocks(blocks) if blocks else []
    words = text(arguments, "text")
    if not words and not checked and not arguments.get("attachments"):
        raise SlackError("no_text")
    if len(words) > LONGEST_TEXT:
        raise SlackError("msg_too_long")
    return words, checked


def _attachments(arguments: Arguments) -> list[dict[str, Any]]:
    return check_attachments(structure(arguments, "attachments") or [])


def _metadata(arguments: Arguments) -> dict[str, Any] | None:
    metadata = structure(arguments, "metadata")
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
