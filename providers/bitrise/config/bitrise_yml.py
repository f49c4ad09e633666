"""Bitrise's validation of a bitrise.yml. Pure; no I/O."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ValidationError


def _empty_if_null(value: object) -> object:
    return () if value is None else value


class YmlValidation(BaseModel):
    """The errors and warnings that Bitrise reports about a bitrise.yml."""

    errors: Annotated[tuple[str, ...], BeforeValidator(_empty_if_null)] = ()
    warnings: Annotated[tuple[str, ...], BeforeValidator(_empty_if_null)] = ()


def parse_validation(body: bytes) -> YmlValidation | None:
    """Parse the validation in a response; None if the response cannot be parsed."""
    try:
        return YmlValidation.model_validate_json(body)
    except ValidationError:
        return None
