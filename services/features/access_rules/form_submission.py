"""The access rule form: its submission, and its fields, which depend on the kind of rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog

from messages import access_rules, notices
from messages.access_rules import KIND, FilledRule
from messages.kit import action_ids
from messages.kit.view_metadata import ViewMetadata
from services.features.access_rules import commands as access_rule_commands
from services.request.context import Reply, RequestContext
from services.request.form_submission import FormHandler, FormSubmission
from services.request.forms import SubmissionFlow
from services.request.interactions import ViewAction, ViewActionHandler
from services.request.responder import ChannelResponder
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()


async def submit_rule(form: FormSubmission) -> None:
    """Add the rule and announce it in the channel."""
    origin, filled = ViewMetadata.read(form.metadata), access_rules.read_rule(form.values)
    added = access_rule_commands.add(filled, form.context, origin.provider)
    reply = await form.run(added, _submission_flow(filled, origin, form.context))
    if reply is not None:
        await _announce(reply, form.context)


async def select_kind(action: ViewAction) -> None:
    """Show the fields of the selected kind of rule."""
    filled, origin = access_rules.read_rule(action.state), ViewMetadata.read(action.metadata)
    await access_rule_commands.redraw(action.view, filled, origin, action.context)


async def _announce(reply: Reply, context: RequestContext) -> None:
    """Announce the rule in the channel, or to the admin who added it if the bot can't post there."""
    try:
        await ChannelResponder(context)(reply)
    except SlackCallFailed as error:
        log.info("policy.not_announced", reason=error.reason)
        await ChannelResponder(replace(context, channel=""))(reply)


def _submission_flow(
    filled: FilledRule, origin: ViewMetadata, context: RequestContext
) -> SubmissionFlow[Reply]:
    return SubmissionFlow(
        waiting=notices.notice_modal(access_rule_commands.TITLE, "⏳ One moment…"),
        done=lambda _: notices.notice_modal(
            access_rule_commands.TITLE, "✅ The rule counts from now on; the channel was told."
        ),
        again=lambda problem: access_rules.access_rule_modal(
            filled, access_rule_commands.choices(context), origin=origin, problem=problem
        ),
        refused=lambda problem: notices.notice_modal(access_rule_commands.TITLE, problem),
        field_of=lambda problem: (
            problem.field if isinstance(problem, access_rule_commands.RuleProblem) else KIND
        ),
    )


FORMS: Mapping[str, FormHandler] = {action_ids.POLICY_MODAL: submit_rule}
VIEW_ACTIONS: Mapping[str, ViewActionHandler] = {action_ids.POLICY_KIND: select_kind}
