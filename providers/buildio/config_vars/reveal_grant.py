"""Signed grants: after an approval, the requester may reveal a value within ten minutes, by pressing a button."""

from __future__ import annotations

from datetime import timedelta

from providers.buildio.config_vars.messages import ConfigVarOwner
from providers.buildio.shared.button_values import RevealButton
from services.request.context import RequestContext

LASTS = timedelta(minutes=10)


def sign_grant(owner: ConfigVarOwner, key: str, context: RequestContext) -> str | None:
    """Return the value of the button that reveals; None if it doesn't fit, or without an encryption key.

    It grants access, so it is signed, for this person, this config var and a limited time.
    """
    secret_box = context.services.storage.vault
    if secret_box is None:
        return None
    until = int((context.now() + LASTS).timestamp())
    seal = secret_box.sign(_signed_text(owner.app, owner.environment, key, until, context))
    return RevealButton.fitting(
        app=owner.app,
        environment=owner.environment,
        title=owner.title[:100],
        key=key,
        until=until,
        seal=seal,
    )


def is_granted(button: RevealButton, context: RequestContext) -> bool:
    """Return whether the button was granted to this person and has not expired."""
    secret_box = context.services.storage.vault
    if secret_box is None or button.key is None or button.until <= context.now().timestamp():
        return False
    text = _signed_text(button.app, button.environment, button.key, button.until, context)
    return secret_box.is_signed(text, button.seal)


def _signed_text(
    app: str | None, environment: str | None, key: str, until: int, context: RequestContext
) -> str:
    # No part contains a space.
    return f"reveal {context.team} {context.person} {app or '-'} {environment or '-'} {key} {until}"
