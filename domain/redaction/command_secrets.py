"""Secrets in arguments that only certain programs have: vault login …, 7z -p…, .pgpass. Pure; no I/O."""

from __future__ import annotations

import re

from domain.redaction.false_positives import is_ordinary, is_word
from domain.redaction.private_keys import REDACTED

# A program's other arguments; another program begins after a |, ; or &.
_REST = r"[^|;&\r\n]{0,200}?"


def _command(sign: str, before: str, secret: str) -> tuple[str, re.Pattern[str]]:
    """Return the pattern of a command: a word of the line in lower case, the text before the secret, and the secret."""
    return sign, re.compile(rf"(?x) ( {before} ) ( {secret} )", re.ASCII)


COMMANDS = (
    _command("doctl", rf"""\bdoctl [ ]+ auth [ ]+ init \b {_REST} [ ]-t [ =]["']?""", r"[A-Za-z0-9_\-]{16,}"),
    _command("codecov", rf"""\bcodecov \b {_REST} [ ]-t [ =]["']?""", r"[A-Za-z0-9\-]{16,}"),
    _command("snyk auth", r"""\bsnyk [ ]+ auth [ ]+ ["']?""", r"[A-Za-z0-9][^\s\"']{7,}"),
    _command(
        "vault login",
        r"""\bvault [ ]+ login [ ]+ (?: -[^\s]{1,60} [ ]+ ){0,5} ["']?""",
        r"[A-Za-z0-9][^\s\"'=]{7,} (?! [=] )",
    ),
    _command("creds", r"""(?<!\S) --(?:src-|dest-)?creds [ =]["']? [^\s:"']{1,80} :""", r"[^\s\"']+"),
    _command(
        "--auth",
        rf"""(?: ^ | [\s;&|] ) https? [ ] {_REST} --auth [ =]["']? [^\s:"']{{0,80}} :""",
        r"[^\s\"']+",
    ),
    _command(
        "ldap",
        rf"""\bldap(?:search|modify|add|delete|whoami|passwd|compare) \b {_REST} [ ]-w [ ]?["']?""",
        r"[^\s\"'\-][^\s\"']+",
    ),
    _command("7z", rf"""(?<![\w.\-]) 7z[arz]? [ ] {_REST} [ ]["']?-p["']?""", r"[^\s\"']{2,}"),
    _command(
        "htpasswd",
        r"""\bhtpasswd [ ]+ -(?=[A-Za-z]{0,6}b)
        (?: [A-Za-z]{0,6}n[A-Za-z]{0,6} | [A-Za-z]{1,8} [ ]+ [^\s]{1,200} ) [ ]+ [^\s]{1,80} [ ]+ ["']?""",
        r"[^\s\"']+",
    ),
    _command(
        "sqlplus",
        r"""\bsqlplus [ ]+ (?: -[A-Za-z]{1,10} [ ]+ ){0,4} ["']? [^\s/"'@]{1,60} /""",
        r"[^\s@\"']{2,} (?= @ )",
    ),
    _command("openssl", rf"""\bopenssl [ ]+ enc \b {_REST} [ ]-[kK] [ ]["']?""", r"[^\s\"'\-][^\s\"']+"),
    # A secret that is piped to a program that prompts for it.
    _command(
        "| ",
        r"""\b(?:echo|printf) [ ]+ (?: -[neE]{1,3} [ ]+ )? ["']?""",
        r"""[^\s"'|]{3,} (?= ["']? [ ]* \| [ ]* [^|\r\n]{0,120}?
        (?: \bsudo [ ] [^|\r\n]{0,60}? -S\b | --password-stdin | --with-token ) )""",
    ),
    # A host, a port, a database, a user (PostgreSQL's documents, "The Password File"); only the default port: other
    # numbers there may be line numbers.
    _command(
        ":5432:",
        r"""^ \s{0,20} (?: localhost | \* | [A-Za-z0-9\-]{1,63} (?: \.[A-Za-z0-9\-]{1,63} ){1,8} )
        : 5432 : (?! [0-9]+ : ) [^\s:/]{1,63} : [^\s:/]{1,63} :""",
        r"\S{3,} (?= \s* $ )",
    ),
)
# A plain word after these may be a result: "snyk auth failed".
_MAY_BE_A_WORD = frozenset({"codecov", "doctl", "snyk auth", "vault login", ":5432:"})


def redact_command_secrets(line: str) -> str:
    """Redact the secrets in the arguments of the line's programs."""
    if " " not in line and ":5432:" not in line:
        return line
    lowered = line.lower()
    for sign, command in COMMANDS:
        if sign in lowered:
            line = command.sub(
                _redact_unless_word if sign in _MAY_BE_A_WORD else _redact_unless_ordinary, line
            )
    return line


def _redact_unless_ordinary(found: re.Match[str]) -> str:
    return found[0] if is_ordinary(found[2]) else found[1] + REDACTED


def _redact_unless_word(found: re.Match[str]) -> str:
    return found[0] if is_word(found[2]) else _redact_unless_ordinary(found)
