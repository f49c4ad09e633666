"""The providers' specs, compared with each other."""

from __future__ import annotations

from bot.providers_setup import SPECS
from domain.access_policy import Permission


def test_providers_share_only_the_subscribe_permission() -> None:
    bitrise, buildio = (spec.permissions for spec in SPECS)
    assert set(bitrise) & set(buildio) == {Permission.SUBSCRIBE}
    assert set(bitrise) | set(buildio) == set(Permission)
