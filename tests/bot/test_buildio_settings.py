"""The settings for Build.io."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bot.settings import Settings
from bot.settings_errors import describe_errors

SLACK = {"slack_bot_token": "xoxb-1", "slack_app_token": "xapp-1"}
KEY = "a-key-that-is-long-enough-to-be-one-0"
LOGIN = {"buildio_client_id": "id", "buildio_client_secret": "hush-hush"}


def read_settings(**values: str) -> Settings:
    return Settings(_env_file=None, **(SLACK | values))  # type: ignore[arg-type]


@pytest.mark.parametrize("token", ["bitrise_token", "buildio_token"])
def test_a_token_of_one_provider_is_enough(token: str) -> None:
    settings_read = read_settings(**{token: "t0p"})
    assert "t0p" not in repr(settings_read)
    assert settings_read.buildio_api_url == "https://app.build.io/api/v1"


def test_a_provider_token_is_required() -> None:
    with pytest.raises(ValidationError) as caught:
        read_settings()
    assert "set BITRISE_TOKEN" in describe_errors(caught.value)
    assert "BUILDIO_TOKEN" in describe_errors(caught.value)


def test_sign_in_needs_a_redirect_url_and_an_encryption_key() -> None:
    with pytest.raises(ValidationError) as caught:
        read_settings(buildio_token="t0p", **LOGIN)
    assert describe_errors(caught.value) == "BUILDIO_CLIENT_ID also needs PUBLIC_URL, BUILDBELL_SECRET_KEY."
    complete = read_settings(
        buildio_token="t0p", public_url="https://bot.example", buildbell_secret_key=KEY, **LOGIN
    )
    assert "hush-hush" not in repr(complete)


@pytest.mark.parametrize("name", LOGIN)
def test_client_id_and_secret_are_only_valid_together(name: str) -> None:
    settings_read = {"public_url": "https://bot.example", "buildbell_secret_key": KEY, name: LOGIN[name]}
    with pytest.raises(ValidationError) as caught:
        read_settings(buildio_token="t0p", **settings_read)
    assert "set both or neither" in describe_errors(caught.value)
