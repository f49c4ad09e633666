"""Who is at the simulated Bitrise, in the words of the control API and the console."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.bitrise import App, BitriseSandbox, Member, Role


def described(member: Member, apps: Sequence[App]) -> dict[str, Any]:
    """A member with their tokens, and their role in each app that they see, by its title."""
    roles = {app.title: role.name.lower() for app in apps if (role := member.role_in(app)) is not None}
    return {"username": member.username, "roles": roles, "tokens": list(member.tokens)}


def find_member(bitrise: BitriseSandbox, name: str) -> Member:
    """A member by the beginning of their username. Raises ValueError."""
    found = [one for one in bitrise.members.values() if name and one.username.startswith(name.casefold())]
    if not found:
        raise ValueError(f"there is no member {name}; there are {', '.join(bitrise.members)}")
    return found[0]


def find_role(word: str | None) -> Role | None:
    """A role by its name; None and `none` are no part in the app at all. Raises ValueError."""
    if word is None or word == "none":
        return None
    known = {role.name.lower(): role for role in Role}
    if word not in known:
        raise ValueError(f"there is no role {word}; there are {', '.join(known)} and none")
    return known[word]


def revoke_all(bitrise: BitriseSandbox, member: Member) -> int:
    """End all tokens of a member's; returns how many there were."""
    tokens = tuple(member.tokens)
    for token in tokens:
        bitrise.revoke(token)
    return len(tokens)
