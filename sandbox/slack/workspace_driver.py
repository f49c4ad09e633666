"""One workspace as tests and people meet it: its state, the people who act in it, and what they see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.request_log import RequestLog
from sandbox.slack.events import Events
from sandbox.slack.installations import Installations
from sandbox.slack.interaction_handles import InteractionHandles
from sandbox.slack.rate_limits import RateLimits
from sandbox.slack.request_delivery import RequestDelivery
from sandbox.slack.transcript import message_text, modal_text, transcript
from sandbox.slack.user_actions import UserActions
from sandbox.slack.workspace import OpenView, Post, Workspace


class WorkspaceDriver:
    """A workspace with everything that is its own: `people` acts, `workspace` is the state."""

    def __init__(
        self,
        workspace: Workspace,
        delivery: RequestDelivery,
        journal: RequestLog,
        manifest: Mapping[str, Any],
        installations: Installations,
        base_url: Callable[[], str],
    ) -> None:
        self.workspace = workspace
        self.handles = InteractionHandles(trigger_seconds=delivery.deadline_seconds)
        self.rates = RateLimits()
        self.events = Events(workspace, delivery, manifest, lambda: installations.of(workspace))
        workspace.observer = self.events
        self.people = UserActions(
            workspace,
            delivery,
            self.handles,
            journal,
            manifest,
            base_url,
            installations,
            self.events,
        )

    @property
    def some_person(self) -> str:
        """Whoever is meant where nobody is named: the first one who is still there."""
        return next(one.name for one in self.workspace.people.values() if not one.deleted)

    def has(self, arguments: Mapping[str, Any]) -> bool:
        """Whether something that a call names is here: a channel, a person, a trigger, a view, a step's run."""
        named = {name: str(arguments.get(name) or "") for name in _NAMES}
        if channel := named["channel"] or named["channel_id"]:
            return self.workspace.resolve(channel) is not None
        if person := named["user"] or named["user_id"] or named["users"]:
            return person in self.workspace.people
        if named["trigger_id"]:
            return self.handles.knows_trigger(named["trigger_id"])
        if named["view_id"]:
            return self.workspace.find_view(named["view_id"]) is not None
        if external := named["external_id"]:
            views = [one for stack in self.workspace.views.values() for one in stack]
            return any(one.view.get("external_id") == external for one in views)
        if named["function_execution_id"]:
            return named["function_execution_id"] in self.workspace.runs
        return any(name in named["files"] for name in self.workspace.files)

    def posts(self, channel: str, viewer: str | None = None) -> list[Post]:
        """The messages of a channel that a person sees; without one, those that everybody sees."""
        only = self.workspace.person(viewer).id if viewer else None
        return [post for post in self.workspace.channel(channel).posts if post.only_for in (None, only)]

    def message_text(self, post: Post) -> str:
        """What a message says."""
        return message_text(post, self.workspace.names)

    def transcript(self, channel: str, viewer: str) -> str:
        """A channel as a person sees it."""
        return transcript(
            self.workspace.channel(channel), self.workspace.person(viewer), self.workspace.names
        )

    def modal_text(self, opened: OpenView) -> str:
        """What a modal says."""
        return modal_text(opened, self.workspace.names)

    async def wait_for_post(
        self,
        channel: str,
        text: str,
        *,
        viewer: str | None = None,
        after: Post | None = None,
        seconds: float = 30,
    ) -> Post:
        """The newest message that says this, once there is one (after another one). Raises TimeoutError."""

        def look() -> Post | None:
            seen = self.posts(channel, viewer)
            later = seen[seen.index(after) + 1 :] if after in seen else seen
            return next(
                (post for post in reversed(later) if post.by_bot and text in self.message_text(post)), None
            )

        try:
            return await self.workspace.wait_for(look, seconds, f"{text!r} in #{channel}")
        except TimeoutError as error:
            there = "\n---\n".join(self.message_text(post) for post in self.posts(channel, viewer)[-5:])
            raise TimeoutError(f"{error}; there is:\n{there}") from None

    async def wait_for_modal(self, person: str, text: str = "", *, seconds: float = 30) -> OpenView:
        """The person's modal, once it says this. Raises TimeoutError."""

        def look() -> OpenView | None:
            opened = self.people.modal(person)
            return opened if opened is not None and text in self.modal_text(opened) else None

        return await self.workspace.wait_for(look, seconds, f"a modal with {text!r} before {person}")

    async def wait_until_closed(self, person: str, *, seconds: float = 30) -> None:
        """Wait until the person has no modal any more. Raises TimeoutError."""
        await self.workspace.wait_for(
            lambda: True if self.people.modal(person) is None else None, seconds, "the modal to close"
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
