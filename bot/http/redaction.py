"""Taking secrets out of text: of logs before they are shown, of errors, of our own log lines. Pure; no I/O."""

from __future__ import annotations

import re

REDACTED = "[redacted]"

# Shapes by which issuers let their secrets be recognised.
_SHAPES = re.compile(
    r"""
    \bbitpat_[A-Za-z0-9_\-]{8,}                              # Bitrise personal access tokens
    | \bxox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9\-]{8,}          # Slack
    | \bxapp-[A-Za-z0-9\-]{8,}
    | \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_[A-Za-z0-9_]{20,}
    | \bglpat-[A-Za-z0-9_\-]{16,}
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b
    | \bAIza[A-Za-z0-9_\-]{30,}
    | \bya29\.[A-Za-z0-9_\-]{20,}
    | \b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}
    | \bnpm_[A-Za-z0-9]{30,}
    | \bpypi-[A-Za-z0-9_\-]{30,}
    | \bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}
    | \beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*    # JSON Web Tokens
    | https://hooks\.slack\.com/[A-Za-z]+/[A-Za-z0-9/_\-]+            # whoever has it may post
    """,
    re.VERBOSE,
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@:\"']*:[^\s/@\"']+(?=@)")
_SIGNED_QUERY = re.compile(
    r"(?i)([?&](?:X-Amz-(?:Signature|Credential|Security-Token)|X-Goog-(?:Signature|Credential)|Signature|sig|"
    r"token|access_token|ticket)=)[^&\s\"'>]+"
)
_AUTHORIZATION = re.compile(
    r"(?i)\b(authorization['\"]?\s*[:=]\s*['\"]?(?:(?:bearer|token|basic)\s+)?)[^\s'\",]+"
)
# A name that says what it holds, and the value behind it: BuildAPIToken: …, API_KEY=…, "password": "…"
_NAMED = re.compile(
    r"""(?ix)
    ( (?<![a-z0-9])                     # the name begins here, whatever its style
      [a-z0-9_.\-]*
      (?: token | secret | passw(?:or)?d | passphrase | credentials? | api_?-?key | private_?-?key | access_?-?key
        | signing_?-?key | client_?-?key )
      ["']? \s* (?: := | => | [:=] ) \s* ["']? )
    ( [^\s"'`,;(){}<>\[\]$]{6,} )
    """
)

# One of these stands in every secret that the patterns know: a text without any of them is as it should be.
_SIGNS = tuple(
    b"token secret passw passphrase credential key authorization signature sig= ticket :// bitpat_ xox xapp- ghp_ gho_"
    b" ghu_ ghs_ ghr_ github_pat glpat- akia asia aiza ya29 _live_ _test_ npm_ pypi- sg. eyj".split()
)


def signs_of_secrets(text: bytes) -> tuple[bytes, ...]:
    """What in the text could belong to a secret; without any `redact` would find nothing in it.

    Much faster than that, for logs of many megabytes.
    """
    lowered = text.lower()
    return tuple(sign for sign in _SIGNS if sign in lowered)


def redact(text: str) -> str:
    """The text with `[redacted]` where a token, key, password or signed link stood; all else as it was."""
    if not signs_of_secrets(text.encode("utf-8", "replace")):
        return text
    text = _PRIVATE_KEY.sub(REDACTED, text)
    text = _SHAPES.sub(REDACTED, text)
    text = _IN_ADDRESS.sub(REDACTED, text)
    text = _SIGNED_QUERY.sub(rf"\1{REDACTED}", text)
    text = _AUTHORIZATION.sub(rf"\1{REDACTED}", text)
    return _NAMED.sub(rf"\1{REDACTED}", text)
