"""Made-up secrets to put into what the bot reads, and to search for in what it shows.

None is real, and each is written in parts, so that secret scanners find none here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_KEY_LINE = "MIIEcanary0Q9x" + "7Vt2Lk8Zr4" * 5

CANARIES: Mapping[str, str] = MappingProxyType(
    {
        "Bitrise personal access token": "bitpat" + "_" + "Canary7Gx2" * 4,
        "Bitrise build API token": "Cn4ryQw9" + "RtYuI3pAsDfG5h",
        "Slack bot token": "xoxb" + "-" + "100200300400-500600700800-" + "CanaryBot7Gx2Lk8Zr4Vt2Qw",
        "Slack app token": "xapp" + "-" + "1-A0CANARY01-9008007006005-" + "cafe0123456789ab" * 4,
        "Slack webhook": "T0CANARY1/B0CANARY2/" + "CanaryHook7Gx2Lk8Zr4Vt2Q",
        "GitHub token": "ghp" + "_" + "Canary7Gx2" * 3 + "Lk8Zr4",
        "AWS secret access key": "CnRy7Gx2/" + "Lk8Zr4Vt2+" * 3 + "a",
        "password": "canary" + "-hunter-2",
        "private key": _KEY_LINE,
        "signature of a presigned link": "ca9a7100" * 8,
        "password in an address": "canary" + "Pass9x7G",
        "JSON Web Token": "ey" + "JhbGciOiJIUzI1NiJ9." + "ey" + "JjYW5hcnkiOjF9." + "Canary7Gx2Lk8Zr4Vt2Qw",
    }
)

# The log line of each secret.
LINES: Mapping[str, str] = MappingProxyType(
    {
        "Bitrise personal access token": "using {} for the API",
        "Bitrise build API token": "- BuildAPIToken: {}",
        "Slack bot token": "slack: posting with {}",
        "Slack app token": "SLACK_APP_TOKEN={}",
        "Slack webhook": "POST https://hooks.slack.com/services/{} 200",
        "GitHub token": "git clone https://{}@github.com/acme/app.git",
        "AWS secret access key": "aws_secret_access_key = {}",
        "password": "STORE_PASSWORD={}",
        "private key": "-----BEGIN RSA PRIVATE " + "KEY-----\n{}\n-----END RSA PRIVATE " + "KEY-----",
        "signature of a presigned link": "https://b.s3.amazonaws.com/app.apk?X-Amz-Expires=600&X-Amz-Signature={}",
        "password in an address": "DATABASE=postgres://ci:{}@db.example.com/app",
        "JSON Web Token": "id: {}",
    }
)


def log_with_secrets() -> str:
    """Return a part of a log with all secrets."""
    return "\n".join(LINES[kind].format(secret) for kind, secret in CANARIES.items())


def leaked_kinds(text: str) -> list[str]:
    """Return the kinds of secrets of which at least eight consecutive characters are in the text."""
    return [
        kind
        for kind, secret in CANARIES.items()
        if any(secret[at : at + 8] in text for at in range(len(secret) - 7))
    ]
