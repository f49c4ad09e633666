"""The modals for a token of one's own, and for a rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from handlers.middleware import RequestTracker, wait_for_place
from messages import access_rules, notices
from messages import accounts as message_accounts
from messages.access_rules import KIND, FilledRule
from messages.accounts import TOKEN
from messages.kit import action_ids
from messages.kit.button_values import InvalidButtonValue
from messages.kit.view_metadata import ViewMetadata
from services.container import Services
from services.features.access_rules import commands as access_rule_commands
from services.features.accounts import commands
from services.request.context import Reply, RequestContext
from services.request.forms import FollowUp, SubmissionFlow, see_through
from services.request.responder import ChannelResponder
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()


def register(app: AsyncApp, services: Services, listening: RequestTracker) -> None:
    """Listen to their submissions."""

    @app.view(action_ids.CONNECT_MODAL)
    async def connect(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(action_ids.CONNECT_MODAL):
            context, origin = (
                RequestContext.in_body(body, services),
                ViewMetadata.read(view["private_metadata"]),
            )
            token = message_accounts.read_token(view["state"]["values"])
            await see_through(
                commands.link(token, context, origin.provider),
                _linking(origin),
                ack=ack,
                context=context,
                view_id=view["id"],
            )

    @app.view(action_ids.POLICY_MODAL)
    async def rule(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(action_ids.POLICY_MODAL):
            context, origin = (
                RequestContext.in_body(body, services),
                ViewMetadata.read(view["private_metadata"]),
            )
            filled = access_rules.read_rule(view["state"]["values"])
            said = await see_through(
                access_rule_commands.add(filled, context, origin.provider),
                _ruling(filled, origin),
                ack=ack,
                context=context,
                view_id=view["id"],
            )
            if said is not None:
                await _announce(said, context)

    @app.action(action_ids.POLICY_KIND)
    async def kind_picked(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        async with listening.answering(action_ids.POLICY_KIND):
            await wait_for_place()
            view = body.get("view")
            if view is None:
                raise InvalidButtonValue  # it stands in the modal alone
            filled = access_rules.read_rule(view["state"]["values"])
            origin = ViewMetadata.read(view.get("private_metadata"))
            await access_rule_commands.redraw(view, filled, origin, RequestContext.in_body(body, services))


async def _announce(said: Reply, context: RequestContext) -> None:
    """Tell the channel; where the bot can't write there, the admin who did it hears that it is done."""
    try:
        await ChannelResponder(context)(said)
    except SlackCallFailed as error:
        log.info("policy.not_announced", reason=error.reason)
        await ChannelResponder(replace(context, channel=""))(said)


def _linking(origin: ViewMetadata) -> SubmissionFlow[str]:
    provider = origin.provider
    title = message_accounts.title_of(provider)
    return SubmissionFlow(
        waiting=notices.notice(title, f"⏳ Asking {provider.label} whose token this is…"),
        done=lambda name: notices.notice(title, message_accounts.connected(name, provider)),
        # Without what was pasted: it is put into no view.
        again=lambda problem: message_accounts.connect_modal(provider, origin=origin, problem=problem),
        refused=lambda problem: notices.notice(title, problem),
        field_of=lambda _: TOKEN,
        then=FollowUp.REPLACED,
    )


def _ruling(filled: FilledRule, origin: ViewMetadata) -> SubmissionFlow[Reply]:
    return SubmissionFlow(
        waiting=notices.notice(access_rule_commands.TITLE, "⏳ One moment…"),
        done=lambda _: notices.notice(
            access_rule_commands.TITLE, "✅ The rule counts from now on; the channel was told."
        ),
        again=lambda problem: access_rules.policy_modal(filled, origin=origin, problem=problem),
        refused=lambda problem: notices.notice(access_rule_commands.TITLE, problem),
        field_of=lambda problem: (
            problem.field if isinstance(problem, access_rule_commands.RuleProblem) else KIND
        ),
    )
