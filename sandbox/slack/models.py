"""Contents of a workspace: messages, channels, open views and runs of workflow steps. State only."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

# Ids of the first workspace; every other one has its own (`Workspace.team` and so on).
TEAM = "T0SANDBOX"
TEAM_NAME = "Sandbox"
APP = "A0BUILDBELL"
BOT_USER = "U0BUILDBELL"
BOT_ID = "B0BUILDBELL"


@dataclass
class Post:
    """A message in a channel; with `only_for` it is ephemeral, for this user only."""

    ts: str
    user: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    thread_ts: str | None = None
    only_for: str | None = None
    broadcast: bool = False
    edited: bool = False
    by_bot: bool = False
    attachments: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    revision: int = 0
    selections: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    team: str = TEAM
    bot_id: str = BOT_ID
    # The subtype of a special message: `me_message`.
    subtype: str = ""
    # User ids by emoji name, in order.
    reactions: dict[str, list[str]] = field(default_factory=dict)
    # When it was pinned, in Unix seconds, and by whom.
    pinned: tuple[int, str] | None = None
    # The workflow step that posted it; its buttons belong to that step.
    execution: FunctionExecution | None = None

    def to_json(self, *, with_metadata: bool = False) -> dict[str, Any]:
        """Return the message as in the Web API and in payloads."""
        message: dict[str, Any] = {"type": "message", "user": self.user, "ts": self.ts, "text": self.text}
        if self.subtype:
            message["subtype"] = self.subtype
        if self.by_bot:
            message |= {"bot_id": self.bot_id, "app_id": APP, "team": self.team}
        if self.blocks:
            message["blocks"] = self.blocks
        for name in ("attachments", "files"):
            if value := getattr(self, name):
                message[name] = value
        if self.thread_ts:
            message["thread_ts"] = self.thread_ts
        if self.broadcast:
            message["subtype"] = "thread_broadcast"
        if self.edited:
            message["edited"] = {"user": self.user, "ts": self.ts}
        if self.reactions:
            message["reactions"] = [
                {"name": name, "users": list(users), "count": len(users)}
                for name, users in self.reactions.items()
            ]
        if with_metadata and self.metadata:
            message["metadata"] = self.metadata
        return message


@dataclass
class Channel:
    """A channel: public, private, or a direct message with the bot (`im_with` is the user)."""

    id: str
    name: str
    private: bool = False
    archived: bool = False
    im_with: str | None = None
    members: set[str] = field(default_factory=set)
    shared_outside: bool = False
    posts: list[Post] = field(default_factory=list)
    created: int = 1_700_000_000
    creator: str = ""
    topic: str = ""
    purpose: str = ""

    @property
    def kind(self) -> str:
        """Return `channel`, `group` or `im`, as in events."""
        return "im" if self.im_with else "group" if self.private else "channel"

    def find(self, ts: str) -> Post | None:
        """Return the message with this timestamp."""
        return next((post for post in self.posts if post.ts == ts), None)

    def replies_to(self, post: Post) -> list[Post]:
        """Return the replies of a thread that everybody can see."""
        return [item for item in self.posts if item.thread_ts == post.ts != item.ts and item.only_for is None]


# Default fields of a view in payloads and responses (docs.slack.dev, "View object").
VIEW_DEFAULTS: dict[str, Any] = {
    "private_metadata": "",
    "callback_id": "",
    "external_id": "",
    "submit": None,
    "close": None,
    "clear_on_close": False,
    "notify_on_close": False,
}


@dataclass
class OpenView:
    """A modal that a user has open, with its input so far."""

    id: str
    view: dict[str, Any]
    root_id: str
    previous_id: str | None = None
    hash: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    entered: dict[str, Any] = field(default_factory=dict)
    selections: dict[tuple[str, str], Any] = field(default_factory=dict)
    team: str = TEAM
    bot_id: str = BOT_ID
    # The workflow step that opened it.
    execution: FunctionExecution | None = None

    def show(self, view: dict[str, Any]) -> None:
        """Replace the view; input is kept for fields that still exist (views.update)."""
        remaining = {block_id for block_id, _ in _fields(self.view) & _fields(view)}
        self.entered = {block_id: value for block_id, value in self.entered.items() if block_id in remaining}
        self.view, self.hash, self.errors = view, new_hash(), {}

    def to_json(self) -> dict[str, Any]:
        """Return the view as in the Web API and in payloads."""
        return {
            "id": self.id,
            "team_id": self.team,
            "app_id": APP,
            "bot_id": self.bot_id,
            "hash": self.hash,
            "root_view_id": self.root_id,
            "previous_view_id": self.previous_id,
            "state": {"values": {}},
            "app_installed_team_id": self.team,
            **VIEW_DEFAULTS,
            **self.view,
        }


@dataclass
class FunctionExecution:
    """A run of a workflow step: the function's name, its inputs and its result."""

    id: str
    function: str
    inputs: dict[str, Any]
    outputs: dict[str, Any] | None = None
    error: str | None = None
    # The app's token for this step (docs.slack.dev, "Workflow tokens").
    token: str = ""

    @property
    def status(self) -> str:
        """Return `running`, `completed` or `failed`."""
        return "failed" if self.error is not None else "running" if self.outputs is None else "completed"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, without the token."""
        return {
            "id": self.id,
            "function": self.function,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "error": self.error,
        }


@dataclass(frozen=True)
class ScheduledMessage:
    """A scheduled message; `post_at` and `created` are in Unix seconds."""

    id: str
    channel: str
    post_at: int
    created: int
    post: Post


@dataclass(frozen=True)
class Upload:
    """The metadata of an uploaded file."""

    name: str
    alt: str = ""


def _fields(view: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the input fields of a view, as block ids and action ids."""
    return {
        (block["block_id"], block["element"].get("action_id", ""))
        for block in view["blocks"]
        if block["type"] == "input"
    }


def new_hash() -> str:
    """Return a new view hash."""
    return f"{int(time.time())}.{secrets.token_hex(4)}"
