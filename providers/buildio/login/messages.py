"""Messages about a cluster credential: the comment of the file, and the message in the channel."""

from __future__ import annotations

from datetime import datetime

from domain.message import Message
from messages.kit.blocks import context, text_message
from messages.kit.mrkdwn import code, mention, when


def login_comment(region: str, *, expires_at: datetime | None, deleted_at: datetime) -> str:
    """The comment above the file, for its recipient."""
    until = (
        f"It is good until {when(expires_at)}."
        if expires_at
        else "Build.io does not say until when it is good."
    )
    return (
        f"🔑 A credential for the cluster in {code(region)}, for you alone: a Kubernetes ExecCredential. {until}"
        f" Save it where nobody else reads it: I delete this file {when(deleted_at)}."
    )


def login_sent(region: str, *, by: str, deleted_at: datetime) -> Message:
    """Channel message: a person got a credential."""
    text = f"🔑 {mention(by)} got a credential for the cluster in {code(region)}, in a direct message."
    return text_message(text, context(f"I delete the file there {when(deleted_at)}."))
