"""Bitrise's workspaces, their members and groups, and the available stacks. State only; no I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.bitrise.members import Member, Role
from sandbox.bitrise.state import App

CONCURRENCY = 5
STACKS: dict[str, dict[str, Any]] = {
    "linux-docker-android": {
        "id": "linux-docker-android",
        "title": "Ubuntu with Android SDK",
        "description": "For Android and cross-platform apps",
        "os": "linux",
        "os_version": 24,
        "status": "stable",
        "stack-report": "https://stacks.bitrise.io/stack_reports/linux-docker-android",
    },
    "osx-xcode-26": {
        "id": "osx-xcode-26",
        "title": "Xcode 26 on macOS",
        "description": "For apps of Apple's platforms",
        "os": "macos",
        "os_version": 26,
        "status": "stable",
        "stack-report": "https://stacks.bitrise.io/stack_reports/osx-xcode-26",
    },
}


@dataclass(frozen=True)
class BitriseWorkspace:
    """A workspace, the owner of some apps. The API calls it an organization."""

    slug: str
    name: str
    apps: Sequence[App]

    def members(self, all_members: Mapping[str, Member]) -> list[Member]:
        """Return the users with a role in one of its apps."""
        return [
            member
            for member in all_members.values()
            if member.is_person and any(map(member.can_see, self.apps))
        ]

    def owners(self, all_members: Mapping[str, Member]) -> list[Member]:
        """Return the users who own one of its apps."""
        return [
            member
            for member in self.members(all_members)
            if any(member.role_in(app) is Role.OWNER for app in self.apps)
        ]


def list_workspaces(apps: Sequence[App]) -> list[BitriseWorkspace]:
    """Return the workspaces that own these apps; their slugs are made from the names."""
    owners = dict.fromkeys(app.owner for app in apps)
    return [
        BitriseWorkspace(
            hashlib.sha256(owner.encode()).hexdigest()[:16],
            owner,
            [app for app in apps if app.owner == owner],
        )
        for owner in owners
    ]


def group_slug(workspace: BitriseWorkspace, role: Role) -> str:
    """Return the slug of the group of workspace members with this role."""
    return hashlib.sha256(f"{workspace.slug} {role.name}".encode()).hexdigest()[:16]
