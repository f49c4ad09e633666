"""The credential of a cluster: what stands beside the file, which alone holds it."""

from __future__ import annotations

from datetime import datetime

from bot.messages.blocks import context, section
from bot.messages.message import Message
from bot.messages.text import code, when


def login_comment(region: str, *, expires_at: datetime | None) -> str:
    """What stands above the file."""
    until = (
        f"It is good until {when(expires_at)}."
        if expires_at
        else "Build.io does not say until when it is good."
    )
    return f"🔑 A credential for the cluster in {code(region)}, for you alone. {until}"


def login_sent(region: str, *, expires_at: datetime | None) -> Message:
    """To whoever asked: where the file is, and how it is used."""
    text = f"🔑 The credential for the cluster in {code(region)} is in our direct messages."
    until = f"It is good until {when(expires_at)}. " if expires_at else ""
    note = (
        f"{until}It is a Kubernetes ExecCredential: give it to nobody, and delete the file once you have it."
    )
    return Message(text, [section(text), context(note)])
