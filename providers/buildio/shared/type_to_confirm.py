"""What can't be undone is done once its name was typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.build import FrozenModel
from domain.message import Block
from messages.kit.views import FormValues, field, text_element

TYPED_NAME = "typed_name"


class ConfirmationName(FrozenModel):
    """What was typed where a name was asked for."""

    typed: str = ""

    def problems(self, name: str) -> Mapping[str, str]:
        """What is wrong, by field, where this name was asked for; letters count as they are."""
        return {} if self.typed == name else {TYPED_NAME: "That is not the name. Nothing was done."}


def name_field(label: str) -> Block:
    """The field for the name; it stands there empty."""
    return field(TYPED_NAME, label, text_element(None, most=200), optional=False)


def read_typed_name(values: Mapping[str, Any]) -> ConfirmationName:
    """What was typed. `values` is the view's state as Slack sends it."""
    return ConfirmationName(typed=FormValues(values).text(TYPED_NAME).strip())
