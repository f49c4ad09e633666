"""What Bitrise finds wrong with a bitrise.yml. Pure; no I/O."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ValidationError


def _or_none(value: object) -> object:
    return () if value is None else value


class YmlValidation(BaseModel):
    """What Bitrise finds wrong with a bitrise.yml."""

    errors: Annotated[tuple[str, ...], BeforeValidator(_or_none)] = ()
    warnings: Annotated[tuple[str, ...], BeforeValidator(_or_none)] = ()


def parse_validation(body: bytes) -> YmlValidation | None:
    """The verdict in an answer; None where none can be read."""
    try:
        return YmlValidation.model_validate_json(body)
    except ValidationError:
        return None
