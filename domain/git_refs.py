"""Branch names as git accepts them. Pure; no I/O."""

from __future__ import annotations

import re

_BRANCH_PREFIX = "refs/heads/"
# git-check-ref-format(1): what no part of a reference's name may contain, such as spaces and control characters.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
# gitrevisions(7): HEAD, FETCH_HEAD, ORIG_HEAD… name commits, even if there are such branches.
_PSEUDO_REF = re.compile(r"(?:[A-Z_]+_)?HEAD", re.IGNORECASE)
# gitrevisions(7): names that git may also read as another branch, a tag or a commit (`git describe` writes
# `v1.0-3-g1f2e3d4`).
_OTHER_READING = re.compile(
    r"(?:heads|remotes|tags|origin|upstream)/.*|[0-9a-f]{4,64}|.*-g[0-9a-f]{4,64}", re.IGNORECASE
)


class InvalidBranch(ValueError):
    """The text is not a valid branch name; the message says why."""


def branch_name(text: str) -> str:
    """Return the branch name as git stores it: without surrounding white space and without `refs/heads/`.

    Raises InvalidBranch for what git does not accept as a branch (git-check-ref-format(1)).
    """
    name = text.strip()
    name = name.removeprefix(_BRANCH_PREFIX)
    parts = name.split("/")
    if (
        not name
        or name == "@"
        or name.startswith(("-", "refs/"))
        or name.endswith(".")
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
        or _FORBIDDEN.search(name)
        or _PSEUDO_REF.fullmatch(name)
    ):
        raise InvalidBranch(
            "That isn't a valid branch name. Write it as your Git host shows it: `main`, `feature/login`."
        )
    return name


def is_ambiguous(branch: str) -> bool:
    """Return whether git may read the name as something else too: another branch, a tag or a commit."""
    return _OTHER_READING.fullmatch(branch) is not None


def unambiguous(branch: str | None) -> str | None:
    """Return the branch as access rules compare it; None if git may read the name as something else."""
    try:
        name = branch_name(branch or "")
    except InvalidBranch:
        return None
    return None if is_ambiguous(name) else name
