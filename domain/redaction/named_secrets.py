"""Secrets that are known by the name before them: API_KEY=…, "password": "…", <token>…</token>. Pure; no I/O."""

from __future__ import annotations

import re

from domain.redaction.false_positives import is_name, is_ordinary, is_word
from domain.redaction.private_keys import REDACTED

# The kinds of keys that are secret. Others are not: a cache key, a primary key, a public key.
KEYS = (
    "api|app|application|auth|access|account|private|secret|signing|client|encryption|encrypt|master|deploy|server|service"
    "|storage|license|ssh|write|admin|match"
)
# Shorter values are words like "no", numbers and the like.
SHORTEST = 3
_KIND_BEFORE = re.compile(rf"(?i)(?:{KEYS})[_\- ]?$", re.ASCII)
# The end of a name tells what it contains: BuildAPIToken, SIGNING_KEY_2, storePassword.
_WORD = r"""
    (?= [tspcjk_.\-] )
    (?: token | secret | passw(?:or)?d | passphrase | passcode | credentials? | creds | (?<=store)pass | (?<=key)pass
      | (?<=ks)pass | [_\-.]pass | (?<![a-z])pwd | _auth | jwt | connection_?string | _session | _cookies? | KEY )
    (?: [_\-]? (?: value | b64 | base64 | json | content | data | raw | prod | production | staging | dev | test
      | live | release | debug | old | new | [0-9]{1,2} ) ){0,2}
"""
_NAME = _WORD.replace("KEY", f"(?:{KEYS}) [_\\-\\ ]? key").replace("(?= [tspcjk_.\\-] )", "")
# The separator may be escaped (Xcode's export NAME\=value), the quotes too (JSON within JSON).
_NAMED = re.compile(
    rf"""(?ix)
    {_WORD.replace("KEY", "(?P<key> key )")}
    (?P<close> \\{{0,3}} ["'] | \] )? (?P<gap> [ \t]{{0,40}} )
    (?P<sep> : [ \t]{{0,9}} [A-Z][A-Za-z0-9.]{{0,40}} [?!]? [ \t]{{0,9}} = | := | => | %3D
      | -> | \\?={{1,3}} | : (?!:) )
    (?P<space> [ \t]{{0,40}} )
    (?P<quote> \\{{1,3}} " | @?" | ' | ` )?
    (?P<value> (?<=\\") (?: [^"\\] | \\{{1,3}} [^"\\] )++ | (?<=") (?: [^"\\] | \\. )++ | (?<=') (?: [^'\\] | \\. )++
      | (?<=`) [^`]++ | [^\s"'`,;&<>(){{}}|\\]+ )
    """,
    re.ASCII,
)
_PARSERS = re.compile(r"(?i)(?:unexpected|illegal|invalid|parse error[^\n]{0,9}) (?:\w+ )?$", re.ASCII)
_PROSE_BEFORE = re.compile(r"[A-Za-z]{2,} +(?:[A-Za-z'’]+ +){1,3}[A-Za-z_\-]*$", re.ASCII)
# A sentence continues, or a type ends: token: SecretStr | None = None.
_PROSE_AFTER = re.compile(r" +[A-Za-z=|]", re.ASCII)
_TASK = re.compile(r":[\w\-]*$", re.ASCII)
_TAG = re.compile(
    rf"""(?ix) ( < [a-z0-9_.\-]{{0,60}}? {_NAME} > | name=["'] [a-z0-9_.\-]{{0,60}}? {_NAME} ["'] [^<>]{{0,80}} > )
    ( [^<>]+ ) (?= </ )""",
    re.ASCII,
)
_CELL = re.compile(
    rf"""(?ix) ^ ( [^|a-z]{{0,60}} \| [ \t]{{0,40}} [a-z0-9_.\-\ ]{{0,60}}? {_NAME} [ \t]{{0,80}} \| [ \t]* )
    ( [^|\s] [^|]* ) (?= \| \s* $ )""",
    re.ASCII,
)
_QUOTED = re.compile(
    r"(?i)((?:password|passphrase|passcode|token|secret|api_?-? ?key)(?: is| was|:)? )"
    r"([\"“‘`'«])([^\"”’`'»\s).,;:+\]}][^\"”’`'»\s]{2,})",
    re.ASCII,
)
_NETRC = re.compile(
    r"(?i)((?:^|\blogin[ \t]+\S+)[ \t]{0,80}password[ \t]+)(\S+)(?=\s*$|[ \t]+(?:account|macdef))", re.ASCII
)
_SETENV = re.compile(
    rf"(?ix) ( \bsetenv [ \t]+ [a-z0-9_]{{0,60}}? {_NAME} [ \t]+ ) ( \S [^\r\n]* )", re.ASCII
)
_ENVMAN = re.compile(
    rf"""(?ix) ( --key [ =]["']? [a-z0-9_]{{0,60}}? {_NAME} ["']? [ \t]+ --value [ =] ["']? ) ( [^\s"']+ )""",
    re.ASCII,
)
# <add key="ApiKey" value="…" /> and <property name="password" value="…" />
_ATTRIBUTE = re.compile(
    rf"""(?ix) ( (?: key | name ) = ["'] [a-z0-9_.:\-]{{0,60}}? {_NAME} ["'] [ \t]{{1,9}} value=["'] ) ( [^"'<>]+ )""",
    re.ASCII,
)
# JSON within HTML.
_ESCAPED = re.compile(
    rf"""(?ix) ( {_NAME} (?: &quot; | &\#0?3[49]; | &apos; ) \s{{0,9}} (?: : | =&gt; | = ) \s{{0,9}}
      (?: &quot; | &\#0?3[49]; | &apos; ) )
    ( (?: [^&\r\n] | & (?! quot; | \#0?3[49]; | apos; ) )++ )""",
    re.ASCII,
)
_DOCKER = re.compile(r"""(\\?"auth\\?"\s{0,9}:\s{0,9}\\?")([A-Za-z0-9+/=_\-]{6,})""", re.ASCII)
_SIGNS = ["token", "secret", "pass", "pwd", "cred", "auth", "jwt", "connection", "key", "session", "cookie"]
_MASK = re.compile(r"(::add-mask::)(\S[^\r\n]*)", re.ASCII)

# Bitrise's command line and envman print a variable on one line and its value on the next.
ANNOUNCED = re.compile(rf"(?ix) ^ \s* (?: => | ➜ | -> | \$ ) \s* [a-z0-9_]{{0,80}}? {_NAME} \s* $", re.ASCII)
ANNOUNCED_VALUE = re.compile(r"^(\s*value:\s*)(\S[^\r\n]*)$", re.ASCII)
# YAML writes a long value below its name, indented.
BLOCK = re.compile(
    rf"""(?ix) ^ ( [\s\-]* ) ["']? [a-z0-9_.\-]{{0,80}}? {_NAME} ["']? : \s* [|>] [+\-0-9]* \s* $""", re.ASCII
)


def redact_named_secrets(line: str) -> str:
    """Redact values whose names are names of secrets."""
    lowered = line.lower()
    if "::add-mask::" in lowered:
        line = _MASK.sub(_redact_last_group, line)
    if not any(sign in lowered for sign in _SIGNS):
        return line
    line = _NAMED.sub(_redact_value, line)
    if "<" in line:
        line = _TAG.sub(_redact_last_group, line)
    if "value=" in lowered:
        line = _ATTRIBUTE.sub(_redact_last_group, line)
    if "&quot;" in lowered or "&#" in line or "&apos;" in lowered:
        line = _ESCAPED.sub(_redact_last_group, line)
    if "|" in line:
        line = _CELL.sub(_redact_last_group, line)
    if "password " in lowered:
        line = _NETRC.sub(_redact_last_group, line)
    if "setenv" in lowered:
        line = _SETENV.sub(_redact_last_group, line)
    if "--value" in lowered:
        line = _ENVMAN.sub(_redact_last_group, line)
    if "auth" in lowered:
        line = _DOCKER.sub(_redact_last_group, line)
    return _QUOTED.sub(_redact_quoted, line)


def _redact_quoted(found: re.Match[str]) -> str:
    if is_ordinary(found[3]) or _PARSERS.search(found.string, max(0, found.start() - 40), found.start()):
        return found[0]
    return f"{found[1]}{found[2]}{REDACTED}"


def _redact_last_group(found: re.Match[str]) -> str:
    value = found[found.re.groups]
    if is_ordinary(value.strip()):
        return found[0]
    return found[1] + REDACTED + value[len(value.rstrip()) :]


def _redact_value(found: re.Match[str]) -> str:
    start = found.start()
    if found["key"] and not _KIND_BEFORE.search(found.string, max(0, start - 16), start):
        return found[0]
    quote, value = found["quote"], found["value"]
    if is_ordinary(value) or _is_harmless(found, value, quoted=bool(quote)):
        return found[0]
    return f"{found[0][: found.start('value') - start]}{REDACTED}"


def _is_harmless(found: re.Match[str], value: str, *, quoted: bool) -> bool:
    """Return whether this is a sentence or code, and not a name with its value."""
    text, start, end = found.string, found.start(), found.end()
    before, after = text[max(0, start - 80) : start], text[end : end + 40]
    if _PARSERS.search(before):  # Unexpected token: name
        return True
    if quoted:  # in f("token=").strip() the quote ends a string
        return value[0] in " .,;:)+]}"
    if len(value) < SHORTEST:
        return True
    if after.startswith(("(", "{", "<")) and not value[-1].isdigit():  # token = read(…)
        return True
    if not found["space"]:  # :app:token:test is a Gradle task
        return found["sep"] == ":" and is_word(value) and _TASK.search(before) is not None
    if found["close"]:
        return False
    if is_name(value) or value == found[0][: len(value)]:  # password: newPassword, self.token = token
        return True
    return is_word(value) and bool(_PROSE_AFTER.match(after) or _PROSE_BEFORE.search(before))
