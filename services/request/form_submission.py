"""A submitted form: run it while the user waits, and reply in the channel where it was opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import structlog
from slack_bolt.async_app import AsyncAck

from domain.message import Block
from messages import notices
from messages.kit import views
from services.container import Services
from services.request.context import Reply, RequestContext
from services.request.forms import FieldError, SubmissionFlow, T, run_submission
from services.request.responder import ChannelResponder
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()


@dataclass(frozen=True)
class FormSubmission:
    """A submitted form; `values` is its input, `metadata` the private metadata that the bot sent with it."""

    ack: AsyncAck
    context: RequestContext
    view_id: str
    values: dict[str, Any]
    metadata: str

    @classmethod
    def in_body(cls, body: Mapping[str, Any], services: Services, ack: AsyncAck) -> Self:
        """Read a view_submission payload."""
        view = body["view"]
        return cls(
            ack=ack,
            context=RequestContext.in_body(body, services),
            view_id=view["id"],
            values=view["state"]["values"],
            metadata=view.get("private_metadata") or "",
        )

    async def report_field_errors(self, problems: Mapping[str, str]) -> bool:
        """Show the problems at their fields; return whether there are any."""
        if problems:
            await self.ack(response_action="errors", errors=dict(problems))
        return bool(problems)

    async def run(self, work: Coroutine[Any, Any, T], flow: SubmissionFlow[T]) -> T | None:
        """Run the work and show its progress in the modal; return the result, None if it failed."""
        return await run_submission(work, flow, ack=self.ack, context=self.context, view_id=self.view_id)

    async def run_and_reply(
        self, work: Coroutine[Any, Any, Reply | None], flow: SubmissionFlow[Reply | None]
    ) -> None:
        """Run the work and post its reply in the channel, or to the user if the bot can't post there."""
        reply = await self.run(work, flow)
        if reply is None:
            return
        try:
            await ChannelResponder(self.context)(reply)
        except SlackCallFailed as error:
            log.info("form.not_told", reason=error.reason)
            await ChannelResponder(replace(self.context, channel=""))(reply)


FormHandler = Callable[[FormSubmission], Awaitable[None]]


def submission_flow(
    title: str, waiting: str, again: Callable[[str], Block], *, field: str | None
) -> SubmissionFlow[Reply | None]:
    """Return the flow of a form that can always be submitted again; `field` shows errors that name no field."""
    return SubmissionFlow(
        waiting=notices.notice_modal(title, f"⏳ {waiting}"),
        done=lambda reply: (
            views.shown_in_modal(title, reply.message)
            if reply is not None
            else notices.notice_modal(title, "✅ Done. The message about it follows it to its end.")
        ),
        again=again,
        # The input can be corrected, so it stays in the form whoever refused it.
        refused=again,
        field_of=None if field is None else lambda problem: _field_of(problem, field),
    )


def _field_of(problem: BaseException, field: str) -> str:
    return problem.field if isinstance(problem, FieldError) else field
