"""The credential of a cluster: what stands beside the file, which alone holds it."""

from __future__ import annotations

from datetime import datetime

from bot.messages.blocks import section
from bot.messages.message import Message
from bot.messages.text import code, mention, when


def login_comment(region: str, *, until: datetime, expires_at: datetime | None) -> str:
    """What stands above the file, which is deleted at `until`."""
    ends = f" The credential itself ends {when(expires_at)}." if expires_at is not None else ""
    return (
        f"🔑 A Kubernetes credential (ExecCredential) for the cluster in {code(region)}, for you alone. Save it where"
        f" nobody else reads it: I delete this file {when(until)}.{ends}"
    )


def login_sent(region: str, *, by: str, until: datetime) -> Message:
    """Somebody was handed a credential, in their direct messages."""
    text = (
        f"{mention(by)} got a Kubernetes credential for the cluster in {code(region)}, in a direct message;"
        f" I delete the file there {when(until)}."
    )
    return Message(text, [section(f"🔑 {text}")])
