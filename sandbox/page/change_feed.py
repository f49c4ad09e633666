"""What has changed since a page last heard of it, as JSON; bounded, however long the sandbox lives."""

from __future__ import annotations

import json
from typing import Any

from markdown_it import MarkdownIt

from sandbox.bitrise.state import Build
from sandbox.buildio.control import app_json
from sandbox.environment import SandboxEnvironment
from sandbox.slack.workspace import TEAM, Post

BUILDS_SHOWN = 12
APPS_SHOWN = 12
POSTS_A_CHANNEL = 300
ENTRIES_SHOWN = 200
RUNS_SHOWN = 10

# Raw HTML in Markdown stays text.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


class ChangeFeed:
    """One page's view of a stage, in one of its workspaces."""

    def __init__(self, stage: SandboxEnvironment, team: str = TEAM) -> None:
        self._stage = stage
        self._workspace = stage.slack.workplaces[team].workspace
        self._revision = -1
        self._closed: dict[int, bool] = {}
        self._last: dict[str, str] = {}

    def next(self) -> dict[str, Any] | None:
        """The news; None where there is none."""
        slack, workspace = self._stage.slack, self._workspace
        news: dict[str, Any] = {}
        if self._revision < 0:
            news["manifest"] = slack.manifest
            news["team"] = workspace.team
            news["bot"] = vars(workspace.bot)
        if posts := self._posts():
            news["posts"] = posts
        if removed := [gone[1:] for gone in workspace.removed if gone[0] > self._revision >= 0]:
            news["removed"] = removed
        self._revision = workspace.revision
        if entries := self._entries():
            news["entries"] = entries
        whole = {
            "workspaces": [
                {"team": team, "name": place.workspace.name} for team, place in slack.workplaces.items()
            ],
            "people": [vars(person) for person in workspace.people.values()],
            "groups": {one.id: one.handle for one in workspace.groups.values()},
            "channels": [
                {
                    "id": one.id,
                    "name": one.name,
                    "kind": one.kind,
                    "im_with": one.im_with,
                    "archived": one.archived,
                    "has_bot": workspace.bot_user in one.members,
                }
                for one in workspace.channels.values()
            ],
            "views": {
                person: [
                    {"id": one.id, "view": one.view, "errors": one.errors, "filled": one.filled}
                    for one in stack
                ]
                for person, stack in workspace.views.items()
                if stack
            },
            "homes": workspace.homes,
            "apps": [
                {"slug": app.slug, "title": app.title, "branches": list(app.branches)}
                for app in self._stage.bitrise.farm.apps
            ],
            "builds": [_build(one) for one in self._stage.bitrise.farm.newest_first()[:BUILDS_SHOWN]],
            "platform": [app_json(app) for app in self._stage.buildio.platform.apps[-APPS_SHOWN:]],
            "faults": [
                {"at": name, "match": one.match, "kind": one.kind, "times": one.times}
                for name, faults in (
                    ("Slack", slack.api.faults),
                    ("Bitrise", self._stage.bitrise.faults),
                    ("Build.io", self._stage.buildio.faults),
                )
                for one in faults.active
            ],
            "runs": [
                one.as_json() | {"status": one.status} for one in [*workspace.runs.values()][-RUNS_SHOWN:]
            ],
            "violations": slack.violations[-20:],
            "broken": len(slack.violations),
            "connections": len(slack.sockets.connections),
        }
        for name, value in whole.items():
            if self._last.get(name) != (text := json.dumps(value, default=str)):
                self._last[name] = text
                news[name] = value
        return news or None

    def _posts(self) -> list[dict[str, Any]]:
        return [
            _post(post) | {"channel": channel.id}
            for channel in self._workspace.channels.values()
            for post in channel.posts[-POSTS_A_CHANNEL:]
            if post.revision > self._revision
        ]

    def _entries(self) -> list[dict[str, Any]]:
        """Entries that are new, or have got their answer."""
        found = []
        entries = list(self._stage.slack.journal.entries)[-ENTRIES_SHOWN:]
        for entry in entries:
            closed = entry.seconds is not None
            if self._closed.get(entry.id) is not closed:
                self._closed[entry.id] = closed
                found.append(entry.as_json())
        kept = {entry.id for entry in entries}
        self._closed = {name: closed for name, closed in self._closed.items() if name in kept}
        return found


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
