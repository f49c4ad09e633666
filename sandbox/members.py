"""Find members and roles of a provider simulator, for the control API and the console."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum
from typing import Any, Protocol, TypeVar


class MemberLike(Protocol):
    """A member of either provider."""

    username: str

    @property
    def tokens(self) -> Collection[str]:
        """Return their tokens."""


class TokenRevoker(Protocol):
    """A provider simulator that revokes tokens."""

    def revoke(self, token: str) -> None:
        """Revoke a token."""


MemberT = TypeVar("MemberT", bound=MemberLike)
RoleT = TypeVar("RoleT", bound=IntEnum)


def member_json(member: MemberLike, roles: Mapping[str, IntEnum | None]) -> dict[str, Any]:
    """Return a member with their tokens and roles."""
    named = {place: role.name.lower() for place, role in roles.items() if role is not None}
    return {"username": member.username, "roles": named, "tokens": list(member.tokens)}


def find_member(members: Mapping[str, MemberT], name: str) -> MemberT:
    """Return the member whose username starts with the name. Raises ValueError."""
    matches = [member for member in members.values() if name and member.username.startswith(name.casefold())]
    if not matches:
        raise ValueError(f"no member {name}; choose from {', '.join(members)}")
    return matches[0]


def find_role(roles: type[RoleT], word: str | None) -> RoleT | None:
    """Return the role of this name; None for None and `none`. Raises ValueError."""
    if word is None or word == "none":
        return None
    by_name = {role.name.lower(): role for role in roles}
    if word not in by_name:
        raise ValueError(f"no role {word}; choose from {', '.join(by_name)}, none")
    return by_name[word]


def revoke_all(system: TokenRevoker, member: MemberLike) -> int:
    """Revoke all tokens of a member; returns their number."""
    tokens = tuple(member.tokens)
    for token in tokens:
        system.revoke(token)
    return len(tokens)
