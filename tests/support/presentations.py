"""The presentations of the providers, for tests of renderers."""

from __future__ import annotations

from bot.providers_setup import SPECS
from domain.provider import Provider

presentation_of = SPECS.presentation_of
AT_BITRISE = presentation_of(Provider.BITRISE)
AT_BUILDIO = presentation_of(Provider.BUILDIO)
