"""Who there is: people, user groups, and the organisation that several workspaces may belong to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class User:
    """Somebody with an account; `deleted` once they have left.

    `home` is the workspace that they are of, where it is another: of another company (Slack Connect), or of the same
    organisation; `organisation` is the Enterprise Grid organisation of that workspace. A `single_channel` guest is also
    a `guest`. A `stranger` is of another company, and in no channel that the app can see.
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
        """The workspace that they are of, where it is not this one; "" where it is."""
        return self.home or ("T0ELSEWHERE" if self.stranger else "")

    @property
    def email(self) -> str:
        """Their e-mail address."""
        return f"{self.name}@example.com"

    @property
    def is_admin(self) -> bool:
        """Whether they are an admin or an owner."""
        return self.admin or self.owner


@dataclass
class UserGroup:
    """A user group; `date_delete` is when it was disabled, 0 while it is not."""

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
