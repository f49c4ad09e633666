"""The modals that ask for little: which build, which app, and who somebody is."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from bot import messages
from bot.commands import CommandError, ListBuilds, Me, UseApp, build_ref, parse
from bot.messages import LogButton, Message, Origin, Sought, actions
from bot.messages.find_modal import APP, WORDS
from bot.messages.log import WORD
from bot.messages.settings_modal import NAME
from handlers.answers import apps, builds, logs, personal
from handlers.caller import Answer, Caller
from handlers.desk import Desk
from handlers.finding import AppNotNamed, find_build
from handlers.listening import Listening
from handlers.saying import ToChannel
from handlers.submitting import Course, Then, see_through


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to their submissions."""

    @app.view(actions.FIND_MODAL)
    async def find(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(actions.FIND_MODAL):
            caller, origin = Caller.in_body(body, desk), Origin.read(view["private_metadata"])
            sought = messages.read_sought(view["state"]["values"])
            course = _finding(sought, origin)
            await see_through(_found(sought, caller), course, ack=ack, caller=caller, view_id=view["id"])

    @app.view(actions.LOG_SEARCH_MODAL)
    async def search(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(actions.LOG_SEARCH_MODAL):
            caller, about = Caller.in_body(body, desk), LogButton.decode(view["private_metadata"])
            word = messages.read_word(view["state"]["values"])
            course = _searching(about, word)
            await see_through(
                logs.search(about, word, caller), course, ack=ack, caller=caller, view_id=view["id"]
            )

    @app.view(actions.CHOOSE_APP_MODAL)
    async def choose(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(actions.CHOOSE_APP_MODAL):
            caller, origin = Caller.in_body(body, desk), Origin.read(view["private_metadata"])
            sought = messages.read_sought(view["state"]["values"])
            said = await see_through(
                apps.use_app(UseApp(app=sought.app or ""), caller, origin.provider),
                _choosing(origin),
                ack=ack,
                caller=caller,
                view_id=view["id"],
            )
            if said is not None:
                await ToChannel(caller)(said)

    @app.view(actions.SETTINGS_MODAL)
    async def settings(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(actions.SETTINGS_MODAL):
            caller, origin = Caller.in_body(body, desk), Origin.read(view["private_metadata"])
            wishes = messages.read_wishes(view["state"]["values"])
            ask = Me(name=wishes.name or "", mention=wishes.mention, ends=wishes.ends)
            course: Course[Answer] = Course(
                waiting=messages.notice("You at Bitrise", "⏳ One moment…"),
                done=lambda _: messages.notice("You at Bitrise", "✅ Saved."),
                again=lambda _: messages.settings_modal(wishes, origin=origin),
                refused=lambda problem: messages.notice("You at Bitrise", problem),
                field_of=lambda _: NAME,
            )
            await see_through(personal.me(ask, caller), course, ack=ack, caller=caller, view_id=view["id"])
            desk.home_changed(caller.team, caller.person)


def _finding(sought: Sought, origin: Origin) -> Course[Message]:
    return Course(
        waiting=messages.looking(),
        done=lambda message: messages.found_builds(message, origin=origin),
        again=lambda problem: messages.find_modal(sought, origin=origin, problem=problem),
        refused=lambda problem: messages.notice("Find a build", problem),
        field_of=lambda problem: APP if _needs_an_app(problem) else WORDS,
        then=Then.COVERED,
    )


def _searching(about: LogButton, word: str) -> Course[Message]:
    return Course(
        waiting=messages.notice("Search the log", "⏳ Reading the whole log…"),
        done=lambda message: messages.shown_in_modal("Search the log", message),
        again=lambda problem: messages.search_modal(about, typed=word, problem=problem),
        refused=lambda problem: messages.notice("Search the log", problem),
        field_of=lambda _: WORD,
        then=Then.COVERED,
    )


def _choosing(origin: Origin) -> Course[Answer]:
    return Course(
        waiting=messages.notice("Choose an app", "⏳ One moment…"),
        done=lambda _: messages.notice("Choose an app", "✅ Chosen; the channel was told."),
        again=lambda problem: messages.choose_app_modal(origin=origin, problem=problem),
        refused=lambda problem: messages.notice("Choose an app", problem),
        field_of=lambda _: APP,
    )


async def _found(sought: Sought, caller: Caller) -> Message:
    """The card of the one build that was named, or the list of those that fit."""
    ref = build_ref(sought.words)
    if ref is not None:
        return await builds.card(*await find_build(caller, sought.app, ref), caller)
    ask = parse(f"builds {sought.app or ''} {sought.words}", surface="slash")
    if not isinstance(ask, ListBuilds) or (ask.app is not None and ask.app != sought.app):
        raise CommandError("Here a number, a link or filters can be typed.", example="builds status:failed")
    return (await builds.list_builds(ask, caller)).message


def _needs_an_app(problem: BaseException) -> bool:
    return isinstance(problem, AppNotNamed)
