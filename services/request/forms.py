"""Forms: a class for each says what it asks, how it is read and what it does. `Form` opens it and replies in time.

A trigger_id expires after three seconds, and a submission is acknowledged within them (Slack's rules, "Answering").
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Generic, Self, TypeVar

import structlog
from slack_bolt.async_app import AsyncAck

from domain.commands.errors import CommandError, UserError
from domain.message import Block
from domain.provider import Provider
from domain.provider_errors import Forbidden, NotConnected, RequestRejected
from domain.redaction.redactor import redact
from messages import notices
from messages.kit import views
from messages.kit.button_values import ButtonValue
from messages.kit.views import FormValues, ViewMetadata
from services.container import Services
from services.request.context import Reply, RequestContext, Visibility
from services.request.error_messages import sentence_for
from services.request.request_tracker import start_once, wait_for_acknowledgement
from services.request.responder import ChannelResponder, send_reply, show_if_slow
from services.slack.errors import SlackCallFailed
from services.slack.interaction_payloads import SubmissionPayload

log = structlog.get_logger()

OriginT = TypeVar("OriginT", bound=ViewMetadata | ButtonValue)
InputT = TypeVar("InputT")
ResultT = TypeVar("ResultT")

# Slack waits three seconds for the response (Slack's rules, "Answering"); slower work is shown as in progress.
PATIENCE_SECONDS = 1.5
# The time for everything that a form waits for before it is opened; the rest is for the network, both ways.
OPENING_SECONDS = 1.5
# The longest error at a field (Slack's rules, "Sizes": as long as a label).
LONGEST_ERROR = 2000


class FieldError(UserError):
    """The input of a field is not valid; `field` is its block id. `problems` has all such fields."""

    def __init__(self, field: str, words: str, problems: Mapping[str, str] | None = None) -> None:
        super().__init__(words)
        self.field = field
        self.problems = problems or {field: words}


class CheckedInput(ABC):
    """The input of a form that can say what is wrong with it before anything is done."""

    @property
    @abstractmethod
    def problems(self) -> Mapping[str, str]:
        """What is wrong, by field."""

    def check(self) -> None:
        """Check that nothing is wrong. Raises FieldError."""
        if problems := self.problems:
            raise FieldError(*next(iter(problems.items())), problems)


class FollowUp(Enum):
    """The change to a modal after a quick submission; a slow one always shows its result."""

    CLOSED = "the modal is closed"
    REPLACED = "another modal replaces it"
    COVERED = "another modal is pushed on top of it"


@dataclass(frozen=True)
class FormSubmission:
    """A submitted form; `values` is its input, `metadata` the private metadata that the bot sent with it."""

    ack: AsyncAck
    context: RequestContext
    view_id: str
    values: FormValues
    metadata: str

    @classmethod
    def of(cls, payload: SubmissionPayload, services: Services, ack: AsyncAck) -> Self:
        """Read the submission."""
        view = payload.view
        return cls(
            ack=ack,
            context=RequestContext.of(payload, services),
            view_id=view.id,
            values=view.values,
            metadata=view.private_metadata,
        )


FormHandler = Callable[[FormSubmission], Awaitable[None]]


@dataclass
class Form(ABC, Generic[OriginT, InputT, ResultT]):
    """A form as it is opened or was submitted: what it is about (`origin`), its input, and what it does.

    A subclass reads both from what Slack sends, and its submission has a `ResultT`. `callback_id`, the ids in the view
    and the private metadata are public. `follow_up` says what happens to the modal after a quick submission.
    `is_refusal_final`: after a refusal by the provider the form is replaced, because trying again does not help.
    """

    callback_id: ClassVar[str]
    follow_up: ClassVar[FollowUp] = FollowUp.CLOSED
    is_refusal_final: ClassVar[bool] = False

    context: RequestContext
    origin: OriginT
    filled: InputT

    # Not abstract: a form whose input depends on its origin overrides `read` instead.
    @staticmethod
    def read_origin(metadata: str, /) -> OriginT:
        """Read the private metadata. Raises InvalidButtonValue."""
        raise NotImplementedError

    @staticmethod
    def read_input(values: FormValues, /) -> InputT:
        """Read the input. Raises FieldError."""
        raise NotImplementedError

    @classmethod
    def read(cls, submission: FormSubmission) -> Self:
        """Read the submitted form. Raises FieldError, which is shown at its fields at once, and InvalidButtonValue."""
        return cls(
            submission.context, cls.read_origin(submission.metadata), cls.read_input(submission.values)
        )

    @abstractmethod
    def render(self, problem: str | None = None) -> Block:
        """Draw the form with its input; `problem` is shown above it."""

    @abstractmethod
    async def submit(self) -> ResultT:
        """Do what the form is for. Raises FieldError and other errors, which are shown in the form."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The title of the modal while the submission is in progress, and after it."""

    @property
    def error_field(self) -> str | None:
        """The block id of the field that shows errors that name no field; None: they are shown above the form."""
        return None

    @property
    def progress(self) -> str:
        """The sentence that is shown while the submission takes long."""
        return "One moment…"

    @property
    def success(self) -> str | None:
        """The sentence that is shown after it took long; None: the reply is shown."""
        return None

    def draw(self, *blocks: Block, submit: str, close: str = "Cancel", problem: str | None = None) -> Block:
        """Return the modal with these blocks, and the problem above them."""
        return views.modal(
            self.title,
            [*views.warning(problem), *blocks],
            callback_id=self.callback_id,
            private_metadata=self.origin.encode(),
            submit=submit,
            close=close,
        )

    def render_progress(self) -> Block:
        """Draw the modal while the submission takes long."""
        return notices.notice_modal(self.title, f"⏳ {self.progress}")

    def render_result(self, result: ResultT) -> Block | None:
        """Draw the modal after the submission; None: leave it as it is."""
        if self.success is None and isinstance(result, Reply):
            return views.shown_in_modal(self.title, result.message)
        done = self.success or "✅ Done. Its message is updated until it finishes."
        return notices.notice_modal(self.title, done)

    def render_error(self, problem: str) -> Block:
        """Draw the modal after an error that is shown at no field: the form, with its input."""
        return self.render(problem)

    def render_refusal(self, problem: str) -> Block:
        """Draw the modal after a final refusal."""
        return notices.notice_modal(self.title, f"⚠️ {problem}")

    def find_field(self, problem: BaseException) -> str | None:
        """Return the block id of the field that the error is about."""
        return problem.field if isinstance(problem, FieldError) else self.error_field

    async def finish(self, result: ResultT) -> None:
        """Post the reply in the form's channel, or to the user if the bot can't post there."""
        if not isinstance(result, Reply):
            return
        try:
            await send_reply(result, ChannelResponder(self.context))
        except SlackCallFailed as error:
            log.info("form.not_told", reason=error.reason)
            await ChannelResponder(self.context.in_channel(""))(result)

    async def open(self) -> None:
        """Open the form. Raises UserError if that is not possible here, SlackCallFailed."""
        _check_can_open(self.context)
        await self.context.open_view(self.render())

    @classmethod
    async def handle(cls, submission: FormSubmission) -> None:
        """Check the input, submit the form, show its progress or its errors in the modal, and post its reply."""
        try:
            form = cls.read(submission)
            if isinstance(form.filled, CheckedInput):
                form.filled.check()
        except FieldError as error:
            await submission.ack(response_action="errors", errors=dict(error.problems))
            return

        async def show_progress() -> None:
            await submission.ack(response_action="update", view=form.render_progress())

        task = asyncio.create_task(form._start_and_submit())
        if not await show_if_slow(task, PATIENCE_SECONDS, show_progress):
            await form._respond_at_once(task, submission.ack)
        else:
            # A late acknowledgement would replace a view that was updated before it.
            await wait_for_acknowledgement()
            await form._show_result(task, submission.view_id)
        if task.exception() is None:
            await form.finish(task.result())

    async def _start_and_submit(self) -> ResultT:
        """Submit the form once there is a free place; meanwhile the user is shown that it is in progress."""
        await start_once()
        return await self.submit()

    async def _respond_at_once(self, task: asyncio.Task[ResultT], ack: AsyncAck) -> None:
        problem = task.exception()
        if problem is not None:
            if (field := self.find_field(problem)) is None:
                await ack(response_action="update", view=self._view_after(problem))
            else:
                # An error at the field keeps the modal open with its input.
                await ack(response_action="errors", errors={field: plain_error_text(problem)[:LONGEST_ERROR]})
        elif (
            self.follow_up is not FollowUp.CLOSED and (view := self.render_result(task.result())) is not None
        ):
            await ack(response_action="push" if self.follow_up is FollowUp.COVERED else "update", view=view)
        else:
            await ack()

    async def _show_result(self, task: asyncio.Task[ResultT], view_id: str) -> None:
        problem = task.exception()
        view = self.render_result(task.result()) if problem is None else self._view_after(problem)
        if view is None:
            return
        try:
            await self.context.update_view(view_id, view)
        except SlackCallFailed as error:
            log.info("modal.gone", reason=error.reason)  # the person has closed it
            if problem is not None:
                await self._send_error(problem)

    def _view_after(self, problem: BaseException) -> Block:
        is_final = self.is_refusal_final and isinstance(problem, RequestRejected | Forbidden)
        return (self.render_refusal if is_final else self.render_error)(plain_error_text(problem))

    async def _send_error(self, problem: BaseException) -> None:
        """Send the error as a direct message, because the modal is closed."""
        message = notices.error_message(f"{self.title}: {sentence_for(problem)}")
        reply = Reply(message, Visibility.ONE_PERSON)
        try:
            await ChannelResponder(self.context.in_channel(""))(reply)
        except SlackCallFailed as error:
            log.warning("modal.not_told", reason=error.reason)


def handlers_of(*forms: type[Form[Any, Any, Any]]) -> Mapping[str, FormHandler]:
    """Return the forms' handlers by callback_id, for `Interactions.forms`."""
    return {form.callback_id: form.handle for form in forms}


def opening_deadline() -> float:
    """Return the time of the event loop, in seconds, by which a form that is requested now has to be opened."""
    return asyncio.get_running_loop().time() + OPENING_SECONDS


async def open_in_time(
    loading: Coroutine[Any, Any, Form[Any, Any, Any]],
    context: RequestContext,
    title: str,
    *,
    until: float | None = None,
) -> None:
    """Open the form once it is loaded; if that takes long, open a placeholder first and show errors in it.

    `until` is the deadline, if part of the time has passed already. Raises SlackCallFailed, and what the loading raises
    before the deadline.
    """
    view_id = ""

    async def render() -> Block:
        return (await loading).render()

    async def open_placeholder() -> None:
        nonlocal view_id
        view_id = await context.open_view(notices.notice_modal(title, "⏳ One moment…"))

    task = asyncio.create_task(render())
    remaining = (until or opening_deadline()) - asyncio.get_running_loop().time()
    if not await show_if_slow(task, remaining, open_placeholder):
        await context.open_view(task.result())
        return
    problem = task.exception()
    view = notices.notice_modal(title, plain_error_text(problem)) if problem is not None else task.result()
    try:
        await context.update_view(view_id, view)
    except SlackCallFailed as error:
        log.info("form.gone", reason=error.reason)  # the person has closed it


async def open_or_offer(
    load: Callable[[], Coroutine[Any, Any, Form[Any, Any, Any]]],
    context: RequestContext,
    title: str,
    button: Reply,
) -> Reply | None:
    """Open the form once it is loaded, or return the reply with the button that opens it if none can be opened here.

    Raises SlackCallFailed, and what the loading raises.
    """
    if not context.trigger_id:
        return button
    await open_in_time(load(), context, title)
    return None


async def check_may_act(context: RequestContext, provider: Provider, until: float | None = None) -> None:
    """Check that a form can be opened here, and that the user may act at the provider, if that is known in time.

    `until` is the deadline, if part of the time has passed already. The submission is checked again.
    Raises UserError, NotConnected, or the reason why their account does not work.
    """
    _check_can_open(context)
    try:
        async with asyncio.timeout_at(until or opening_deadline()):
            if not await context.may_act(provider):
                # For an account that the provider refuses, this says why.
                raise await context.visible_apps(provider).why_limited() or NotConnected(provider=provider)
    except TimeoutError:
        log.info("form.account_not_known")


def _check_can_open(context: RequestContext) -> None:
    """Check that Slack lets the bot open a form here. Raises UserError."""
    if not context.trigger_id:
        raise UserError("Slack opens dialogs only from slash commands, buttons and shortcuts.")


def plain_error_text(problem: BaseException) -> str:
    """Return the error as plain text for a field or a modal, which would show backticks."""
    text = redact(problem.in_form) if isinstance(problem, CommandError) else sentence_for(problem)
    return text.replace("`", "")
