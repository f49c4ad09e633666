"""Secrets in HTTP headers and on command lines: Authorization, cookies, --password, -u user:password. Pure; no I/O."""

from __future__ import annotations

import re

from domain.redaction.false_positives import is_ordinary, is_placeholder, is_word
from domain.redaction.private_keys import REDACTED

_SCHEME = (
    r"(?:bearer|token|basic|bot|oauth|apikey|api-key|key|digest|negotiate|ntlm|sso-key|ssws|geniekey|splunk)"
)
_AUTHORIZATION = re.compile(
    rf"""(?ix) ( \b authorization \\{{0,3}} ["']? [ \t]{{0,9}} (?: => | \\?[:=] ) [ \t\[]{{0,9}} \\{{0,3}} ["'`]? )
    ( {_SCHEME} [ \t]{{1,9}} | ) ( [^\s"'`,;)\]}}\\]+ )""",
    re.ASCII,
)
# The same URL-encoded, once or twice.
_ENCODED = re.compile(
    rf"""(?ix) ( authorization %(?:25)?3A (?: %(?:25)?20 | \+ | [ ] ){{0,4}}+
      (?: {_SCHEME} (?: %(?:25)?20 | \+ | [ ] ){{1,4}} )?+ )
    ( [^\s"'<>&]{{6,}} )""",
    re.ASCII,
)
_BEARER = re.compile(
    r"(?i)(?<![a-z0-9])((?:bearer|basic)[ \t]{1,9})(?=[A-Za-z_\-.~+/]{0,400}[0-9])[A-Za-z0-9_\-.~+/]{16,}={0,2}",
    re.ASCII,
)
# Signed requests: Digest (RFC 7616) and AWS.
_SIGNED = re.compile(
    r"(?i)((?<![a-z0-9])(?:response|signature|credential|cnonce)=\\?[\"']?)([a-z0-9+/=_\-%]{16,}(?:/[a-z0-9_/\-]+)?)",
    re.ASCII,
)
_COOKIE = re.compile(
    r"""(?ix) ( (?<![a-z\-]) cookie \\{0,3} ["']? [ \t]{0,9} [:=\ ] [ \t]{0,9} \\{0,3} ["']? )
    ( [^\s=;,"'\\]{1,80} = [^"'\\\r\n]+ )""",
    re.ASCII,
)
_SET_COOKIE = re.compile(
    r"""(?ix) ( set-cookie2? \\{0,3} ["']? [ \t]{0,9} [:=] [ \t]{0,9} \\{0,3} ["']? [^\s=;,"'\\]{1,80} = )
    ( [^;\s"'\\]+ )""",
    re.ASCII,
)

_FLAG = re.compile(
    r"""(?ix)
    ( (?<![^\s"'=]) --? [a-z0-9\-_.]{0,60}?
      (?: token | secret | passw(?:or)?d | passphrase | passcode
        | (?:api|access|private|secret|auth|signing|account|encryption)-?_?key
        | storepass | keypass | ks-pass | key-pass | passin | passout | credentials? )
      (?: [ \t]{1,9} (?! -) ) ["']? (?: pass: )? )
    ( [^\s"']+ )
    """,
    re.ASCII,
)
_PASS = re.compile(r"(?<=[\s\"'=])(pass:)([^\s\"':]{3,})", re.ASCII)
_USER = re.compile(
    r"""(?ix) ( (?<!\S) (?: -u | --user | --proxy-user ) [ =]{0,9} ["']? ) ( [^\s:"']* : [^\s"']+ )""",
    re.ASCII,
)
LONGEST_USER = 16
_IDS = re.compile(r"[0-9]+:[0-9]+", re.ASCII)

# Programs that take a password as -p, -P or -k, and in whose lines that option has no other meaning.
_PROGRAMS = (
    (
        ("login",),
        re.compile(
            r"\b(?:docker|podman|nerdctl|buildah|skopeo|helm|oras|az|oc|crane)\b.{0,80}\blogin\b", re.ASCII
        ),
        re.compile(r"((?<!\S)-p[ =]?[\"']?)([^\s\"'\-][^\s\"']*)", re.ASCII),
    ),
    (
        ("security",),
        re.compile(r"\bsecurity\b.{0,40}\b(?:keychain|import|set-key-partition-list)\b", re.ASCII),
        re.compile(r"((?<!\S)[\"']?-[pPk][\"']?[ ]{0,3}[\"']?)([^\s\"'\-][^\s\"']*)", re.ASCII),
    ),
    (
        ("sshpass", "mysql", "altool", "notarytool"),
        re.compile(r"\b(?:sshpass|mysql|mysqldump|mysqladmin|altool|notarytool)\b", re.ASCII),
        re.compile(r"((?<!\S)-p[ ]?[\"']?)([^\s\"'\-][^\s\"']*)", re.ASCII),
    ),
    (
        ("zip",),
        re.compile(r"\b(?:zip|unzip)\b", re.ASCII),
        re.compile(r"((?<!\S)-P[ ]?[\"']?)([^\s\"'\-][^\s\"']*)", re.ASCII),
    ),
    (
        ("redis-cli",),
        re.compile(r"\bredis-cli\b", re.ASCII),
        re.compile(r"((?<!\S)-a[ ]?[\"']?)([^\s\"'\-][^\s\"']*)", re.ASCII),
    ),
)


def redact_headers(line: str) -> str:
    """Redact credentials in HTTP headers."""
    lowered = line.lower()
    if "authorization" in lowered:
        line = _AUTHORIZATION.sub(_redact_authorization, line)
        if "%" in line:
            line = _ENCODED.sub(_redact_unless_ordinary, line)
    if "bearer" in lowered or "basic" in lowered:
        line = _BEARER.sub(rf"\1{REDACTED}", line)
    if "signature=" in lowered or "response=" in lowered or "credential=" in lowered:
        line = _SIGNED.sub(rf"\1{REDACTED}", line)
    if "cookie" in lowered:
        line = _SET_COOKIE.sub(_redact_unless_ordinary, line)
        line = _COOKIE.sub(_redact_unless_ordinary, line)
    return line


def redact_arguments(line: str) -> str:
    """Redact passwords in command line arguments."""
    if "-" not in line:
        return line
    lowered = line.lower()
    if any(sign in lowered for sign in ("token", "secret", "pass", "key", "cred")):
        line = _FLAG.sub(_redact_argument, line)
        line = _PASS.sub(_redact_unless_ordinary, line)
    for programs, program, flag in _PROGRAMS:
        if any(name in line for name in programs) and program.search(line):
            line = flag.sub(_redact_unless_ordinary, line)
    if "curl" in line or "wget" in line:
        line = _USER.sub(_redact_user, line)
    return line


def _redact_authorization(found: re.Match[str]) -> str:
    before, scheme, value = found.groups()
    if is_ordinary(value) or value.endswith("(") or (not scheme and is_word(value) and value.islower()):
        return found[0]
    return f"{before}{scheme}{REDACTED}"


def _redact_unless_ordinary(found: re.Match[str]) -> str:
    return found[0] if is_ordinary(found[2]) else f"{found[1]}{REDACTED}"


def _redact_argument(found: re.Match[str]) -> str:
    # A help text shows a placeholder: --token TOKEN, --password string.
    if is_ordinary(found[2]) or (found[2].isupper() and is_word(found[2])):
        return found[0]
    return f"{found[1]}{REDACTED}"


def _redact_user(found: re.Match[str]) -> str:
    name, _, password = found[2].partition(":")
    if _IDS.fullmatch(found[2]) or is_placeholder(password):
        return found[0]
    # Some services take a token instead of the user name, and no password.
    name = name if len(name) < LONGEST_USER else REDACTED
    return f"{found[1]}{name}:{REDACTED if password else ''}"
