"""The presentation of Bitrise in messages: its page URLs, its texts, and the buttons of its builds."""

from __future__ import annotations

from messages.provider_presentation import ProviderPresentation
from providers.bitrise.builds import card_buttons
from providers.bitrise.provider import BITRISE

PRESENTATION = ProviderPresentation(
    BITRISE,
    app_page="https://app.bitrise.io/app/{slug}",
    build_page="https://app.bitrise.io/build/{slug}",
    notified_run="build",
    filter_examples="target:main tag:v* event:push ",
    subscribe_example="subscribe by:@me -by:bot target:main",
    token_label="Personal access token",  # noqa: S106 - a label
    token_instructions=(  # noqa: S106 - a text
        "Make a *personal access token* at Bitrise (_Account settings → Security_) and paste it here."
        " I see and do with it what you may see and do there, and Bitrise shows your name with what you change."
    ),
    token_placeholder="bitpat_…",  # noqa: S106 - a placeholder
    first_command="`/bitrise status` to see what runs",
    card_buttons=card_buttons.card_buttons,
    streak_buttons=card_buttons.streak_buttons,
    details_button=card_buttons.details_button,
)
