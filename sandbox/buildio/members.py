"""Who may ask the simulated Build.io: people and a service, their tokens, the teams that they are in. State alone."""

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
    """What somebody is in a team. The reference names teams and no roles: a viewer sees, a developer changes."""

    VIEWER = 1
    DEVELOPER = 2


@dataclass(eq=False, frozen=True)
class Team:
    """A team; members have their roles in it themselves."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True)
class Access:
    """What a token is good for, and until when; `grant` is the consent that it comes from, "" for none."""

    scopes: frozenset[str] = BOTH
    expires_at: datetime | None = None
    grant: str = ""


@dataclass(eq=False)
class Member:
    """Somebody at Build.io. `roles` are by a team's name. What belongs to no team is its owner's alone."""

    username: str
    id: str
    tokens: dict[str, Access] = field(repr=False)
    roles: dict[str, Role | None] = field(default_factory=dict)
    is_person: bool = True

    @property
    def email(self) -> str:
        """The address that `GET /me` answers."""
        return f"{self.username}@acme.example"

    def role_in(self, team: Team | None, owner: Member | None) -> Role | None:
        """The member's role for what belongs to this team, or to its owner where it is of none; None for none."""
        if team is not None:
            return self.roles.get(team.name)
        return Role.DEVELOPER if owner is self else None


def usual_members(new_id: Callable[[], str], acme: Team, labs: Team) -> dict[str, Member]:
    """The service, which has a token that only reads as well, and three people, by their usernames."""
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


def holder(members: Mapping[str, Member], token: str, now: datetime) -> tuple[Member, Access] | None:
    """Whose token it is, and what it is good for; None for one never given, revoked or expired."""
    for member in members.values():
        access = member.tokens.get(token)
        if access is not None:
            return None if access.expires_at is not None and now >= access.expires_at else (member, access)
    return None
