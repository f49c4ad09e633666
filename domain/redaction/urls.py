"""Secrets in addresses: credentials before the host, and signatures behind the question mark. Pure; no I/O.

The address stays readable: only what lets somebody in is taken out.
"""

from __future__ import annotations

import re

from domain.redaction.false_positives import is_placeholder
from domain.redaction.private_keys import REDACTED
from domain.redaction.token_patterns import redact_webhooks

# user:password@, :password@, and the token alone that git hosts and Sentry take. JSON may write \/ for a slash.
_BEFORE_HOST = re.compile(r"(:\\?/\\?/)([^\s/@:\"'<>\\]*)(:[^\s/\"'<>\\]+)?(?=@)", re.ASCII)
_LONG_NAME = re.compile(r"(?=[^0-9]{0,200}[0-9])[A-Za-z0-9_\-.~%]{16,}", re.ASCII)

# Behind ?, & or one of the ways to write & in JSON, HTML and other addresses.
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
# Names that harmless things have as well: there only a long value with a digit counts.
_COMMON = frozenset({"code", "key", "session", "sid", "policy", "auth", "pass"})
_LONG_VALUE = re.compile(r"(?=[^0-9]{0,200}[0-9]).{16,}", re.ASCII)


def redact_url_credentials(line: str) -> str:
    """The line whose addresses let nobody in."""
    if "@" in line:
        line = _BEFORE_HOST.sub(_before_host, line)
    if "=" in line:
        line = _IN_QUERY.sub(_in_query, line)
    return redact_webhooks(line)


def _before_host(found: re.Match[str]) -> str:
    start, name, password = found.groups()
    if password is None:
        return f"{start}{REDACTED}" if _LONG_NAME.fullmatch(name) else found[0]
    if is_placeholder(password[1:]) and (not name or is_placeholder(name) or not _LONG_NAME.fullmatch(name)):
        return found[0]
    return f"{start}{REDACTED}"


def _in_query(found: re.Match[str]) -> str:
    before, name, value = found[1], found["name"].lower(), found[3]
    if is_placeholder(value) or (name in _COMMON and not _LONG_VALUE.fullmatch(value)):
        return found[0]
    return f"{before}{REDACTED}"
