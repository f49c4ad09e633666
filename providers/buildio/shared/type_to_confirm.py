"""Confirmation by typing a name, for changes that can't be undone."""

from __future__ import annotations

from domain.build import FrozenModel
from domain.message import Block
from messages.kit.views import FormValues, field, text_element
from services.request.forms import FieldError

TYPED_NAME = "typed_name"


class ConfirmationName(FrozenModel):
    """The typed name."""

    typed: str = ""

    def require_name(self, name: str) -> None:
        """Check that the input is exactly this name, in the same case. Raises FieldError."""
        if self.typed != name:
            raise FieldError(TYPED_NAME, "That isn't the name. Nothing was changed.")


def typed_name(label: str) -> Block:
    """Build the field for the name, initially empty."""
    return field(TYPED_NAME, label, text_element(None, most=200), optional=False)


def read_typed_name(values: FormValues) -> ConfirmationName:
    """Read the typed name from `values`, the view's state as Slack sends it."""
    return ConfirmationName(typed=values.text(TYPED_NAME).strip())
