"""Secrets that are known by the name before them: API_KEY=…, "password": "…", <token>…</token>. Pure; no I/O."""

from __future__ import annotations

import re

from domain.redaction.false_positives import is_name, is_ordinary, is_word
from domain.redaction.private_keys import REDACTED

# What kinds of keys are secret. Others are not: a cache's, a primary one, a public one.
KEYS = (
    "api|app|application|auth|access|account|private|secret|signing|client|encryption|encrypt|master|deploy|server|service"
    "|storage|license|ssh|write|admin|match"
)
# Shorter values are answers, numbers and the like.
SHORTEST = 3
_KIND_BEFORE = re.compile(rf"(?i)(?:{KEYS})[_\- ]?$", re.ASCII)
# A name's end says what it holds: BuildAPIToken, SIGNING_KEY_2, storePassword.
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
# A sentence goes on, or a type ends: token: SecretStr | None = None.
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

# Bitrise's command line and envman tell a variable on one line and its value on the next.
ANNOUNCED = re.compile(rf"(?ix) ^ \s* (?: => | ➜ | -> | \$ ) \s* [a-z0-9_]{{0,80}}? {_NAME} \s* $", re.ASCII)
ANNOUNCED_VALUE = re.compile(r"^(\s*value:\s*)(\S[^\r\n]*)$", re.ASCII)
# YAML puts a long value below its name, deeper in.
BLOCK = re.compile(
    rf"""(?ix) ^ ( [\s\-]* ) ["']? [a-z0-9_.\-]{{0,80}}? {_NAME} ["']? : \s* [|>] [+\-0-9]* \s* $""", re.ASCII
)


def redact_named_secrets(line: str) -> str:
    """The line without the values of what is named like a secret."""
    lowered = line.lower()
    if "::add-mask::" in lowered:
        line = _MASK.sub(_last, line)
    if not any(sign in lowered for sign in _SIGNS):
        return line
    line = _NAMED.sub(_value, line)
    if "<" in line:
        line = _TAG.sub(_last, line)
    if "value=" in lowered:
        line = _ATTRIBUTE.sub(_last, line)
    if "&quot;" in lowered or "&#" in line or "&apos;" in lowered:
        line = _ESCAPED.sub(_last, line)
    if "|" in line:
        line = _CELL.sub(_last, line)
    if "password " in lowered:
        line = _NETRC.sub(_last, line)
    if "setenv" in lowered:
        line = _SETENV.sub(_last, line)
    if "--value" in lowered:
        line = _ENVMAN.sub(_last, line)
    if "auth" in lowered:
        line = _DOCKER.sub(_last, line)
    return _QUOTED.sub(_quoted, line)


def _quoted(found: re.Match[str]) -> str:
    if is_ordinary(found[3]) or _PARSERS.search(found.string, max(0, found.start() - 40), found.start()):
        return found[0]
    return f"{found[1]}{found[2]}{REDACTED}"


def _last(found: re.Match[str]) -> str:
    value = found[found.re.groups]
    if is_ordinary(value.strip()):
        return found[0]
    return found[1] + REDACTED + value[len(value.rstrip()) :]


def _value(found: re.Match[str]) -> str:
    start = found.start()
    if found["key"] and not _KIND_BEFORE.search(found.string, max(0, start - 16), start):
        return found[0]
    quote, value = found["quote"], found["value"]
    if is_ordinary(value) or _is_harmless(found, value, quoted=bool(quote)):
        return found[0]
    return f"{found[0][: found.start('value') - start]}{REDACTED}"


def _is_harmless(found: re.Match[str], value: str, *, quoted: bool) -> bool:
    """Whether this is a sentence or code, and not a value that was given to a name."""
    text, start, end = found.string, found.start(), found.end()
    before, after = text[max(0, start - 80) : start], text[end : end + 40]
    if _PARSERS.search(before):  # Unexpected token: name
        return True
    if quoted:  # f("token=").strip() has its quote there to end a string, and not to begin one
        return value[0] in " .,;:)+]}"
    if len(value) < SHORTEST:
        return True
    if after.startswith(("(", "{", "<")) and not value[-1].isdigit():  # token = read(…)
        return True
    if not found["space"]:  # :app:token:test is a task of Gradle's
        return found["sep"] == ":" and is_word(value) and _TASK.search(before) is not None
    if found["close"]:
        return False
    if is_name(value) or value == found[0][: len(value)]:  # password: newPassword, self.token = token
        return True
    return is_word(value) and bool(_PROSE_AFTER.match(after) or _PROSE_BEFORE.search(before))
