from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.http.redaction import redact, signs_of_secrets

SECRET = "s3cr3tV4lu3xyz0123456789"


@pytest.mark.parametrize(
    "text",
    [
        "- BuildAPIToken: Qw3rTyUiOpAsDfGhJkLz9A",
        "API_KEY=s3cr3tV4lu3xyz0123456789",
        '"password": "s3cr3tV4lu3xyz0123456789"',
        "Authorization: Bearer s3cr3tV4lu3xyz0123456789",
        "curl -H 'Authorization: token s3cr3tV4lu3xyz0123456789'",
        "token bitpat_s3cr3tV4lu3xyz0123456789",
        "xoxb-1234567890-s3cr3tV4lu3xyz0123456789",
        "xapp-1-A01-s3cr3tV4lu3xyz0123456789",
        "https://user:s3cr3tV4lu3xyz0123456789@github.com/x.git",
        "https://x.s3.amazonaws.com/a?X-Amz-Signature=s3cr3tV4lu3xyz0123456789&x=1",
        "-----BEGIN RSA PRIVATE KEY-----\ns3cr3tV4lu3xyz0123456789\n-----END RSA PRIVATE KEY-----",
        "ghp_s3cr3tV4lu3xyz0123456789s3cr3tV4lu3",
    ],
)
def test_a_secret_is_taken_out(text: str) -> None:
    redacted = redact(text)
    assert "[redacted]" in redacted
    assert "s3cr3tV4lu3" not in redacted
    assert "Qw3rTyUi" not in redacted


@pytest.mark.parametrize(
    "text",
    [
        "> Task :app:compileDebugKotlin",
        "118 tests completed, 1 failed",
        "https://www.bitrise.io/build/3247e2920496e846",
        "b4e7cad230e3fc2f2f84dbb455c7ac7f89a3a18b",
        "Token expired",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert redact(redact(text)) == redact(text)


PIECES = [
    "token",
    "secret",
    "password",
    "passphrase",
    "credential",
    "api_key",
    "privateKey",
    "access-key",
    "client_key",
    "signing_key",
    "Authorization:",
    "Bearer",
    "https://",
    "user:pass@host",
    "?sig=",
    "&X-Amz-Signature=",
    "bitpat_",
    "xoxb-",
    "xapp-",
    "ghp_",
    "github_pat_",
    "glpat-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "sk_live_",
    "rk_test_",
    "npm_",
    "pypi-",
    "SG.",
    "eyJ",
    ":=",
    "=",
    ":",
    "=>",
    "abcdefghijklmnop",
    "0123456789ABCDEF",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=8).map("".join))
def test_what_can_hold_no_secret_is_as_redaction_leaves_it(text: str) -> None:
    if not signs_of_secrets(text.encode()):
        assert redact(text) == text
