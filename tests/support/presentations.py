"""The presentations of the providers, for tests of renderers."""

from __future__ import annotations

from bot.providers_setup import SPECS
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO

presentation_of = SPECS.presentation_of
AT_BITRISE = presentation_of(BITRISE)
AT_BUILDIO = presentation_of(BUILDIO)
