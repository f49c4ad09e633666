"""The modals that ask for little: which build, which app, and who somebody is."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from domain.commands.arguments import build_ref
from domain.commands.command_line import parse
from domain.commands.errors import CommandError
from domain.commands.shared_commands import ListBuilds, ShowProfile, UseApp
from domain.message import Message
from handlers.middleware import RequestTracker
from messages import notices, profile_form
from messages.kit import action_ids, views
from messages.kit.button_values import LogButton
from messages.kit.view_metadata import ViewMetadata
from messages.profile_form import NAME
from providers.bitrise.builds import find_form
from providers.bitrise.builds.find_form import APP, WORDS, BuildSearch
from providers.bitrise.logs import commands as log_commands
from providers.bitrise.logs import messages as log_messages
from providers.bitrise.logs.messages import WORD
from services.container import Services
from services.features.apps import commands
from services.features.builds import commands as build_commands
from services.features.profile import commands as profile_commands
from services.request.context import Reply, RequestContext
from services.request.finder import AppNotGiven, find_build
from services.request.forms import FollowUp, SubmissionFlow, see_through
from services.request.responder import ChannelResponder


def register(app: AsyncApp, services: Services, listening: RequestTracker) -> None:
    """Listen to their submissions."""

    @app.view(action_ids.FIND_MODAL)
    async def find(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(action_ids.FIND_MODAL):
            context, origin = (
                RequestContext.in_body(body, services),
                ViewMetadata.read(view["private_metadata"]),
            )
            sought = find_form.read_sought(view["state"]["values"])
            course = _finding(sought, origin)
            await see_through(_found(sought, context), course, ack=ack, context=context, view_id=view["id"])

    @app.view(action_ids.LOG_SEARCH_MODAL)
    async def search(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(action_ids.LOG_SEARCH_MODAL):
            context, about = (
                RequestContext.in_body(body, services),
                LogButton.decode(view["private_metadata"]),
            )
            word = log_messages.read_word(view["state"]["values"])
            course = _searching(about, word)
            await see_through(
                log_commands.search(about, word, context),
                course,
                ack=ack,
                context=context,
                view_id=view["id"],
            )

    @app.view(action_ids.CHOOSE_APP_MODAL)
    async def choose(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(action_ids.CHOOSE_APP_MODAL):
            context, origin = (
                RequestContext.in_body(body, services),
                ViewMetadata.read(view["private_metadata"]),
            )
            sought = find_form.read_sought(view["state"]["values"])
            said = await see_through(
                commands.use_app(UseApp(app=sought.app or ""), context, origin.provider),
                _choosing(origin),
                ack=ack,
                context=context,
                view_id=view["id"],
            )
            if said is not None:
                await ChannelResponder(context)(said)

    @app.view(action_ids.SETTINGS_MODAL)
    async def settings(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(action_ids.SETTINGS_MODAL):
            context, origin = (
                RequestContext.in_body(body, services),
                ViewMetadata.read(view["private_metadata"]),
            )
            wishes = profile_form.read_wishes(view["state"]["values"])
            ask = ShowProfile(name=wishes.name or "", mention=wishes.mention, ends=wishes.ends)
            course: SubmissionFlow[Reply] = SubmissionFlow(
                waiting=notices.notice("You at Bitrise", "⏳ One moment…"),
                done=lambda _: notices.notice("You at Bitrise", "✅ Saved."),
                again=lambda _: profile_form.settings_modal(wishes, origin=origin),
                refused=lambda problem: notices.notice("You at Bitrise", problem),
                field_of=lambda _: NAME,
            )
            await see_through(
                profile_commands.me(ask, context), course, ack=ack, context=context, view_id=view["id"]
            )
            services.home_changed(context.team, context.person)


def _finding(sought: BuildSearch, origin: ViewMetadata) -> SubmissionFlow[Message]:
    return SubmissionFlow(
        waiting=find_form.looking(),
        done=lambda message: find_form.found_builds(message, origin=origin),
        again=lambda problem: find_form.find_modal(sought, origin=origin, problem=problem),
        refused=lambda problem: notices.notice("Find a build", problem),
        field_of=lambda problem: APP if _needs_an_app(problem) else WORDS,
        then=FollowUp.COVERED,
    )


def _searching(about: LogButton, word: str) -> SubmissionFlow[Message]:
    return SubmissionFlow(
        waiting=notices.notice("Search the log", "⏳ Reading the whole log…"),
        done=lambda message: views.shown_in_modal("Search the log", message),
        again=lambda problem: log_messages.search_modal(about, typed=word, problem=problem),
        refused=lambda problem: notices.notice("Search the log", problem),
        field_of=lambda _: WORD,
        then=FollowUp.COVERED,
    )


def _choosing(origin: ViewMetadata) -> SubmissionFlow[Reply]:
    return SubmissionFlow(
        waiting=notices.notice("Choose an app", "⏳ One moment…"),
        done=lambda _: notices.notice("Choose an app", "✅ Chosen; the channel was told."),
        again=lambda problem: find_form.choose_app_modal(origin=origin, problem=problem),
        refused=lambda problem: notices.notice("Choose an app", problem),
        field_of=lambda _: APP,
    )


async def _found(sought: BuildSearch, context: RequestContext) -> Message:
    """The card of the one build that was named, or the list of those that fit."""
    ref = build_ref(sought.words)
    if ref is not None:
        return await build_commands.card(*await find_build(context, sought.app, ref), context)
    ask = parse(f"builds {sought.app or ''} {sought.words}", surface="slash")
    if not isinstance(ask, ListBuilds) or (ask.app is not None and ask.app != sought.app):
        raise CommandError("Here a number, a link or filters can be typed.", example="builds status:failed")
    return (await build_commands.list_builds(ask, context)).message


def _needs_an_app(problem: BaseException) -> bool:
    return isinstance(problem, AppNotGiven)
