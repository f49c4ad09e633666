"""Bitrise's workspaces, their members and groups, and the stacks that there are. State alone; no I/O."""

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
    """A workspace: the owner of some apps. The API calls it an organization."""

    slug: str
    name: str
    apps: Sequence[App]

    def members(self, everybody: Mapping[str, Member]) -> list[Member]:
        """The people who have a part in one of its apps."""
        return [one for one in everybody.values() if one.is_person and any(map(one.sees, self.apps))]

    def owners(self, everybody: Mapping[str, Member]) -> list[Member]:
        """Those of them who own one of its apps."""
        return [
            one for one in self.members(everybody) if any(one.role_in(app) is Role.OWNER for app in self.apps)
        ]


def workspaces_of(apps: Sequence[App]) -> list[BitriseWorkspace]:
    """The workspaces that own these apps, each with a slug made of its name."""
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
    """The slug of the group of a workspace's people with this role."""
    return hashlib.sha256(f"{workspace.slug} {role.name}".encode()).hexdigest()[:16]
