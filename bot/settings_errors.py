"""The words for settings that are not valid."""

from __future__ import annotations

from pydantic import ValidationError


def describe_errors(problem: ValidationError) -> str:
    """Describe what is wrong with the settings, by the names of the variables."""
    messages = [
        f"{str(error['loc'][0]).upper()}: {_lowercase_message(error['msg'])}."
        if error["loc"]
        else f"{_remove_prefix(error['msg'])}."
        for error in problem.errors()
    ]
    return "; ".join(messages)


def errors_by_name(problem: ValidationError) -> dict[str, str]:
    """Return what is wrong with each setting, by its field's name."""
    return {
        str(error["loc"][0]): _lowercase_message(error["msg"]) for error in problem.errors() if error["loc"]
    }


def _lowercase_message(message: str) -> str:
    message = _remove_prefix(message)
    return f"{message[0].lower()}{message[1:]}"


def _remove_prefix(message: str) -> str:
    return message.removeprefix("Value error, ")
