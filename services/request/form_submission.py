"""A form that somebody has submitted: done while they watch, and told where it was opened."""

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
    """What Slack sends of it; `values` is what was filled in, `metadata` what we sent along."""

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
        """Say at the fields what is wrong with what was filled in, if anything is."""
        if problems:
            await self.ack(response_action="errors", errors=dict(problems))
        return bool(problems)

    async def run(self, doing: Coroutine[Any, Any, T], course: SubmissionFlow[T]) -> T | None:
        """Do it, and let the person see how it goes; returns what came of it, None where it failed."""
        return await run_submission(doing, course, ack=self.ack, context=self.context, view_id=self.view_id)

    async def run_and_reply(
        self, doing: Coroutine[Any, Any, Reply | None], course: SubmissionFlow[Reply | None]
    ) -> None:
        """The same, of what is told in the channel once it is done; to the person, where I may not write there."""
        said = await self.run(doing, course)
        if said is None:
            return
        try:
            await ChannelResponder(self.context)(said)
        except SlackCallFailed as error:
            log.info("form.not_told", reason=error.reason)
            await ChannelResponder(replace(self.context, channel=""))(said)


FormHandler = Callable[[FormSubmission], Awaitable[None]]


def submission_flow(
    title: str, waiting: str, again: Callable[[str], Block], *, field: str | None
) -> SubmissionFlow[Reply | None]:
    """How a form goes that can always be submitted again; `field` is where problems stand that name none."""
    return SubmissionFlow(
        waiting=notices.notice_modal(title, f"⏳ {waiting}"),
        done=lambda said: (
            views.shown_in_modal(title, said.message)
            if said is not None
            else notices.notice_modal(title, "✅ Done. The message about it follows it to its end.")
        ),
        again=again,
        # What was typed can be mended: it stays there, whoever refused it.
        refused=again,
        field_of=None if field is None else lambda problem: _field_of(problem, field),
    )


def _field_of(problem: BaseException, field: str) -> str:
    return problem.field if isinstance(problem, FieldError) else field
