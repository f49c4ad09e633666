"""Secrets after names that harmless values have too: only a value that looks secret is redacted. Pure; no I/O."""

from __future__ import annotations

import re

from domain.redaction.false_positives import is_ordinary, is_word
from domain.redaction.named_secrets import KEYS
from domain.redaction.private_keys import REDACTED

_DIGIT_WITHIN = r"(?=[A-Za-z+/_.$\-]{0,80}[0-9])"
# A name and its value with a blank between them, as in sentences and logs of tools. Random words are found anywhere;
# hex is not, since commits, digests and cache keys are hex too.
_HEX = re.compile(
    r"(?<![A-Za-z0-9])(?:[0-9a-f]{32,128}|[0-9A-F]{32,128}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"(?![A-Za-z0-9])",
    re.ASCII,
)
_SPOKEN = re.compile(
    rf"""(?x)
    (?i: token | secret | passw(?:or)?d | passphrase | (?:{KEYS}) [_\-\ ]? key )
    (?: [ \t]{{1,4}} [A-Z][A-Z0-9_]{{1,60}} )? (?: [ \t]{{1,4}} (?i: to | is | was | as | with | value ) )?
    [ \t]{{1,40}} ["'`(]? $
    """,
    re.ASCII,
)
_LONGEST_SPOKEN = 140
# Words in a sentence that show that the value is not a token.
_NOT_A_TOKEN = re.compile(
    r"(?i)(?:hash|digest|checksum|fingerprint|commit|request|trace|revision|sha)\S{0,4}\s\S{0,20}$", re.ASCII
)

_PASSWORD_IS = re.compile(
    r"""(?ix) ( (?<![a-z]) (?: password | passphrase | passcode | passwd ) [ \t]{1,4} (?: is | was | set[ ]to )
      [ \t]{1,4} )
    ( [^\s"'`“‘«<>(){}\[\]]{6,80} ) (?= \s | $ )""",
    re.ASCII,
)
# sha256-hashed, base64, 12-character
_TECHNICAL_TERM = re.compile(
    r"(?i)[a-z0-9]+(?:-[a-z]+)++|(?:sha|md|base|utf|aes|rsa|bcrypt|oauth|x)-?[0-9]+", re.ASCII
)

_EQUALS = r"""["']? [ \t]{0,9} (?: => | \\?= | : ) [ \t]{0,9} ["'`]?"""
_NAMED_PAT = re.compile(
    rf"""(?x) ( [A-Z0-9]_PAT (?:_[0-9]{{1,2}})? {_EQUALS} ) ( {_DIGIT_WITHIN} [A-Za-z0-9_.\-]{{16,}} )""",
    re.ASCII,
)
_SALT = re.compile(
    rf"""(?ix) ( (?<![a-z]) salt {_EQUALS} ) ( {_DIGIT_WITHIN} [a-z0-9+/=_.$\-]{{16,}} )""", re.ASCII
)
_SONAR_LOGIN = re.compile(
    rf"""(?ix) ( sonar\.login {_EQUALS} ) ( {_DIGIT_WITHIN} [a-z0-9_]{{20,}} )""", re.ASCII
)
# The twelve to twenty-four words of a wallet.
_MNEMONIC = re.compile(
    rf"""(?ix) ( mnemonic {_EQUALS} )
    ( (?: [a-z]{{3,8}} [ ,]{{1,2}} ){{11,23}} [a-z]{{3,8}} )""",
    re.ASCII,
)
_PASS = re.compile(r"""(?ix) ( (?<![a-z0-9_.\-/]) pass= ["']? ) ( [^\s"'`,;&<>(){}|\\]{6,80} )""", re.ASCII)
_USER = re.compile(r"(?i)(?<![a-z])(?:user(?:name)?|login|uid|usr)[=:]", re.ASCII)
_STRONG = re.compile(r"(?=.*[A-Za-z])(?:(?:.*[0-9]){2}|.*[!@#$^&*])", re.ASCII)
# fastlane prints its API key: the key itself beside its id.
_BESIDE_ID = re.compile(
    r"""(?ix) ( (?<![a-z0-9_]) key ["']? [ \t]{0,9} (?: => | : | = ) [ \t]{0,9} \\{0,2} ["'] )
    ( [a-z0-9+/=_\-\\]{24,} )""",
    re.ASCII,
)
_VALUES = (
    (("_pat",), _NAMED_PAT),
    (("salt",), _SALT),
    (("sonar.login",), _SONAR_LOGIN),
    (("mnemonic",), _MNEMONIC),
    (("issuer_id", "key_id"), _BESIDE_ID),
)


def redact_ambiguous_names(line: str) -> str:
    """Redact values that look like secrets, where the name alone would not be enough."""
    lowered = line.lower()
    if any(sign in lowered for sign in ("token", "secret", "pass", "key")):
        line = _HEX.sub(_redact_spoken, line)
        if "pass=" in lowered:
            line = _PASS.sub(_redact_pass, line)
        if "pass" in lowered and any(sign in lowered for sign in (" is ", " was ", " set to ")):
            line = _PASSWORD_IS.sub(_redact_password, line)
    for signs, pattern in _VALUES:
        if any(sign in lowered for sign in signs):
            line = pattern.sub(_redact_unless_ordinary, line)
    return line


def _redact_unless_ordinary(found: re.Match[str]) -> str:
    return found[0] if is_ordinary(found[2]) else found[1] + REDACTED


def _redact_spoken(found: re.Match[str]) -> str:
    text, start = found.string, found.start()
    spoken = _SPOKEN.search(text, max(0, start - _LONGEST_SPOKEN), start)
    if spoken is None or _NOT_A_TOKEN.search(text, max(0, spoken.start() - 40), spoken.start()):
        return found[0]
    return REDACTED


def _redact_password(found: re.Match[str]) -> str:
    value = found[2].rstrip(".,;:!?") if found[2][-1] in ".,;:?" else found[2]
    if (
        is_ordinary(value)
        or is_word(value)
        or _TECHNICAL_TERM.fullmatch(value)
        or not re.search(r"[0-9!@#$%^&*]", value)
    ):
        return found[0]
    return found[1] + REDACTED + found[2][len(value) :]


def _redact_pass(found: re.Match[str]) -> str:
    value = found[2]
    if is_ordinary(value) or is_word(value) or not re.search("[A-Za-z]", value):
        return found[0]
    before = max(0, found.start() - 200)
    if _USER.search(found.string, before, found.start()) or (len(value) >= 8 and _STRONG.match(value)):
        return found[1] + REDACTED
    return found[0]
