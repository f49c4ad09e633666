"""The providers' specs, compared with each other and with what there is."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from bot.providers_setup import ACTIONS, SPECS
from domain.access_policy import Permission
from services.actions.action import ExecutableAction


def test_providers_share_only_the_subscribe_permission() -> None:
    bitrise, buildio = (spec.permissions for spec in SPECS)
    assert set(bitrise) & set(buildio) == {Permission.SUBSCRIBE}
    assert set(bitrise) | set(buildio) == set(Permission)


def test_every_action_is_listed_so_that_it_can_be_read_after_an_approval() -> None:
    assert {action for action in _subclasses(ExecutableAction) if not inspect.isabstract(action)} == set(
        ACTIONS
    )


def _subclasses(base: type[Any]) -> Iterator[type[Any]]:
    for subclass in base.__subclasses__():
        # Tests have actions of their own.
        if subclass.__module__.startswith("providers."):
            yield subclass
            yield from _subclasses(subclass)
