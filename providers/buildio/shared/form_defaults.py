"""What Build.io's forms are about, and their initial values."""

from __future__ import annotations

from typing import Self

from domain.build import App
from messages.kit.mrkdwn import plain
from messages.kit.views import ViewMetadata
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.button_values import LONGEST_TITLE, Title
from services.request.context import RequestContext


class AppOrigin(ViewMetadata):
    """Metadata with the app's name."""

    title: Title = ""

    @classmethod
    def of(cls, app: App, context: RequestContext) -> Self:
        """Return the metadata of a form about this app that is opened here."""
        return cls(
            channel=context.channel, provider=BUILDIO, app=app.slug, title=plain(app.title, LONGEST_TITLE)
        )

    @property
    def of_app(self) -> App:
        """Return the app, as far as the form shows it."""
        return App(provider=BUILDIO, slug=self.app, title=self.title)


def form_metadata(context: RequestContext) -> ViewMetadata:
    """Return the metadata of a form that is opened here."""
    return ViewMetadata(channel=context.channel, provider=BUILDIO)
