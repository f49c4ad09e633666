"""Messages and the form about people's own accounts at a provider. A token is never shown or filled in again."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from domain.build import FrozenModel
from domain.message import Block, Message
from domain.provider import Provider
from messages.kit import action_ids
from messages.kit.blocks import button, context, link_button, paragraphs, row, section, text_message
from messages.kit.mrkdwn import code, escape, mention
from messages.kit.views import FormValues, ViewMetadata, field, modal, text_element, warning
from messages.provider_presentation import ProviderPresentation

TOKEN = "token"  # noqa: S105 - the field's name
LONGEST_TOKEN = 2000
MAX_CHANNELS = 20


class ConnectedAccount(FrozenModel):
    """A person's account as it may be shown; `works`: the provider accepts its token."""

    name: str
    works: bool = True


def account_title(provider: Provider) -> str:
    """Return the title of everything about a person's account at the provider."""
    return f"Your {provider.label} account"


def connect_modal(
    presentation: ProviderPresentation,
    *,
    origin: ViewMetadata,
    current: ConnectedAccount | None = None,
    problem: str | None = None,
    sign_in: str | None = None,
) -> Block:
    """Render the form that asks for a person's own token; `sign_in` is the page that makes one unnecessary."""
    known = (
        [section(f"Linked until now: {code(current.name)}. A new token takes its place.")] if current else []
    )
    provider, words = presentation.provider, presentation.fill_in(presentation.token_instructions)
    if sign_in is None:
        ways, label, hint = [section(words)], presentation.token_label, ""
    else:
        page = link_button("Sign in…", sign_in, f"{action_ids.OPEN_LINK}_sign_in")
        ways = [
            section(
                f"Sign in at {provider.label}. At the end its page shows a *code*: paste it here. Nobody else may"
                " send you one, nor may you send yours.",
                page,
            ),
            section(f"Or without signing in: {words}"),
        ]
        label, hint = f"Code, or {presentation.token_label}", "The button is good for ten minutes. "
    return modal(
        account_title(provider),
        [
            *warning(problem),
            *known,
            *ways,
            field(
                TOKEN,
                label,
                text_element(None, placeholder=presentation.token_placeholder, most=LONGEST_TOKEN),
                hint=f"{hint}It is checked at once and kept encrypted. It is never shown again, to nobody.",
                optional=False,
            ),
        ],
        callback_id=action_ids.CONNECT_MODAL,
        private_metadata=origin.model_copy(update={"provider": provider}).encode(),
        submit="Link",
        close="Cancel",
    )


def read_token(values: FormValues) -> SecretStr:
    """Read the pasted token."""
    return SecretStr(values.text(TOKEN).strip())


def account_connected(name: str, provider: Provider) -> str:
    """Say in a sentence that the account is linked."""
    return f"✅ You are {name} at {provider.label}. From now on I act with your own token."


def disconnect_question(name: str, provider: Provider, stopping: Mapping[str, int]) -> Message:
    """Ask before a token is deleted: say how many subscriptions stop with it, by channel."""
    text = f"Disconnect {code(name)} from {provider.label}? The bot deletes your token at once."
    lines = [
        f"• {f'<#{channel}>' if channel.startswith(('C', 'G')) else 'your direct messages'}:"
        f" {count} subscription{'s' if count > 1 else ''}"
        for channel, count in list(stopping.items())[:MAX_CHANNELS]
    ]
    if (left := len(stopping) - MAX_CHANNELS) > 0:
        lines.append(f"and {left} more channels")
    warning = [section("These stop, since they show what you can see:"), *paragraphs(lines)] if lines else []
    note = context(f"At {provider.label} the token stays valid until you revoke it there.")
    wipe = button("Disconnect", action_ids.WIPE_TOKEN, provider, style="danger")
    return text_message(text, *warning, row(wipe), note)


def account_disconnected(name: str | None, provider: Provider) -> Message:
    """Say that the account is no longer linked."""
    text = (
        f"🔓 I have wiped your token: you are not linked to {code(name)} any more. Subscriptions that showed what you"
        " could see stop, and their channels are told."
        if name
        else f"You have no linked account at {provider.label}, so there is nothing to wipe."
    )
    return text_message(text)


def token_refused(name: str, provider: Provider) -> Message:
    """Tell the owner of a token that the provider refuses it."""
    text = (
        f"🔑 {provider.label} does not take your token any more ({code(name)}). Link your account again: until then"
        f" I can't do anything there for you. If {provider.label} only had a problem, your next command checks the"
        " token again."
    )
    return text_message(text, row(_connect("Link it again…", provider)), context("I say this once."))


def whoami(
    user: str,
    account: ConnectedAccount | None,
    provider: Provider,
    *,
    service: str | None,
    service_acts: bool,
    can_link: bool,
    service_reads: bool = True,
) -> Message:
    """Say who the person is at the provider, and with whose token the bot acts for them."""
    at = provider.label
    who = f"You are {mention(user)}"
    own = f"the bot's own token ({escape(service)})" if service else "the bot's own token"
    if account is not None and account.works:
        text = f"{who}, at {at} {code(account.name)}. I see and do there what you may, with your own token."
        buttons = row(_connect("Change…", provider), _disconnect(provider))
    elif account is not None:
        text = f"{who}, at {at} {code(account.name)}, but {at} does not take your token any more."
        buttons = row(_connect("Link it again…", provider), _disconnect(provider))
    else:
        if service_acts:
            stands_in = f"Whoever runs me lets me act for you with {own}, and tell {at} your name."
        elif service_reads:
            stands_in = f"With {own} I only watch and read: you see what this channel follows, and can change nothing."
        else:
            stands_in = "I have no token of my own there either, so I can show you nothing of it."
        text = f"{who}, and have not linked an account at {at}. {stands_in}"
        if not can_link:
            return text_message(text, context("Linking needs BUILDBELL_SECRET_KEY, which is not set."))
        buttons = row(_connect("Link my account…", provider))
    return text_message(text, buttons)


def connect_prompt(words: str, provider: Provider) -> Message:
    """Offer the button that opens the form, for requests from which Slack can't open it."""
    return text_message(words, row(_connect("Link my account…", provider)))


def read_provider(value: str) -> Provider:
    """Read the provider that an account button names; buttons of an earlier version named none."""
    try:
        return Provider.named(value)
    except ValueError:
        return Provider.legacy_default()


def connect_account_button(provider: Provider) -> Block:
    """Return the button that opens the form for a person's own token."""
    return _connect("Link my account…", provider)


def _connect(text: str, provider: Provider) -> Block:
    label = f"Link your account at {provider.label}"
    return button(text, action_ids.CONNECT, provider, style="primary", label=label)


def _disconnect(provider: Provider) -> Block:
    return button("Disconnect…", action_ids.DISCONNECT, provider, style="danger")
