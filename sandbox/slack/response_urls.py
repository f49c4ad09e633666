"""Responses of an app to a response_url."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.slack.arguments import read_text
from sandbox.slack.interaction_handles import ResponseUrl
from sandbox.slack.models import Post
from sandbox.slack.validation import SlackError, validate_blocks
from sandbox.slack.workspace import Workspace

MAX_RESPONSE_TEXT = 40_000


def apply_response(workspace: Workspace, handle: ResponseUrl, content: Mapping[str, Any]) -> dict[str, Any]:
    """Apply a response: post a new message, or update or delete the original one."""
    channel = workspace.channels[handle.channel]
    blocks = validate_blocks(content["blocks"]) if content.get("blocks") else []
    text = read_text(content, "text")
    pressed = channel.find(handle.post_ts) if handle.post_ts else None
    if content.get("delete_original") and pressed is not None:
        workspace.remove(channel, pressed)
        return {"ok": True}
    if not text and not blocks:
        raise SlackError("no_text")
    if len(text) > MAX_RESPONSE_TEXT:
        raise SlackError("msg_too_long")
    if content.get("replace_original") and pressed is not None:
        workspace.edit(channel, pressed, text=text, blocks=blocks, edited=True)
        return {"ok": True}
    only_for = None if content.get("response_type") == "in_channel" else handle.user
    post = Post(
        workspace.new_ts(),
        workspace.bot_user,
        text,
        blocks,
        only_for=only_for,
        by_bot=True,
        execution=pressed.execution if pressed is not None else None,
    )
    workspace.post(channel, post)
    return {"ok": True}
