"""The settings for Build.io."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bot.settings import Settings, describe_errors

SLACK = {"slack_bot_token": "xoxb-1", "slack_app_token": "xapp-1"}
KEY = "a-key-that-is-long-enough-to-be-one-0"
LOGIN = {"buildio_client_id": "id", "buildio_client_secret": "hush-hush"}


def settings(**given: str) -> Settings:
    return Settings(_env_file=None, **(SLACK | given))  # type: ignore[arg-type]


@pytest.mark.parametrize("token", ["bitrise_token", "buildio_token"])
def test_the_token_of_either_provider_is_enough(token: str) -> None:
    given = settings(**{token: "t0p"})
    assert "t0p" not in repr(given)
    assert given.buildio_api_url == "https://app.build.io/api/v1"


def test_without_any_token_there_is_nothing_to_watch() -> None:
    with pytest.raises(ValidationError) as caught:
        settings()
    assert "set BITRISE_TOKEN" in describe_errors(caught.value)
    assert "BUILDIO_TOKEN" in describe_errors(caught.value)


def test_logging_in_needs_an_address_to_come_back_to_and_a_key_to_seal_with() -> None:
    with pytest.raises(ValidationError) as caught:
        settings(buildio_token="t0p", **LOGIN)
    assert describe_errors(caught.value) == "BUILDIO_CLIENT_ID also needs PUBLIC_URL, BUILDBELL_SECRET_KEY."
    whole = settings(buildio_token="t0p", public_url="https://bot.example", buildbell_secret_key=KEY, **LOGIN)
    assert "hush-hush" not in repr(whole)


@pytest.mark.parametrize("name", LOGIN)
def test_half_a_login_is_none(name: str) -> None:
    given = {"public_url": "https://bot.example", "buildbell_secret_key": KEY, name: LOGIN[name]}
    with pytest.raises(ValidationError) as caught:
        settings(buildio_token="t0p", **given)
    assert "set both or neither" in describe_errors(caught.value)
