"""The modals for a token of one's own, and for a rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from bot import messages
from bot.messages import FilledRule, NotAButton, Origin, actions
from bot.messages.accounts import TOKEN
from bot.messages.policy import KIND
from bot.slack_errors import SlackCallFailed
from handlers.answers import accounts, policies
from handlers.caller import Answer, Caller
from handlers.desk import Desk
from handlers.listening import Listening, wait_for_place
from handlers.saying import ToChannel
from handlers.submitting import Course, Then, see_through

log = structlog.get_logger()


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to their submissions."""

    @app.view(actions.CONNECT_MODAL)
    async def connect(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(actions.CONNECT_MODAL):
            caller, origin = Caller.in_body(body, desk), Origin.read(view["private_metadata"])
            token = messages.read_token(view["state"]["values"])
            await see_through(
                accounts.link(token, caller, origin.provider),
                _linking(origin),
                ack=ack,
                caller=caller,
                view_id=view["id"],
            )

    @app.view(actions.POLICY_MODAL)
    async def rule(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(actions.POLICY_MODAL):
            caller, origin = Caller.in_body(body, desk), Origin.read(view["private_metadata"])
            filled = messages.read_rule(view["state"]["values"])
            said = await see_through(
                policies.add(filled, caller, origin.provider),
                _ruling(filled, origin),
                ack=ack,
                caller=caller,
                view_id=view["id"],
            )
            if said is not None:
                await _announce(said, caller)

    @app.action(actions.POLICY_KIND)
    async def kind_picked(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        async with listening.answering(actions.POLICY_KIND):
            await wait_for_place()
            view = body.get("view")
            if view is None:
                raise NotAButton  # it stands in the modal alone
            filled = messages.read_rule(view["state"]["values"])
            origin = Origin.read(view.get("private_metadata"))
            await policies.redraw(view, filled, origin, Caller.in_body(body, desk))


async def _announce(said: Answer, caller: Caller) -> None:
    """Tell the channel; where the bot can't write there, the admin who did it hears that it is done."""
    try:
        await ToChannel(caller)(said)
    except SlackCallFailed as error:
        log.info("policy.not_announced", reason=error.reason)
        await ToChannel(replace(caller, channel=""))(said)


def _linking(origin: Origin) -> Course[str]:
    provider = origin.provider
    title = messages.account_title(provider)
    return Course(
        waiting=messages.notice(title, f"⏳ Asking {provider.label} whose token this is…"),
        done=lambda name: messages.notice(title, messages.connected(name, provider)),
        # Without what was pasted: it is put into no view.
        again=lambda problem: messages.connect_modal(provider, origin=origin, problem=problem),
        refused=lambda problem: messages.notice(title, problem),
        field_of=lambda _: TOKEN,
        then=Then.REPLACED,
    )


def _ruling(filled: FilledRule, origin: Origin) -> Course[Answer]:
    return Course(
        waiting=messages.notice(policies.TITLE, "⏳ One moment…"),
        done=lambda _: messages.notice(
            policies.TITLE, "✅ The rule counts from now on; the channel was told."
        ),
        again=lambda problem: messages.policy_modal(filled, origin=origin, problem=problem),
        refused=lambda problem: messages.notice(policies.TITLE, problem),
        field_of=lambda problem: problem.field if isinstance(problem, policies.RuleProblem) else KIND,
    )
