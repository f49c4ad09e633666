"""What the specs of the providers say, one beside the other."""

from __future__ import annotations

from bot.providers_setup import SPECS
from domain.access_policy import Permission


def test_each_provider_has_its_own_permissions_and_subscribing_is_everywhere() -> None:
    bitrise, buildio = (spec.permissions for spec in SPECS)
    assert set(bitrise) & set(buildio) == {Permission.SUBSCRIBE}
    assert set(bitrise) | set(buildio) == set(Permission)
