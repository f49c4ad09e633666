"""A channel's standing orders."""

from __future__ import annotations

from slack_sdk.errors import SlackApiError

from bot import messages
from bot.build import Provider
from bot.commands import Subscribe, Subscriptions, Unsubscribe
from bot.messages import Message
from bot.watch import read_baseline
from handlers.caller import Answer, Audience, Caller
from handlers.finding import NotNamed, find_app
from storage import Subscription


async def subscribe(ask: Subscribe, caller: Caller) -> Answer | None:
    """Let the channel be told of an app's builds from now on.

    The channel hears of it by a message of the bot's own: it shows everybody what was agreed, and it shows the bot
    whether it can post there at all; where it can't, nothing is subscribed.
    """
    desk = caller.desk
    app = await find_app(caller, ask.app)
    watched = await desk.storage.subscriptions.is_watched(Provider.BITRISE, app.slug)
    baseline = None if watched else await read_baseline(desk.bitrise, app.slug)
    subscription = await desk.storage.subscriptions.add(
        team=caller.team,
        channel=caller.channel,
        app=app,
        filter=ask.filter,
        by=caller.person,
        at=caller.now(),
        baseline=baseline,
    )
    try:
        await _post(caller, messages.subscribed(app, ask.filter, by=caller.person))
    except BaseException:
        await desk.storage.subscriptions.remove(subscription)
        raise
    desk.look_now()
    return None


async def unsubscribe(ask: Unsubscribe, caller: Caller) -> Answer:
    """End one of the channel's subscriptions, or all of an app."""
    subscriptions = await caller.desk.storage.subscriptions.of_channel(caller.channel)
    if ask.number is not None:
        ended = [one for one in subscriptions if one.id == ask.number]
    elif ask.app is None and len(subscriptions) == 1:
        ended = subscriptions
    else:
        app = await find_app(caller, ask.app)
        ended = [one for one in subscriptions if one.app.slug == app.slug]
    if not ended:
        raise NotNamed("This channel has no such subscription. `/bitrise subscriptions` lists what it has.")
    return await _end(ended, caller)


async def unsubscribe_number(number: int, caller: Caller) -> Answer:
    """End the channel's subscription of that number."""
    return await unsubscribe(Unsubscribe(number=number), caller)


async def _end(ended: list[Subscription], caller: Caller) -> Answer:
    """End these subscriptions, and say so to the channel."""
    for one in ended:
        await caller.desk.storage.subscriptions.remove(one)
    return Answer(messages.unsubscribed(ended[0].app, len(ended), by=caller.person), Audience.CHANNEL)


async def list_subscriptions(_ask: Subscriptions, caller: Caller) -> Answer:
    """What the channel is told of."""
    found = await caller.desk.storage.subscriptions.of_channel(caller.channel)
    rows = [
        messages.SubscriptionRow(
            number=one.id, app=one.app, filter=one.filter, created_by=one.created_by, stopped=one.stopped
        )
        for one in found
    ]
    return Answer(messages.subscriptions(rows))


async def _post(caller: Caller, message: Message) -> None:
    try:
        await caller.desk.slack.chat_postMessage(
            channel=caller.channel, text=message.text, blocks=message.blocks
        )
    except SlackApiError as error:
        data = error.response.data if isinstance(error.response.data, dict) else {}
        if data.get("error") in ("channel_not_found", "not_in_channel"):
            raise NotNamed(
                "I can't post in this channel yet. Type `/invite @buildbell` here, then subscribe again."
            ) from error
        if data.get("error") in ("is_archived", "restricted_action"):
            raise NotNamed("Nobody may post in this channel, so it can't be told of builds.") from error
        raise
