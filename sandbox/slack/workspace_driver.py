"""A driver for one workspace, for tests and the sandbox: its state, its users' actions, and what they see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.request_log import RequestLog
from sandbox.slack.events import Events
from sandbox.slack.installations import Installations
from sandbox.slack.interaction_handles import InteractionHandles
from sandbox.slack.models import OpenView, Post
from sandbox.slack.rate_limits import RateLimits
from sandbox.slack.request_delivery import RequestDelivery
from sandbox.slack.transcript import message_text, modal_text, transcript
from sandbox.slack.user_actions import UserActions
from sandbox.slack.workspace import Workspace


class WorkspaceDriver:
    """One workspace: `users` acts as its users, `workspace` is the state."""

    def __init__(
        self,
        workspace: Workspace,
        delivery: RequestDelivery,
        request_log: RequestLog,
        manifest: Mapping[str, Any],
        installations: Installations,
        base_url: Callable[[], str],
    ) -> None:
        self.workspace = workspace
        self.handles = InteractionHandles(trigger_seconds=delivery.deadline_seconds)
        self.rate_limits = RateLimits()
        self.events = Events(workspace, delivery, manifest, lambda: installations.find(workspace))
        workspace.observer = self.events
        self.users = UserActions(
            workspace,
            delivery,
            self.handles,
            request_log,
            manifest,
            base_url,
            installations,
            self.events,
        )

    @property
    def default_user(self) -> str:
        """Return the default user: the first one who is not deactivated."""
        return next(user.name for user in self.workspace.users.values() if not user.deleted)

    def has(self, arguments: Mapping[str, Any]) -> bool:
        """Return whether a call's channel, user, trigger, view, step or file belongs to this workspace."""
        named = {name: str(arguments.get(name) or "") for name in _NAMES}
        if channel := named["channel"] or named["channel_id"]:
            return self.workspace.resolve_channel(channel) is not None
        if user_id := named["user"] or named["user_id"] or named["users"]:
            return user_id in self.workspace.users
        if named["trigger_id"]:
            return self.handles.has_trigger(named["trigger_id"])
        if named["view_id"]:
            return self.workspace.find_view(named["view_id"]) is not None
        if external := named["external_id"]:
            views = [view for stack in self.workspace.views.values() for view in stack]
            return any(view.view.get("external_id") == external for view in views)
        if named["function_execution_id"]:
            return named["function_execution_id"] in self.workspace.executions
        return any(name in named["files"] for name in self.workspace.files)

    def posts(self, channel: str, viewer: str | None = None) -> list[Post]:
        """Return the messages of a channel that the viewer can see; without one, those that everybody can see."""
        only = self.workspace.find_user(viewer).id if viewer else None
        return [post for post in self.workspace.find_channel(channel).posts if post.only_for in (None, only)]

    def message_text(self, post: Post) -> str:
        """Return the text of a message."""
        return message_text(post, self.workspace.mention_names)

    def transcript(self, channel: str, viewer: str) -> str:
        """Return a channel as a user sees it."""
        return transcript(
            self.workspace.find_channel(channel),
            self.workspace.find_user(viewer),
            self.workspace.mention_names,
        )

    def modal_text(self, opened: OpenView) -> str:
        """Return the text of a modal."""
        return modal_text(opened, self.workspace.mention_names)

    async def wait_for_post(
        self,
        channel: str,
        text: str,
        *,
        viewer: str | None = None,
        after: Post | None = None,
        seconds: float = 30,
    ) -> Post:
        """Wait for a message with this text, after another one if given, and return the newest. Raises TimeoutError."""

        def look() -> Post | None:
            seen = self.posts(channel, viewer)
            later = seen[seen.index(after) + 1 :] if after in seen else seen
            return next(
                (post for post in reversed(later) if post.by_bot and text in self.message_text(post)), None
            )

        try:
            return await self.workspace.wait_for(look, seconds, f"{text!r} in #{channel}")
        except TimeoutError as error:
            shown = "\n---\n".join(self.message_text(post) for post in self.posts(channel, viewer)[-5:])
            raise TimeoutError(f"{error}; there is:\n{shown}") from None

    async def wait_for_modal(self, user_name: str, text: str = "", *, seconds: float = 30) -> OpenView:
        """Wait for the user's modal with this text. Raises TimeoutError."""

        def look() -> OpenView | None:
            opened = self.users.modal(user_name)
            return opened if opened is not None and text in self.modal_text(opened) else None

        return await self.workspace.wait_for(look, seconds, f"a modal with {text!r} before {user_name}")

    async def wait_until_closed(self, user_name: str, *, seconds: float = 30) -> None:
        """Wait until the user has no open modal. Raises TimeoutError."""
        await self.workspace.wait_for(
            lambda: True if self.users.modal(user_name) is None else None, seconds, "the modal to close"
        )


_NAMES = (
    "channel",
    "channel_id",
    "user",
    "user_id",
    "users",
    "trigger_id",
    "view_id",
    "external_id",
    "function_execution_id",
    "files",
)
