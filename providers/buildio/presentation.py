"""Build.io's texts in messages, and the buttons of its deployments and dynos."""

from __future__ import annotations

from messages.provider_presentation import ProviderPresentation
from providers.buildio.deploys import card_buttons
from providers.buildio.provider import BUILDIO

PRESENTATION = ProviderPresentation(
    BUILDIO,
    # The reference names no dashboard page of an app: the URL is that of the app itself.
    open_label="Open the app",
    run="deployment",
    notified_run="deployment or crash",
    every_end="every deployment's end and every dyno that goes down or is up again",
    workflows_label="Deployments (deploy) and processes (web.1)",
    every_workflow="None picked: all of them",
    token_instructions=(  # noqa: S106 - words
        "Make an *API token* of your own at Build.io and paste it here. I see and do with it what you may see"
        " and do there, and what you change is done in your name."
    ),
    token_placeholder="Your token of Build.io",  # noqa: S106 - a placeholder
    permissions_hint=(
        "Tick what the rule is about, here or above. Running commands and logging in are nobody's until a rule"
        " names them; All actions does not."
    ),
    has_pipeline_stages=True,
    first_command="`/buildio app` to see how an app stands",
    card_buttons=card_buttons.card_buttons,
    streak_buttons=card_buttons.card_buttons,
    details_button=card_buttons.details_button,
)
