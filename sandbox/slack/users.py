"""Users, user groups, and the organisation that several workspaces may belong to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class User:
    """A user; `deleted` after deactivation.

    `home` is their own workspace if it is another one: of another company (Slack Connect), or of the same organisation;
    `organisation` is the Enterprise Grid organisation of that workspace. A `single_channel` guest is also a `guest`. A
    `stranger` is of another company and in no channel that the app can see.
    """

    id: str
    name: str
    real_name: str
    zone: str = "Europe/Berlin"
    guest: bool = False
    single_channel: bool = False
    stranger: bool = False
    home: str = ""
    organisation: str = ""
    admin: bool = False
    owner: bool = False
    deleted: bool = False

    @property
    def workspace(self) -> str:
        """Return the user's own workspace if it is another one; "" otherwise."""
        return self.home or ("T0ELSEWHERE" if self.stranger else "")

    @property
    def email(self) -> str:
        """Return the e-mail address."""
        return f"{self.name}@example.com"

    @property
    def is_admin(self) -> bool:
        """Return whether the user is an admin or an owner."""
        return self.admin or self.owner


@dataclass
class UserGroup:
    """A user group; `date_delete` is when it was disabled, 0 if it is active."""

    id: str
    handle: str
    name: str
    users: list[str] = field(default_factory=list)
    description: str = ""
    date_delete: int = 0


@dataclass(frozen=True)
class Enterprise:
    """An Enterprise Grid organisation."""

    id: str
    name: str
