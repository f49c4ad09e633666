"""Members of the simulated Bitrise, with their tokens and roles. State only; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from sandbox.bitrise.state import App

TOKEN = "bitpat_sandbox-token-0000000000"  # noqa: S105 - simulated tokens, here and below
TESTER_TOKEN = "bitpat_sandbox-tester-0000000000"  # noqa: S105
ANNA_TOKEN = "bitpat_sandbox-anna-0000000000"  # noqa: S105
BEN_TOKEN = "bitpat_sandbox-ben-00000000000"  # noqa: S105
CARLA_TOKEN = "bitpat_sandbox-carla-000000000"  # noqa: S105


class Role(IntEnum):
    """A role on an app's team, in ascending order of permissions (Bitrise's documents, "Roles")."""

    TESTER = 1
    DEVELOPER = 2
    ADMIN = 3
    OWNER = 4


@dataclass(eq=False)
class Member:
    """A member. `roles` are by app slug, None for no role; `default_role` applies to all other apps."""

    username: str
    slug: str
    tokens: list[str] = field(repr=False)
    roles: dict[str, Role | None] = field(default_factory=dict)
    default_role: Role | None = None
    # Workspace tokens belong to no user; all others are personal (Bitrise's documents, "Workspace API token").
    is_person: bool = True

    def role_in(self, app: App) -> Role | None:
        """Return the member's role on the app's team; None without one."""
        return self.roles.get(app.slug, self.default_role)

    def roles_in(self, apps: Sequence[App]) -> dict[str, Role | None]:
        """Return the member's role in each app, by app title."""
        return {app.title: self.role_in(app) for app in apps}

    def can_see(self, app: App) -> bool:
        """Return whether the member can see the app."""
        return self.role_in(app) is not None

    @property
    def triggered_by(self) -> str | None:
        """Return `triggered_by` of builds that the member triggers.

        The documents do not define it for API calls; their examples have `manual-NAME`, the only form with a name, and
        null. Personal tokens get the first here, workspace tokens the second.
        """
        return f"manual-{self.username}" if self.is_person else None


def default_members(android: App, ios: App, web: App) -> dict[str, Member]:
    """Return two workspace tokens and three users, by username."""
    owner, developer, tester = Role.OWNER, Role.DEVELOPER, Role.TESTER
    members = (
        Member("api-demo", "0f00d000a0b0c0d0", [TOKEN], default_role=owner, is_person=False),
        Member("api-tester", "0f00d000a0b0c0d1", [TESTER_TOKEN], default_role=tester, is_person=False),
        Member(
            "anna-berg", "0f00d000a0b0c0d2", [ANNA_TOKEN], {app.slug: owner for app in (android, ios, web)}
        ),
        Member(
            "ben-okafor", "0f00d000a0b0c0d3", [BEN_TOKEN], {app.slug: developer for app in (android, ios)}
        ),
        Member("carla-ruiz", "0f00d000a0b0c0d4", [CARLA_TOKEN], {android.slug: tester}),
    )
    return {member.username: member for member in members}


def find_token_owner(members: Mapping[str, Member], token: str) -> Member | None:
    """Return the owner of a token; None if it is unknown or revoked."""
    return next((member for member in members.values() if token in member.tokens), None)
