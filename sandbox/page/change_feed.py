"""Changes for the page since its last update, as JSON of bounded size."""

from __future__ import annotations

import json
from typing import Any

from markdown_it import MarkdownIt

from sandbox.bitrise.state import Build
from sandbox.buildio.control import app_json
from sandbox.environment import SandboxEnvironment
from sandbox.slack.models import TEAM, Post

MAX_BUILDS = 12
MAX_APPS = 12
MAX_POSTS_PER_CHANNEL = 300
MAX_ENTRIES = 200
MAX_STEP_RUNS = 10

# Raw HTML in Markdown stays text.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


class ChangeFeed:
    """One page's view of a workspace."""

    def __init__(self, environment: SandboxEnvironment, team: str = TEAM) -> None:
        self._environment = environment
        self._workspace = environment.slack.workspaces[team].workspace
        self._revision = -1
        self._closed: dict[int, bool] = {}
        self._last: dict[str, str] = {}

    def next(self) -> dict[str, Any] | None:
        """Return the changes; None if there are none."""
        slack, workspace = self._environment.slack, self._workspace
        changes: dict[str, Any] = {}
        if self._revision < 0:
            changes["manifest"] = slack.manifest
            changes["team"] = workspace.team
            changes["bot"] = vars(workspace.bot)
        if posts := self._posts():
            changes["posts"] = posts
        if removed := [gone[1:] for gone in workspace.removed_posts if gone[0] > self._revision >= 0]:
            changes["removed"] = removed
        self._revision = workspace.revision
        if entries := self._entries():
            changes["entries"] = entries
        sections = {
            "workspaces": [
                {"team": team, "name": place.workspace.name} for team, place in slack.workspaces.items()
            ],
            "people": [vars(user) for user in workspace.users.values()],
            "groups": {group.id: group.handle for group in workspace.groups.values()},
            "channels": [
                {
                    "id": channel.id,
                    "name": channel.name,
                    "kind": channel.kind,
                    "im_with": channel.im_with,
                    "archived": channel.archived,
                    "has_bot": workspace.bot_user in channel.members,
                }
                for channel in workspace.channels.values()
            ],
            "views": {
                user: [
                    {"id": view.id, "view": view.view, "errors": view.errors, "filled": view.entered}
                    for view in stack
                ]
                for user, stack in workspace.views.items()
                if stack
            },
            "homes": workspace.homes,
            "apps": [
                {"slug": app.slug, "title": app.title, "branches": list(app.branches)}
                for app in self._environment.bitrise.state.apps
            ],
            "builds": [
                _build(build) for build in self._environment.bitrise.state.builds_newest_first()[:MAX_BUILDS]
            ],
            "buildio_apps": [app_json(app) for app in self._environment.buildio.state.apps[-MAX_APPS:]],
            "faults": [
                {"at": name, "match": fault.match, "kind": fault.kind, "times": fault.times}
                for name, faults in (
                    ("Slack", slack.api.faults),
                    ("Bitrise", self._environment.bitrise.faults),
                    ("Build.io", self._environment.buildio.faults),
                )
                for fault in faults.active
            ],
            "runs": [
                execution.to_json() | {"status": execution.status}
                for execution in [*workspace.executions.values()][-MAX_STEP_RUNS:]
            ],
            "violations": slack.violations[-20:],
            "violation_count": len(slack.violations),
            "connections": len(slack.sockets.connections),
        }
        for name, value in sections.items():
            if self._last.get(name) != (text := json.dumps(value, default=str)):
                self._last[name] = text
                changes[name] = value
        return changes or None

    def _posts(self) -> list[dict[str, Any]]:
        return [
            _post(post) | {"channel": channel.id}
            for channel in self._workspace.channels.values()
            for post in channel.posts[-MAX_POSTS_PER_CHANNEL:]
            if post.revision > self._revision
        ]

    def _entries(self) -> list[dict[str, Any]]:
        """Return new entries, and those that now have a response."""
        changed = []
        entries = list(self._environment.slack.request_log.entries)[-MAX_ENTRIES:]
        for entry in entries:
            closed = entry.seconds is not None
            if self._closed.get(entry.id) is not closed:
                self._closed[entry.id] = closed
                changed.append(entry.to_json())
        current_ids = {entry.id for entry in entries}
        self._closed = {name: closed for name, closed in self._closed.items() if name in current_ids}
        return changed


def _post(post: Post) -> dict[str, Any]:
    return {
        "ts": post.ts,
        "user": post.user,
        "text": post.text,
        "blocks": [_with_html(block) for block in post.blocks],
        "attachments": post.attachments,
        "files": post.files,
        "thread_ts": post.thread_ts,
        "only_for": post.only_for,
        "edited": post.edited,
        "by_bot": post.by_bot,
        "broadcast": post.broadcast,
        "reactions": post.reactions,
        "pinned": post.pinned is not None,
    }


def _with_html(block: dict[str, Any]) -> dict[str, Any]:
    return block | {"_html": _MARKDOWN.render(block["text"])} if block["type"] == "markdown" else block


def _build(build: Build) -> dict[str, Any]:
    return {
        "app": build.app.title,
        "number": build.number,
        "status": build.status_text,
        "branch": build.branch,
        "hangs": build.ends_as is None,
    }
