"""Actions on builds: abort, start, start again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import structlog

from domain.access_policy import Permission
from domain.action import present_values
from domain.build import App, Build, PipelineRef
from domain.build_author import slack_user
from domain.commands.errors import UserError
from domain.commands.shared_commands import TriggerBuild
from domain.git_refs import branch_name
from domain.redaction.redactor import redact
from messages import pipeline_card
from providers.bitrise.action_base import BitriseAction, BuildAction, BuildTarget
from providers.bitrise.api.access import own_client
from providers.bitrise.api.requests import AbortRequest, TriggeredBuild, TriggerRequest
from providers.bitrise.builds import messages as build_messages
from providers.bitrise.builds.build_params import (
    audited_params,
    find_branch_and_workflow,
    is_pushed,
    params_details,
)
from providers.bitrise.provider import BITRISE
from services.actions.action import ActionResult
from services.features.builds.started_runs import follow_build, follow_pipeline
from services.request.context import Reply, RequestContext, Visibility

log = structlog.get_logger()


class AbortBuildAction(BuildAction):
    """Abort a build."""

    permission: ClassVar = Permission.ABORT
    act: Literal["abort"] = "abort"
    order: AbortRequest

    def reason(self) -> str | None:
        """Return the reason that the user gave."""
        return self.order.reason

    def audit_fields(self) -> dict[str, str]:
        """Return the build and the switches that are on."""
        return super().audit_fields() | abort_switches(self.order)

    def summary(self) -> str:
        """Return which build is aborted, and whether it will count as a success."""
        return f"abort {self.app.title} {self.build.label}{as_success(self.order)}"

    def details(self) -> list[tuple[str, str]]:
        """Return the build and the order."""
        return [*super().details(), *abort_details(self.order)]

    async def execute(self, context: RequestContext) -> ActionResult:
        """Abort the build. Raises BuildAlreadyFinished or another ProviderError."""
        bitrise = own_client(context)
        build = await bitrise.build(self.app.slug, self.build.slug)
        await bitrise.abort(self.app.slug, build.slug, await sign_order(self.order, context))
        message = build_messages.build_aborted(build, self.app, by=context.person, order=self.order)
        outputs = _outputs(self.app, build.slug, build.number, build.url)
        return ActionResult(Reply(message, Visibility.CHANNEL), outputs)


def abort_details(order: AbortRequest) -> list[tuple[str, str]]:
    """Return everything of an order, for the approver."""
    switches = {
        "counts as success": order.with_success,
        "no notifications": order.skip_notifications,
        "no Git status": order.skip_git_status_report,
    }
    details = present_values(reason=order.reason)
    return details + [(name, "yes") for name, is_on in switches.items() if is_on]


def abort_switches(order: AbortRequest) -> dict[str, str]:
    """Return the switches of an order that are on, for the audit log."""
    switches = order.model_dump(exclude={"reason"})
    return {name: "true" for name, is_on in switches.items() if is_on}


def as_success(order: AbortRequest) -> str:
    """Return the end of the summary of an abort."""
    return " and count it as success" if order.with_success else ""


async def sign_order(order: AbortRequest, context: RequestContext) -> AbortRequest:
    """Add the user's name to the reason if the bot's token is used: Bitrise would show the token's owner."""
    if not await context.acts_with_service_token(BITRISE):
        return order
    signature = f"{await context.display_name()} via Slack"
    reason = f"{order.reason} ({signature})" if order.reason else signature
    return order.model_copy(update={"reason": reason})


class TriggerBuildAction(BitriseAction):
    """Start a build; `remember`: prefill the form with these values next time."""

    not_shown: ClassVar[Mapping[str, str]] = {
        "ask.app": "what was typed for the app, which stands there as it was found",
        "remember": "not sent: it only fills in the form the next time",
    }
    permission: ClassVar = Permission.TRIGGER
    act: Literal["trigger"] = "trigger"
    ask: TriggerBuild
    remember: bool = True

    def normalized(self) -> Self:
        """Return the action with names as Git writes them. Raises InvalidBranch."""
        ask = self.ask
        names = {
            "tag": _strip(ask.tag),
            "commit": _strip(ask.commit),
            "workflow": _strip(ask.workflow),
            "pipeline": _strip(ask.pipeline),
            "branch": branch_name(ask.branch) if ask.branch is not None else None,
        }
        return self.model_copy(update={"ask": ask.model_copy(update=names)})

    def branch_and_workflow(self) -> tuple[str | None, str | None]:
        """Return what will be built."""
        return find_branch_and_workflow(self._params())

    def reason(self) -> str | None:
        """Return the message of the build."""
        return self.ask.message

    def audit_fields(self) -> dict[str, str]:
        """Return the parameters."""
        return audited_params(self._params())

    def summary(self) -> str:
        """Return what is started."""
        return f"start {self.app.title} ({', '.join(f'{name} {value}' for name, value in self._targets().items())})"

    def details(self) -> list[tuple[str, str]]:
        """Return everything that is sent."""
        return params_details(self._params())

    def problem(self) -> str | None:
        """Return the problem that nothing to build is named, or both a workflow and a pipeline."""
        if self.ask.workflow and self.ask.pipeline:
            return "Choose a workflow or a pipeline, not both: Bitrise would run only one of them."
        if not self.ask.names_something:
            return "Choose what to build: a branch, tag, commit, workflow or pipeline."
        return None

    def trigger_params(self, *, message: str, started_by: str | None) -> TriggerRequest:
        """Return the request to send; `message` is used if the user wrote none."""
        ask = self.ask
        return TriggerRequest(
            branch=ask.branch,
            tag=ask.tag,
            commit_hash=ask.commit,
            commit_message=ask.message or message or None,
            workflow_id=ask.workflow,
            pipeline_id=ask.pipeline,
            started_by=started_by,
            environments=ask.environments,
        )

    async def execute(self, context: RequestContext) -> ActionResult:
        """Start the build, and follow it. Raises ProviderError."""
        params = self.trigger_params(
            message=f"Started from Slack by {await context.display_name()}",
            started_by=slack_user(context.person, context.team) if context.person else None,
        )
        started = await own_client(context).trigger(self.app.slug, params)
        if self.remember:
            command = self.ask.model_copy(update={"app": self.app.title})
            try:
                await context.storage.last_triggers.store(
                    context.person, self.app.slug, command, at=context.now()
                )
            except Exception:
                # The build was started; only the form will not be prefilled next time.
                log.exception("start.not_remembered", app=self.app.slug)
        return await _follow_started(self.app, started, context, command=self.ask)

    def _params(self) -> Mapping[str, Any]:
        if not self.ask.names_something:
            return {}
        params: Mapping[str, Any] = self.trigger_params(message="", started_by=None).body()["build_params"]
        return params

    def _targets(self) -> dict[str, str]:
        fields = {"branch", "tag", "commit", "workflow", "pipeline"}
        return self.ask.model_dump(include=fields, exclude_none=True)


class RebuildBuildAction(BuildAction):
    """Start a build again with `params`, the parameters that it was started with.

    `params` is None until it has been fetched, and empty if Bitrise does not report it. `pushed`: a Git provider
    started the build, so its commit belongs to its branch.
    """

    not_shown: ClassVar[Mapping[str, str]] = {"pushed": "not sent: it only decides whether a rule holds"}
    permission: ClassVar = Permission.TRIGGER
    act: Literal["rebuild"] = "rebuild"
    params: Mapping[str, Any] | None = None
    pushed: bool = False

    @classmethod
    def of_build(cls, app: App, build: Build) -> Self:
        """Make the action from a build that was fetched."""
        return cls(app=app, build=BuildTarget.of(build), params=build.params or {}, pushed=is_pushed(build))

    def branch_and_workflow(self) -> tuple[str | None, str | None]:
        """Return what the parameters will build; the build's own fields may differ."""
        return find_branch_and_workflow(self.params or {}, pushed=self.pushed)

    def audit_fields(self) -> dict[str, str]:
        """Return the build and the parameters."""
        return super().audit_fields() | audited_params(self.params or {})

    def summary(self) -> str:
        """Return which build is rebuilt."""
        return f"rebuild {self.app.title} {self.build.label}"

    def details(self) -> list[tuple[str, str]]:
        """Return the build and the parameters."""
        return [*super().details(), *params_details(self.params or {})]

    def problem(self) -> str | None:
        """Return the problem that Bitrise does not report how the build was started."""
        if self.params is None or self.params:
            return None
        return f"Bitrise doesn't say how build {self.build.label} was started, so it can't be rebuilt."

    def trigger_params(self, started_by: str | None) -> TriggerRequest:
        """Return the request to send: the parameters unchanged, and the user for whom the build is started."""
        return TriggerRequest(original=self.params, started_by=started_by)

    async def prepare(self, context: RequestContext) -> Self:
        """Return the action with the parameters that started its build. Raises ProviderError."""
        if self.params is not None:
            return self
        return self.of_build(self.app, await own_client(context).build(self.app.slug, self.build.slug))

    async def execute(self, context: RequestContext) -> ActionResult:
        """Start the build, and follow it. Raises ProviderError, UserError."""
        if self.params is None:
            raise UserError("This was requested before Buildbell was updated. Request it again.")
        bitrise = own_client(context)
        build = await bitrise.build(self.app.slug, self.build.slug)
        params = self.trigger_params(started_by=slack_user(context.person, context.team))
        started = await bitrise.trigger(self.app.slug, params)
        return await _follow_started(self.app, started, context, like=(build, self.app))


async def _follow_started(
    app: App,
    started: Sequence[TriggeredBuild],
    context: RequestContext,
    *,
    command: TriggerBuild | None = None,
    like: tuple[Build, App] | None = None,
) -> ActionResult:
    """Post a message for each started build or pipeline, which shows its progress; reply with what they omit."""
    answers = []
    begun = [run for run in started if run.ok]
    for run in begun:
        note = build_messages.start_note(app, run, by=context.person, command=command, like=like)
        if run.is_pipeline and run.build_slug:
            ref = PipelineRef(id=run.build_slug)
            buttons = pipeline_card.pipeline_run_row(
                app, ref.id, name=run.workflow, number=run.number, url=run.url
            )
            answers.append(await follow_pipeline(app, ref, note, context, buttons=buttons))
        else:
            buttons = build_messages.run_row(app, run.build_slug, run) if run.build_slug else []
            answers.append(await follow_build(app, run.build_slug, note, context, buttons=buttons))
    replies = [answer for answer in answers if answer is not None]
    if (refused := [run for run in started if not run.ok]) and context.person:
        replies.append(Reply(build_messages.builds_not_started(app, refused), Visibility.CHANNEL))
    return ActionResult(
        _combine(replies),
        _outputs(app, begun[0].build_slug, begun[0].number, begun[0].url),
        "started " + ", ".join(str(run.build_slug or run.number) for run in begun),
    )


def _combine(replies: Sequence[Reply]) -> Reply | None:
    """Combine replies into one; for the channel if one of them is."""
    if not replies:
        return None
    for_channel = any(reply.audience is Visibility.CHANNEL for reply in replies)
    message = build_messages.combine_messages([reply.message for reply in replies])
    return Reply(message, Visibility.CHANNEL if for_channel else Visibility.ONE_PERSON)


def _outputs(app: App, slug: str | None, number: int | None, url: str | None) -> dict[str, Any]:
    return {"app": redact(app.title), "build": slug or "", "number": number or 0, "url": url or ""}


def _strip(text: str | None) -> str | None:
    return (text or "").strip() or None
