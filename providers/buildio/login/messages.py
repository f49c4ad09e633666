"""The credential of a cluster: what stands beside the file, which alone holds it, and what the channel hears."""

from __future__ import annotations

from datetime import datetime

from domain.message import Message
from messages.kit.blocks import context, section
from messages.kit.mrkdwn import code, mention, when


def login_comment(region: str, *, expires_at: datetime | None, deleted_at: datetime) -> str:
    """What stands above the file, for the one whom it is for."""
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
    """To the channel: somebody was handed a credential."""
    text = f"🔑 {mention(by)} got a credential for the cluster in {code(region)}, in a direct message."
    return Message(text, [section(text), context(f"I delete the file there {when(deleted_at)}.")])
