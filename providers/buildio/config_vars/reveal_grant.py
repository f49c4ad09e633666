"""What somebody has agreed to that another may see: shown only once they ask for it themselves, and soon."""

from __future__ import annotations

from datetime import timedelta

from providers.buildio.actions import RevealConfigAction, RevealEnvironmentAction
from providers.buildio.config_vars.messages import ConfigVarOwner
from providers.buildio.shared.button_values import RevealButton
from services.request.context import RequestContext

LASTS = timedelta(minutes=10)


def sign_grant(
    action: RevealConfigAction | RevealEnvironmentAction, of: ConfigVarOwner, context: RequestContext
) -> str | None:
    """The value of the button that shows it to this person; None where none could carry it, or without a key.

    It carries a right, so it is signed: for this person, this one config var, and some minutes.
    """
    vault = context.services.storage.vault
    if vault is None:
        return None
    until = int((context.now() + LASTS).timestamp())
    seal = vault.sign(_text(of.app, of.environment, action.key, until, context))
    return RevealButton.fitting(
        app=of.app, environment=of.environment, title=of.title[:100], key=action.key, until=until, seal=seal
    )


def is_granted(button: RevealButton, context: RequestContext) -> bool:
    """Whether the button is this person's, and its time has not run out."""
    vault = context.services.storage.vault
    if vault is None or button.key is None or button.until <= context.now().timestamp():
        return False
    text = _text(button.app, button.environment, button.key, button.until, context)
    return vault.is_signed(text, button.seal)


def _text(app: str | None, environment: str | None, key: str, until: int, context: RequestContext) -> str:
    # None of its parts has a space in it.
    return f"reveal {context.team} {context.person} {app or '-'} {environment or '-'} {key} {until}"
