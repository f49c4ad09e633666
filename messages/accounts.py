"""Messages and the form about people's own accounts at a provider. A token is never shown or filled in again."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from domain.build import FrozenModel
from domain.message import Block, Message
from domain.provider import Provider
from messages.kit import action_ids
from messages.kit.blocks import button, context, link_button, paragraphs, row, section, text_message
from messages.kit.mrkdwn import code, escape
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
    known = [section(f"Currently connected as {code(current.name)}. This replaces it.")] if current else []
    provider, words = presentation.provider, presentation.fill_in(presentation.token_instructions)
    if sign_in is None:
        ways, label, hint = [section(words)], presentation.token_label, ""
    else:
        page = link_button("Sign in…", sign_in, f"{action_ids.OPEN_LINK}_sign_in")
        ways = [
            section(
                f"Sign in at {provider.label}. The last page shows a *code*: paste it here. Never use a code that"
                " someone sent you, and never send yours to anyone.",
                page,
            ),
            section(f"Or without signing in: {words}"),
        ]
        label, hint = "Code or token", "The sign-in button expires in 10 minutes. "
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
                hint=f"{hint}Checked now, stored encrypted, and never shown again.",
                optional=False,
            ),
        ],
        callback_id=action_ids.CONNECT_MODAL,
        private_metadata=origin.model_copy(update={"provider": provider}).encode(),
        submit="Connect",
        close="Cancel",
    )


def read_token(values: FormValues) -> SecretStr:
    """Read the pasted token."""
    return SecretStr(values.text(TOKEN).strip())


def account_connected(name: str, provider: Provider) -> str:
    """Say in a sentence that the account is connected."""
    return f"✅ Connected to {provider.label} as {name}. What you see and do here now uses your own token."


def disconnect_question(name: str, provider: Provider, stopping: Mapping[str, int]) -> Message:
    """Ask before a token is deleted: say how many subscriptions stop with it, by channel."""
    text = f"Disconnect {code(name)} from {provider.label}? Your token is deleted immediately."
    lines = [
        f"• {f'<#{channel}>' if channel.startswith(('C', 'G')) else 'Your direct messages'}:"
        f" {count} subscription{'s' if count > 1 else ''}"
        for channel, count in list(stopping.items())[:MAX_CHANNELS]
    ]
    if (left := len(stopping) - MAX_CHANNELS) > 0:
        lines.append(f"and {left} more channel{'s' if left > 1 else ''}")
    warning = (
        [section("These subscriptions depend on your account and will stop:"), *paragraphs(lines)]
        if lines
        else []
    )
    note = context(f"The token stays valid at {provider.label} until you revoke it there.")
    wipe = button("Disconnect", action_ids.WIPE_TOKEN, provider, style="danger")
    return text_message(text, *warning, row(wipe), note)


def account_disconnected(name: str | None, provider: Provider) -> Message:
    """Say that the account is no longer connected."""
    text = (
        f"🔓 Disconnected {code(name)} from {provider.label} and deleted your token. Subscriptions that depend on it"
        " stop, and their channels are notified."
        if name
        else f"You have no connected {provider.label} account."
    )
    return text_message(text)


def token_refused(name: str, provider: Provider) -> Message:
    """Tell the owner of a token that the provider refuses it."""
    text = (
        f"🔑 {provider.label} rejected your token ({code(name)}). Until you reconnect, nothing can be done there for"
        f" you. If {provider.label} only had a problem, your next command checks the token again."
    )
    return text_message(text, row(_connect("Reconnect…", provider)))


def whoami(
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
    own = f"Buildbell's own token ({escape(service)})" if service else "Buildbell's own token"
    if account is not None and account.works:
        text = f"Connected to {at} as {code(account.name)}. What you see and do here uses your own token."
        buttons = row(_connect("Change…", provider), _disconnect(provider))
    elif account is not None:
        text = f"Connected to {at} as {code(account.name)}, but {at} rejected your token."
        buttons = row(_connect("Reconnect…", provider), _disconnect(provider))
    else:
        if service_acts:
            stands_in = f"Buildbell acts for you with {own} and gives {at} your name."
        elif service_reads:
            stands_in = f"You only see apps that this channel is subscribed to, read with {own}, and can't change them."
        else:
            stands_in = "Buildbell has no token of its own there, so you can't see or change anything."
        text = f"You have no connected {at} account. {stands_in}"
        if not can_link:
            return text_message(
                text,
                context(
                    "Connecting needs BUILDBELL_SECRET_KEY, which isn't set. Ask whoever runs Buildbell."
                ),
            )
        buttons = row(_connect("Connect account…", provider))
    return text_message(text, buttons)


def connect_prompt(words: str, provider: Provider) -> Message:
    """Offer the button that opens the form, for requests from which Slack can't open it."""
    return text_message(words, row(_connect("Connect account…", provider)))


def read_provider(value: str) -> Provider:
    """Read the provider that an account button names; buttons of an earlier version named none."""
    try:
        return Provider.named(value)
    except ValueError:
        return Provider.legacy_default()


def connect_account_button(provider: Provider) -> Block:
    """Return the button that opens the form for a person's own token."""
    return _connect("Connect account…", provider)


def _connect(text: str, provider: Provider) -> Block:
    label = f"Connect your {provider.label} account"
    return button(text, action_ids.CONNECT, provider, style="primary", label=label)


def _disconnect(provider: Provider) -> Block:
    return button("Disconnect…", action_ids.DISCONNECT, provider, style="danger")
