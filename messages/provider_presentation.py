"""The appearance of a provider in messages: its pages, its words, and the buttons below its builds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.build import App, Build
from domain.message import Block
from domain.notifications.rule import EVERY_END
from domain.provider import Provider

BuildButtons = Callable[[Build, App], Sequence[Block | None]]


def _no_buttons(_build: Build, _app: App) -> Sequence[Block | None]:
    """Return no buttons: the default of a provider that offers nothing for its builds."""
    return ()


def _no_button(_build: Build, _app: App) -> Block | None:
    """Return no button: the default of a provider that has no card to open from a list."""
    return None


@dataclass(frozen=True)
class ProviderPresentation:
    """The pages, words and build buttons of one provider.

    Everything but `provider` has a generic default, so `ProviderPresentation(provider)` is good for any provider. In
    the words, `{provider}` stands for the provider's label. In the addresses of its pages, `{slug}` stands for the
    slug of the app or build; an empty address means that the bot knows no such page.
    """

    provider: Provider

    # Its pages
    app_page: str = ""
    build_page: str = ""
    open_label: str = "Open in {provider}"

    # Names of its runs: one run, the run of a notification, and the end of every run
    run: str = "build"
    notified_run: str = "run"
    every_end: str = EVERY_END

    # The form for a subscription: the field for workflows, and examples of filters that can be typed
    workflows_label: str = "Workflows"
    every_workflow: str = "All workflows"
    filter_examples: str = ""
    subscribe_example: str = "subscribe by:@me -by:bot"

    # The form that asks for a token
    token_label: str = "API token"  # noqa: S105 - a label
    token_instructions: str = "Create an API token of your own at {provider} and paste it here."  # noqa: S105 - words
    token_placeholder: str = "Your token"  # noqa: S105 - a placeholder

    # The form for an access rule
    permissions_hint: str = "Select actions here or above."
    has_pipeline_stages: bool = False

    # Home: the first command for a new user
    first_command: str = ""

    # The buttons of its builds: below a card, below the card of a failure streak, and beside a build in a list
    card_buttons: BuildButtons = _no_buttons
    streak_buttons: BuildButtons = _no_buttons
    details_button: Callable[[Build, App], Block | None] = _no_button

    @property
    def label(self) -> str:
        """The provider's display name."""
        return self.provider.label

    @property
    def command(self) -> str:
        """The provider's slash command."""
        return self.provider.command

    def fill_in(self, words: str) -> str:
        """Return the words with the provider's label in place of `{provider}`."""
        return words.replace("{provider}", self.label)

    def app_url(self, slug: str) -> str | None:
        """Return the address of an app's page, if it is known."""
        return self.app_page.format(slug=slug) or None

    def build_url(self, slug: str) -> str | None:
        """Return the address of a build's page, if it is known."""
        return self.build_page.format(slug=slug) or None


PresentationOf = Callable[[Provider], ProviderPresentation]
