"""Who is at a simulated build system, in the words of the control API and the console."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum
from typing import Any, Protocol, TypeVar


class MemberLike(Protocol):
    """A member of either system's."""

    username: str

    @property
    def tokens(self) -> Collection[str]:
        """Their tokens."""


class TokenRevoker(Protocol):
    """A system that ends tokens."""

    def revoke(self, token: str) -> None:
        """End one."""


One = TypeVar("One", bound=MemberLike)
Rank = TypeVar("Rank", bound=IntEnum)


def member_json(member: MemberLike, roles: Mapping[str, IntEnum | None]) -> dict[str, Any]:
    """A member with their tokens, and what they are wherever they have a role."""
    named = {where: role.name.lower() for where, role in roles.items() if role is not None}
    return {"username": member.username, "roles": named, "tokens": list(member.tokens)}


def find_member(members: Mapping[str, One], name: str) -> One:
    """A member by the beginning of their username. Raises ValueError."""
    found = [one for one in members.values() if name and one.username.startswith(name.casefold())]
    if not found:
        raise ValueError(f"there is no member {name}; there are {', '.join(members)}")
    return found[0]


def find_role(roles: type[Rank], word: str | None) -> Rank | None:
    """A role by its name; None and `none` are no part in it at all. Raises ValueError."""
    if word is None or word == "none":
        return None
    known = {role.name.lower(): role for role in roles}
    if word not in known:
        raise ValueError(f"there is no role {word}; there are {', '.join(known)} and none")
    return known[word]


def revoke_all(system: TokenRevoker, member: MemberLike) -> int:
    """End all tokens of a member's; returns how many there were."""
    tokens = tuple(member.tokens)
    for token in tokens:
        system.revoke(token)
    return len(tokens)
