"""Submissions of the small forms: find a build, search a log, choose an app, edit the profile."""

from __future__ import annotations

from collections.abc import Mapping

from domain.commands.command_line import parse
from domain.commands.errors import CommandError
from domain.commands.shared_commands import ListBuilds, ShowProfile, UseApp
from domain.message import Message
from messages import choose_app_form, notices, profile_form
from messages.choose_app_form import APP
from messages.kit import action_ids, views
from messages.kit.button_values import LogButton
from messages.kit.view_metadata import ViewMetadata
from messages.profile_form import NAME
from providers.bitrise.arguments import parse_build_ref
from providers.bitrise.builds import find_form
from providers.bitrise.builds.find_form import WORDS, BuildSearch
from providers.bitrise.command_parser import PARSER
from providers.bitrise.logs import commands as log_commands
from providers.bitrise.logs import messages as log_messages
from providers.bitrise.logs.messages import WORD
from providers.bitrise.provider import BITRISE
from services.events import UserActed
from services.features.apps import commands
from services.features.builds import commands as build_commands
from services.features.profile import commands as profile_commands
from services.request.context import Reply, RequestContext
from services.request.finder import AppNotGiven, find_build
from services.request.form_submission import FormHandler, FormSubmission
from services.request.forms import FollowUp, SubmissionFlow
from services.request.responder import ChannelResponder


async def submit_find(form: FormSubmission) -> None:
    """Show the build that was named, or the builds that match."""
    search = find_form.read_search(form.values)
    await form.run(_find_builds(search, form.context), _find_flow(search, ViewMetadata.read(form.metadata)))


async def submit_log_search(form: FormSubmission) -> None:
    """Show the lines of the log that contain the word."""
    button = LogButton.decode(form.metadata)
    word = log_messages.read_word(form.values)
    await form.run(log_commands.search(button, word, form.context), _log_search_flow(button, word))


async def submit_app_choice(form: FormSubmission) -> None:
    """Set the channel's app, used by commands that name none."""
    origin, search = ViewMetadata.read(form.metadata), find_form.read_search(form.values)
    use_app = commands.use_app(UseApp(app=search.app or ""), form.context, origin.provider)
    reply = await form.run(use_app, _choose_app_flow(origin))
    if reply is not None:
        await ChannelResponder(form.context)(reply)


async def submit_settings(form: FormSubmission) -> None:
    """Store the user's name at Bitrise, and which notifications they want."""
    origin, profile = ViewMetadata.read(form.metadata), profile_form.read_profile(form.values)
    command = ShowProfile(name=profile.name or "", mention=profile.mention, ends=profile.ends)
    flow: SubmissionFlow[Reply] = SubmissionFlow(
        waiting=notices.notice_modal(profile_form.profile_title(BITRISE), "⏳ One moment…"),
        done=lambda _: notices.notice_modal(profile_form.profile_title(BITRISE), "✅ Saved."),
        again=lambda _: profile_form.profile_modal(profile, BITRISE, origin=origin),
        refused=lambda problem: notices.notice_modal(profile_form.profile_title(BITRISE), problem),
        field_of=lambda _: NAME,
    )
    await form.run(profile_commands.show_profile(command, form.context, BITRISE), flow)
    form.context.services.events.publish(UserActed(form.context.team, form.context.person))


def _find_flow(search: BuildSearch, origin: ViewMetadata) -> SubmissionFlow[Message]:
    return SubmissionFlow(
        waiting=find_form.search_in_progress(),
        done=lambda message: find_form.found_builds(message, origin=origin),
        again=lambda problem: find_form.find_modal(search, origin=origin, problem=problem),
        refused=lambda problem: notices.notice_modal("Find a build", problem),
        field_of=lambda problem: APP if isinstance(problem, AppNotGiven) else WORDS,
        then=FollowUp.COVERED,
    )


def _log_search_flow(button: LogButton, word: str) -> SubmissionFlow[Message]:
    return SubmissionFlow(
        waiting=notices.notice_modal("Search the log", "⏳ Reading the whole log…"),
        done=lambda message: views.shown_in_modal("Search the log", message),
        again=lambda problem: log_messages.search_modal(button, typed=word, problem=problem),
        refused=lambda problem: notices.notice_modal("Search the log", problem),
        field_of=lambda _: WORD,
        then=FollowUp.COVERED,
    )


def _choose_app_flow(origin: ViewMetadata) -> SubmissionFlow[Reply]:
    return SubmissionFlow(
        waiting=notices.notice_modal("Choose an app", "⏳ One moment…"),
        done=lambda _: notices.notice_modal("Choose an app", "✅ Chosen; the channel was told."),
        again=lambda problem: choose_app_form.choose_app_modal(origin=origin, problem=problem),
        refused=lambda problem: notices.notice_modal("Choose an app", problem),
        field_of=lambda _: APP,
    )


async def _find_builds(search: BuildSearch, context: RequestContext) -> Message:
    """Render the card of the build that was named, or the list of builds that match."""
    ref = parse_build_ref(search.words)
    if ref is not None:
        return await build_commands.card(*await find_build(context, search.app, ref, BITRISE), context)
    command = parse(f"builds {search.app or ''} {search.words}", surface="slash", parser=PARSER)
    if not isinstance(command, ListBuilds) or (command.app is not None and command.app != search.app):
        raise CommandError(
            "Here a number, a link or filters can be typed.",
            example="builds status:failed",
            provider=BITRISE,
        )
    return (await build_commands.list_builds(command, context, BITRISE)).message


FORMS: Mapping[str, FormHandler] = {
    action_ids.FIND_MODAL: submit_find,
    action_ids.LOG_SEARCH_MODAL: submit_log_search,
    action_ids.CHOOSE_APP_MODAL: submit_app_choice,
    action_ids.SETTINGS_MODAL: submit_settings,
}
