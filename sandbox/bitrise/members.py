"""Who may ask the simulated Bitrise, and what each may see and do. State alone; no I/O."""

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
    """What somebody is on an app's team; each may do what those before it may (Bitrise's documents, "Roles")."""

    TESTER = 1
    DEVELOPER = 2
    ADMIN = 3
    OWNER = 4


@dataclass(eq=False)
class Member:
    """Somebody at Bitrise. `roles` are by an app's slug, None for no part in it; `everywhere` holds for the others."""

    username: str
    slug: str
    tokens: list[str] = field(repr=False)
    roles: dict[str, Role | None] = field(default_factory=dict)
    everywhere: Role | None = None
    # A workspace's tokens act for nobody in particular; all others are a person's own (Bitrise's documents,
    # "Workspace API token").
    is_person: bool = True

    def role_in(self, app: App) -> Role | None:
        """The member's role on the app's team; None for none."""
        return self.roles.get(app.slug, self.everywhere)

    def roles_in(self, apps: Sequence[App]) -> dict[str, Role | None]:
        """The member's role in each of these apps, by its title."""
        return {app.title: self.role_in(app) for app in apps}

    def sees(self, app: App) -> bool:
        """Whether the app is there at all for the member."""
        return self.role_in(app) is not None

    @property
    def as_starter(self) -> str | None:
        """Bitrise's `triggered_by` for what the member starts.

        The documents do not say what a start over the API shows; their examples have `manual-NAME`, the one form
        that names somebody, and null. A person's own token gives the first here, a workspace's the second.
        """
        return f"manual-{self.username}" if self.is_person else None


def usual_members(android: App, ios: App, web: App) -> dict[str, Member]:
    """Two tokens of the workspace's and three people, by their usernames."""
    owner, developer, tester = Role.OWNER, Role.DEVELOPER, Role.TESTER
    members = (
        Member("api-demo", "0f00d000a0b0c0d0", [TOKEN], everywhere=owner, is_person=False),
        Member("api-tester", "0f00d000a0b0c0d1", [TESTER_TOKEN], everywhere=tester, is_person=False),
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
    """Whose token it is; None for one that was never given or is revoked."""
    return next((member for member in members.values() if token in member.tokens), None)
