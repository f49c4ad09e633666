"""Buttons about logs."""

from __future__ import annotations

from collections.abc import Mapping

from bot.messages import LogButton, NotAButton, actions, log_of_block, sent_to_you
from handlers.actions.press import Press, Respond, found_build
from handlers.answers import forms, logs
from handlers.caller import Answer, Audience
from handlers.finding import by_slugs
from handlers.following import Follower


async def _log(press: Press) -> Answer:
    return await logs.log_of(
        *await found_build(press), press.caller, thread=press.on.ts if press.on else None
    )


async def _log_step(press: Press) -> Answer:
    about = log_of_block(press.block)
    app, build = await by_slugs(press.caller, about.app, about.build)
    if not press.value.isdecimal() or len(press.value) > 4:
        raise NotAButton
    return await logs.log_of(app, build, press.caller, step=int(press.value), thread=about.thread)


async def _log_file(press: Press) -> Answer | None:
    return await logs.hand_over(LogButton.decode(press.value), press.caller, share=False)


async def _log_share(press: Press) -> Answer | None:
    return await logs.hand_over(LogButton.decode(press.value), press.caller, share=True)


async def _log_follow(press: Press) -> Answer:
    about = LogButton.decode(press.value)
    app, build = await by_slugs(press.caller, about.app, about.build)
    if build.ended:
        return await logs.log_of(app, build, press.caller)
    caller = press.caller
    channel = await caller.direct_message_alone()
    follower = Follower(caller.own_bitrise, caller.slack, app, build, team=caller.team, channel=channel)
    await caller.desk.following.begin(follower)
    said = sent_to_you("I follow the log in our direct messages, for ten minutes at most.")
    return Answer(said, Audience.ONE_PERSON, title=logs.TITLE)


async def _log_search(press: Press) -> None:
    await forms.open_search(LogButton.decode(press.value), press.caller)


ANSWERS: Mapping[str, Respond] = {
    actions.BUILD_LOG: _log,
    actions.LOG_STEP: _log_step,
    actions.LOG_FILE: _log_file,
    actions.LOG_SHARE: _log_share,
    actions.LOG_FOLLOW: _log_follow,
}
FORMS: Mapping[str, Respond] = {
    actions.LOG_SEARCH: _log_search,
}
