"""The modal that changes a subscription: opened by its button, filled from the app's own lists, and submitted."""

from __future__ import annotations

import re
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from bot import messages
from bot.build import Frozen
from bot.commands import CommandError, Subscribe, parse
from bot.messages import NotAButton, actions
from bot.messages.subscription_modal import MORE
from bot.terms import Terms, TermsProblem, check
from handlers.answers import subscriptions
from handlers.caller import Answer, Audience, Caller
from handlers.desk import Desk
from handlers.listening import Listening
from handlers.saying import ToChannel
from handlers.trouble import in_words


class Origin(Frozen):
    """Which subscription is changed, and from where; it travels in the modal's private_metadata."""

    number: int
    app: str
    channel: str
    team: str


async def open_for(value: str, trigger_id: str, caller: Caller) -> None:
    """Open the modal for the subscription whose button was pressed. Raises NotNamed and NotAButton."""
    if not value.isdigit():
        raise NotAButton
    subscription = await subscriptions.of_this_channel(int(value), caller)
    app = subscription.app
    origin = Origin(
        number=subscription.id, app=app.slug if app else "", channel=caller.channel, team=caller.team
    )
    await caller.desk.slack.views_open(
        trigger_id=trigger_id,
        view=messages.subscription_modal(app, subscription.terms, private_metadata=origin.model_dump_json()),
    )


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to the modal's lists and its submission."""

    @app.options(re.compile(f"^({actions.PICK_BRANCH}|{actions.PICK_WORKFLOW})$"))
    async def typed(ack: AsyncAck, body: dict[str, Any]) -> None:
        origin = Origin.model_validate_json(body["view"]["private_metadata"])
        read = desk.choices.branches if body["action_id"] == actions.PICK_BRANCH else desk.choices.workflows
        names = await read(origin.app) if origin.app else []
        await ack(options=messages.options_for(str(body.get("value") or ""), names))

    @app.view(actions.SUBSCRIPTION_MODAL)
    async def submitted(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(actions.SUBSCRIPTION_MODAL):
            origin = Origin.model_validate_json(view["private_metadata"])
            caller = Caller(
                desk=desk,
                person=body["user"]["id"],
                name=body["user"].get("username") or body["user"].get("name"),
                team=origin.team,
                channel=origin.channel,
            )
            try:
                subscription = await subscriptions.of_this_channel(origin.number, caller)
                ask = asked_in(view["state"]["values"], subscription.terms)
            except Exception as problem:  # noqa: BLE001 - at the field, so that the modal stays and nothing is lost
                await ack(response_action="errors", errors={MORE: in_words(problem).text[:2000]})
                return
            await ack()
            try:
                terms = await subscriptions.settled(ask, caller)
                await subscriptions.change(subscription, terms, caller)
            except Exception as problem:  # noqa: BLE001 - the modal is gone, so the person hears of it beside it
                await ToChannel(caller)(Answer(in_words(problem), Audience.ONE_PERSON))


def asked_in(values: dict[str, Any], before: Terms) -> Subscribe:
    """What was filled in over the terms from before. Raises CommandError, which names the wrong word.

    `values` is the view's state as Slack sends it. What the modal does not show stays as it was.
    """
    filled = messages.read_subscription(values)
    # With the style that was picked: what can be typed beside it depends on it.
    typed = parse(f"subscribe style:{filled.style} {filled.more}", surface="slash")
    if not isinstance(typed, Subscribe) or typed.app is not None or typed.preview:
        raise CommandError(
            "Here only filters and times can be typed, each with its name.", example="subscribe by:@me"
        )
    terms = filled.onto(typed.terms)
    kept = {
        "once": before.once,
        "zone": terms.zone if typed.zone_given else before.zone,
        "filter": terms.filter.model_copy(update={"builds": before.filter.builds}),
    }
    terms = terms.model_copy(update=kept)
    try:
        check(terms)
    except TermsProblem as problem:
        raise CommandError(str(problem), example="subscribe style:each status:failed") from problem
    return typed.model_copy(update={"terms": terms, "zone_given": terms.zone != Terms().zone})
