"""Names of branches as git takes them. Pure; no I/O."""

from __future__ import annotations

import re

_HEADS = "refs/heads/"
# git-check-ref-format(1): what no part of a reference's name may hold; blanks and control characters among it.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
# gitrevisions(7): HEAD, FETCH_HEAD, ORIG_HEAD… name commits, whatever branches there are.
_PSEUDO = re.compile(r"(?:[A-Z_]+_)?HEAD", re.IGNORECASE)
# gitrevisions(7): names that git also reads as another branch's, as a tag's, or as a commit's (`git describe` writes
# `v1.0-3-g1f2e3d4`).
_OTHER_READING = re.compile(
    r"(?:heads|remotes|tags|origin|upstream)/.*|[0-9a-f]{4,64}|.*-g[0-9a-f]{4,64}", re.IGNORECASE
)


class InvalidBranch(ValueError):
    """The text names no branch; the sentence says why."""


def branch_name(text: str) -> str:
    """Return the branch's name as git keeps it: without white space around it and without `refs/heads/`.

    Raises InvalidBranch for what git takes for no branch (git-check-ref-format(1)).
    """
    name = text.strip()
    name = name.removeprefix(_HEADS)
    parts = name.split("/")
    if (
        not name
        or name == "@"
        or name.startswith(("-", "refs/"))
        or name.endswith(".")
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
        or _FORBIDDEN.search(name)
        or _PSEUDO.fullmatch(name)
    ):
        raise InvalidBranch(
            "That is not the name of a branch. Write it as your Git host shows it: `main`, `feature/login`."
        )
    return name


def is_ambiguous(branch: str) -> bool:
    """Whether git may read the name as something else too: another branch's, a tag's or a commit's."""
    return _OTHER_READING.fullmatch(branch) is not None
