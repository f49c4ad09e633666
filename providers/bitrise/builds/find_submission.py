"""Submission of the form that finds builds."""

from __future__ import annotations

from collections.abc import Mapping

from domain.commands.command_line import parse
from domain.commands.errors import CommandError
from domain.commands.shared_commands import ListBuilds
from domain.message import Message
from messages import notices
from messages.kit.view_metadata import ViewMetadata
from providers.bitrise import action_ids
from providers.bitrise.arguments import parse_build_ref
from providers.bitrise.builds import find_form
from providers.bitrise.builds.find_form import APP, WORDS, BuildSearch
from providers.bitrise.provider import BITRISE
from services.features.builds import commands as build_commands
from services.request.context import RequestContext
from services.request.finder import AppNotGiven, find_build
from services.request.form_submission import FormHandler, FormSubmission
from services.request.forms import FollowUp, SubmissionFlow


async def submit_find(form: FormSubmission) -> None:
    """Show the build that was named, or the builds that match."""
    search = find_form.read_search(form.values)
    await form.run(
        _find_builds(search, form.context), _submission_flow(search, ViewMetadata.read(form.metadata))
    )


def _submission_flow(search: BuildSearch, origin: ViewMetadata) -> SubmissionFlow[Message]:
    return SubmissionFlow(
        waiting=find_form.search_in_progress(),
        done=lambda message: find_form.found_builds(message, origin=origin),
        again=lambda problem: find_form.find_modal(search, origin=origin, problem=problem),
        refused=lambda problem: notices.notice_modal("Find a build", problem),
        field_of=lambda problem: APP if isinstance(problem, AppNotGiven) else WORDS,
        then=FollowUp.COVERED,
    )


async def _find_builds(search: BuildSearch, context: RequestContext) -> Message:
    """Render the card of the build that was named, or the list of builds that match."""
    ref = parse_build_ref(search.words)
    if ref is not None:
        return await build_commands.card(*await find_build(context, search.app, ref, BITRISE), context)
    command = parse(
        f"builds {search.app or ''} {search.words}",
        surface="slash",
        parser=context.services.registry.get(BITRISE).parser,
    )
    if not isinstance(command, ListBuilds) or (command.app is not None and command.app != search.app):
        raise CommandError(
            "Here a number, a link or filters can be typed.",
            example="builds status:failed",
            provider=BITRISE,
        )
    return (await build_commands.list_builds(command, context, BITRISE)).message


FORMS: Mapping[str, FormHandler] = {action_ids.FIND_MODAL: submit_find}
