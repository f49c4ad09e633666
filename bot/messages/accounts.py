"""People's own accounts at Bitrise: linked, shown, asked for again. A token is never shown, nor filled in again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from bot.build import Frozen
from bot.messages import actions
from bot.messages.blocks import button, confirm, context, row, section
from bot.messages.message import Block, Message
from bot.messages.modals import FilledIn, field, modal, text_element, warning
from bot.messages.origin import Origin
from bot.messages.text import code, escape, mention

TOKEN = "token"  # noqa: S105 - the field's name
LONGEST_TOKEN = 500
TITLE = "Your Bitrise account"


class Linked(Frozen):
    """A person's account as it may be shown; `works`: Bitrise takes its token."""

    name: str
    works: bool = True


def connect_modal(*, origin: Origin, before: Linked | None = None, problem: str | None = None) -> Block:
    """The modal that asks for a token of the person's own."""
    known = (
        [section(f"Linked until now: {code(before.name)}. A new token takes its place.")] if before else []
    )
    return modal(
        TITLE,
        [
            *warning(problem),
            *known,
            section(
                "Make a *personal access token* at Bitrise (_Account settings → Security_) and paste it here."
                " I see and do with it what you may see and do there, and Bitrise shows your name with what you change."
            ),
            field(
                TOKEN,
                "Personal access token",
                text_element(None, placeholder="bitpat_…", most=LONGEST_TOKEN),
                hint="It is checked at once and kept encrypted. It is never shown again, to nobody.",
                optional=False,
            ),
        ],
        callback_id=actions.CONNECT_MODAL,
        private_metadata=origin.encode(),
        submit="Link",
        close="Cancel",
    )


def read_token(values: Mapping[str, Any]) -> SecretStr:
    """What was pasted. `values` is the view's state as Slack sends it."""
    return SecretStr(FilledIn(values).text(TOKEN).strip())


def connected(name: str) -> str:
    """The account was linked, as a sentence."""
    return f"✅ You are {name} at Bitrise. From now on I act with your own token."


def disconnected(name: str | None) -> Message:
    """The account is linked no longer."""
    text = (
        f"🔓 I have wiped your token: you are not linked to {code(name)} any more. Subscriptions that showed what you"
        " could see stop, and their channels are told."
        if name
        else "You have no linked account, so there is nothing to wipe."
    )
    return Message(text, [section(text)])


def token_refused(name: str) -> Message:
    """To its owner: their token works no longer."""
    text = f"🔑 Bitrise does not take your token any more ({code(name)}). Until you link your account again I can't do"
    text += " anything there for you."
    return Message(text, [section(text), row(_connect("Link it again…")), context("I say this once.")])


def whoami(
    person: str, account: Linked | None, *, service: str | None, service_acts: bool, can_link: bool
) -> Message:
    """Who the person is at Bitrise, and with whose token they are answered."""
    who = f"You are {mention(person)}"
    own = f"the bot's own token ({escape(service)})" if service else "the bot's own token"
    if account is not None and account.works:
        text = (
            f"{who}, at Bitrise {code(account.name)}. I see and do there what you may, with your own token."
        )
        buttons = row(_connect("Change…"), _disconnect())
    elif account is not None:
        text = f"{who}, at Bitrise {code(account.name)}, but Bitrise does not take your token any more."
        buttons = row(_connect("Link it again…"), _disconnect())
    else:
        stands_in = (
            f"Whoever runs me lets me act for you with {own}, and tell Bitrise your name."
            if service_acts
            else f"With {own} I only watch and read: you see what this channel follows, and can change nothing."
        )
        text = f"{who}, and have not linked an account at Bitrise. {stands_in}"
        if not can_link:
            return Message(
                text, [section(text), context("Linking needs BUILDBELL_SECRET_KEY, which is not set.")]
            )
        buttons = row(_connect("Link my account…"))
    return Message(text, [section(text), buttons])


def connect_button(words: str) -> Message:
    """The button that opens the modal, where the modal itself can't be opened."""
    return Message(words, [section(words), row(_connect("Link my account…"))])


def _connect(text: str) -> Block:
    return button(text, actions.CONNECT, "connect", style="primary", label="Link your account at Bitrise")


def _disconnect() -> Block:
    question = confirm(
        "Wipe your token?", "I forget it at once. At Bitrise it stays valid: revoke it there.", "Wipe it"
    )
    return button("Disconnect", actions.DISCONNECT, "disconnect", style="danger", confirm=question)
