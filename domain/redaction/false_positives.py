"""Harmless text in places where a secret could be: placeholders, variables, types, plain words. Pure; no I/O."""

from __future__ import annotations

import re

# Variables, templates, asterisks, and "your-token-here" as in documents.
_PLACEHOLDER = re.compile(
    r"""(?ix)
      \$ [({]? [a-z_] [a-z0-9_.]* [:\-]? [)}]? | \$?\{\{ [^}=]* (?: \}\} )? | % [a-z_]+ % | < [^>]* >?
    | [*x•.…_\-#?]+ | [a-z0-9_\-]{0,8} (?: … | \.{3} ) | \[ [a-z* ]* \]?
    | \{ [a-z0-9_.()]* \}? | (?: self | this ) \. [a-z_.]+ | [a-z]{2,8} [_\-]
    | (?: the | your ) [_\-] [a-z_\-]* | [a-z_\-]* [_\-] here
    | (?: process\. )? env [.\[(] .* | (?: os\.environ | system\.getenv | secrets? | buildconfig | vars ) [.\[(] .*
    """,
    re.ASCII,
)
_PATH = re.compile(r"(?:~|\.{1,2}|[A-Za-z]:)?[/\\][^\s\"']*|[\w./@\-]+\.[A-Za-z][A-Za-z0-9]{1,8}", re.ASCII)
_FILE = re.compile(
    r"(?i)\.(?:cer|crt|der|env|go|gradle|java|jks|json|jsx?|key|keystore|kts?|mobileprovision|p8|p12|pem|plist|properties"
    r"|py|rb|sh|swift|tsx?|txt|xml|ya?ml)$",
    re.ASCII,
)
_TYPE = re.compile(
    r"(?:java\.lang\.|kotlin\.|Swift\.)?(?:String|Int|Integer|Long|Double|Float|Bool|Boolean|Data|Any|AnyObject|Object|"
    r"str|bytes|SecretStr|Char|CharSequence|CharArray|ByteArray|Number|Optional|Array|List|Set|Map|Dictionary|URL|UUID|Date|Unit|Void|"
    r"NSString|NSData|undefined|SecureString|stringArray)[?!*]?",
    re.ASCII,
)
_WORDS = frozenset(
    re.findall(
        r"\S+",
        """
        a absent accepted access accessed actually added all allowed already amd64 an and any are arm64 armhf as
        asked at auth authenticated authentication available bad be bearer because been before begin being blank
        bool boolean but by cached can cannot changed check checked checking configured correct could created
        default defined deleted denied deprecated detected did different disabled do does done empty enabled end
        ended eof error exists expected expired expires fail failed false file for format found from function
        generated get gets given got granted had has have here hidden i386 identifier if ignored in incorrect
        input int integer into invalid invalidated is it its keyword left length loaded locked login long
        malformed masked match matches may method mismatch missing must name nan need needed needs never new nil
        no none not nothing null number obsolete of off ok okay old omitted on only operator optional or other
        out pass passed pending personal please present private prompt protected provided public punc punctuator
        read read-only received refreshed refreshing refused rejected removed renewed required requires reset
        restored revoked rotated same saved seconds sent service set shall short should skip skipped skipping
        some stored string success successful successfully supplied symbol template that the then there they
        this through to too true type undefined under unexpected unknown unlocked unset unsupported unused
        update updated use used user uses using valid validated validation value variable verified verify via
        was were when which will with without workspace written wrong yes you your
        """,
    )
)
_LETTERS = re.compile(r"[A-Za-z]+(?:['’\-][A-Za-z]+)*+[.,!?]?", re.ASCII)
# Names of secrets in code: accessToken, tokens.access, NewPassword.
_NAME = re.compile(
    r"(?:[A-Za-z]+\.)*+[A-Za-z]*[a-z](?:Token|Secret|Password|Passphrase|Credentials?|Key)s?"
    r"|(?:[A-Za-z]+\.)++(?:token|secret|password|passphrase|credentials?|key)s?",
    re.ASCII,
)


def is_placeholder(value: str) -> bool:
    """Return whether the value is a placeholder, or is masked already."""
    return _PLACEHOLDER.fullmatch(value) is not None


def is_ordinary(value: str) -> bool:
    """Return whether the value is a placeholder, a file path, a URL, a type or a common word."""
    bare = value.rstrip(".,!?)")
    return (
        is_placeholder(value)
        or bare.lower() in _WORDS
        or _TYPE.fullmatch(bare) is not None
        or value.startswith(("http://", "https://", "file://"))
        or _is_path(value)
    )


def is_word(value: str) -> bool:
    """Return whether the value consists of letters like a word."""
    return _LETTERS.fullmatch(value) is not None


def is_name(value: str) -> bool:
    """Return whether the value is a name of a secret in code, and not a secret."""
    return _NAME.fullmatch(value) is not None


def _is_path(value: str) -> bool:
    found = _PATH.fullmatch(value)
    if found is None:
        return False
    if _FILE.search(value):
        return True
    # A base64 secret may also begin with a slash: a path has whole words between its slashes.
    parts = [part for part in re.split(r"[/\\]", value.lstrip("~.")) if part]
    return (
        bool(value[0] in "/~." and parts)
        and all(re.fullmatch(r"[A-Za-z]{2,}[\w.@\-]*", part) for part in parts)
        and (len(parts) > 1 or len(parts[0]) < 16)
    )
