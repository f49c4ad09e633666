"""Secrets in URLs: credentials before the host, and signatures in the query. Pure; no I/O.

The URL stays readable: only the credentials are redacted.
"""

from __future__ import annotations

import re

from domain.redaction.false_positives import is_placeholder
from domain.redaction.private_keys import REDACTED
from domain.redaction.token_patterns import redact_webhooks

# user:password@, :password@, and a token alone, which git hosts and Sentry accept. JSON may write \/ for a slash.
_BEFORE_HOST = re.compile(r"(:\\?/\\?/)([^\s/@:\"'<>\\]*)(:[^\s/\"'<>\\]+)?(?=@)", re.ASCII)
_LONG_NAME = re.compile(r"(?=[^0-9]{0,200}[0-9])[A-Za-z0-9_\-.~%]{16,}", re.ASCII)

# After ?, & or an escaped & in JSON, HTML and other URLs.
_IN_QUERY = re.compile(
    r"""(?ix)
    ( (?: [?&;] | \\u0026 | %26 )
      (?P<name> x-amz-(?:signature|credential|security-token) | x-goog-(?:signature|credential)
        | [a-z_\-]{0,24}? (?: signature | token | secret | passw(?:or)?d | passphrase | api_?key | auth_?key | jwt )
        | sig | auth | ticket | pwd | pass | credential | key-pair-id | policy | awsaccesskeyid | hdne[at] | hdnts
        | hmac | code | key | session(?:_?id)? | sid )
      = )
    ( [^&\s"'<>\\;,)}\]\[]+ )
    """,
    re.ASCII,
)
# Names that harmless parameters have too: only a long value with a digit counts.
_COMMON = frozenset({"code", "key", "session", "sid", "policy", "auth", "pass"})
_LONG_VALUE = re.compile(r"(?=[^0-9]{0,200}[0-9]).{16,}", re.ASCII)


def redact_url_credentials(line: str) -> str:
    """Redact the credentials in the line's URLs."""
    if "@" in line:
        line = _BEFORE_HOST.sub(_redact_before_host, line)
    if "=" in line:
        line = _IN_QUERY.sub(_redact_in_query, line)
    return redact_webhooks(line)


def _redact_before_host(found: re.Match[str]) -> str:
    start, name, password = found.groups()
    if password is None:
        return f"{start}{REDACTED}" if _LONG_NAME.fullmatch(name) else found[0]
    if is_placeholder(password[1:]) and (not name or is_placeholder(name) or not _LONG_NAME.fullmatch(name)):
        return found[0]
    return f"{start}{REDACTED}"


def _redact_in_query(found: re.Match[str]) -> str:
    before, name, value = found[1], found["name"].lower(), found[3]
    if is_placeholder(value) or (name in _COMMON and not _LONG_VALUE.fullmatch(value)):
        return found[0]
    return f"{before}{REDACTED}"
