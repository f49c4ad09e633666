"""Members of the simulated Build.io: users and a service, with tokens and teams. State only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

TOKEN = "bld_sandbox-service-0000000000"  # noqa: S105 - simulated tokens, here and below
READ_TOKEN = "bld_sandbox-reader-00000000000"  # noqa: S105
ANNA_TOKEN = "bld_sandbox-anna-0000000000000"  # noqa: S105
BEN_TOKEN = "bld_sandbox-ben-00000000000000"  # noqa: S105
CARLA_TOKEN = "bld_sandbox-carla-000000000000"  # noqa: S105

# Build.io's API reference, 12.3: "OAuth scopes available are read and write".
READ, WRITE = "read", "write"
BOTH = frozenset({READ, WRITE})


class Role(IntEnum):
    """A role in a team. The reference has teams but no roles: a viewer reads, a developer changes."""

    VIEWER = 1
    DEVELOPER = 2


@dataclass(eq=False, frozen=True)
class Team:
    """A team; the members hold their roles in it."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True)
class Access:
    """The scopes and expiry of a token; `grant` is the id of its OAuth consent, "" for none."""

    scopes: frozenset[str] = BOTH
    expires_at: datetime | None = None
    grant: str = ""


@dataclass(eq=False)
class Member:
    """A member. `roles` are by team name. What belongs to no team is only its owner's."""

    username: str
    id: str
    tokens: dict[str, Access] = field(repr=False)
    roles: dict[str, Role | None] = field(default_factory=dict)
    is_person: bool = True

    @property
    def email(self) -> str:
        """Return the address that `GET /me` returns."""
        return f"{self.username}@acme.example"

    def role_in(self, team: Team | None, owner: Member | None) -> Role | None:
        """Return the role for resources of this team, or of this owner if there is no team; None without one."""
        if team is not None:
            return self.roles.get(team.name)
        return Role.DEVELOPER if owner is self else None


def default_members(new_id: Callable[[], str], acme: Team, labs: Team) -> dict[str, Member]:
    """Return the service, which also has a read-only token, and three users, by username."""
    viewer, developer = Role.VIEWER, Role.DEVELOPER
    everywhere: dict[str, Role | None] = {acme.name: developer, labs.name: developer}
    service = {TOKEN: Access(), READ_TOKEN: Access(frozenset({READ}))}
    members = (
        Member("build-service", new_id(), service, dict(everywhere), is_person=False),
        Member("anna-berg", new_id(), {ANNA_TOKEN: Access()}, dict(everywhere)),
        Member("ben-okafor", new_id(), {BEN_TOKEN: Access()}, {acme.name: developer}),
        Member("carla-ruiz", new_id(), {CARLA_TOKEN: Access()}, {acme.name: viewer}),
    )
    return {member.username: member for member in members}


def find_token_owner(
    members: Mapping[str, Member], token: str, now: datetime
) -> tuple[Member, Access] | None:
    """Return the owner of a token and its access; None if it is unknown, revoked or expired."""
    for member in members.values():
        access = member.tokens.get(token)
        if access is not None:
            return None if access.expires_at is not None and now >= access.expires_at else (member, access)
    return None
