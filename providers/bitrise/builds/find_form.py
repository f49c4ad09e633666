"""The form that finds builds."""

from __future__ import annotations

from dataclasses import dataclass

from domain.build import App, FrozenModel
from domain.commands.errors import CommandError
from domain.commands.shared_commands import ListBuilds
from domain.message import Block, Message
from messages.kit import action_ids as shared_action_ids
from messages.kit.views import (
    FormValues,
    ViewMetadata,
    app_option,
    field,
    search_select,
    shown_in_modal,
    text_element,
)
from providers.bitrise import action_ids
from providers.bitrise.links import parse_build_ref
from providers.bitrise.provider import BITRISE
from services.features.builds import commands as build_commands
from services.request.context import RequestContext
from services.request.finder import AppNotGiven, find_build
from services.request.forms import FollowUp, Form

APP = "app"
WORDS = "words"
LONGEST_WORDS = 1000


class BuildSearch(FrozenModel):
    """A search: the slug and title of the picked app, if any, and `words` with the syntax of the command."""

    app: str | None = None
    title: str | None = None
    words: str = ""

    @property
    def picked_app(self) -> App | None:
        """Return the picked app."""
        return App(provider=BITRISE, slug=self.app, title=self.title or self.app) if self.app else None


def read_search(values: FormValues) -> BuildSearch:
    """Read the form."""
    return BuildSearch(
        app=values.picked(APP),
        title=values.picked_words(APP),
        words=" ".join(values.text(WORDS).split()),
    )


@dataclass
class FindForm(Form[ViewMetadata, BuildSearch, Message]):
    """Shows the build that was named, or the builds that match."""

    callback_id = action_ids.FIND_MODAL
    title = "Find a build"
    progress = "Searching…"
    follow_up = FollowUp.COVERED
    is_refusal_final = True
    read_origin = ViewMetadata.read
    read_input = staticmethod(read_search)

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with the search."""
        return self.draw(
            field(
                APP,
                "App",
                search_select(
                    shared_action_ids.PICK_APP,
                    "This channel's app",
                    app_option(self.filled.picked_app),
                ),
            ),
            field(
                WORDS,
                "Number, link or filters",
                text_element(self.filled.words, most=LONGEST_WORDS, placeholder="#123"),
                hint="For example branch:main status:failed by:@me since:2d. Leave empty for the latest builds.",
            ),
            submit="Find",
            problem=problem,
        )

    async def submit(self) -> Message:
        """Render the build or the builds. Raises CommandError, UserError, ProviderError."""
        search, context = self.filled, self.context
        ref = parse_build_ref(search.words)
        if ref is not None:
            return await build_commands.card(*await find_build(context, search.app, ref, BITRISE), context)
        parser = context.services.registry.get(BITRISE).parser
        command = parser.parse(f"builds {search.app or ''} {search.words}", surface="slash")
        if not isinstance(command, ListBuilds) or (command.app is not None and command.app != search.app):
            raise CommandError(
                "Type a number, a link or filters here.",
                example="builds status:failed",
                provider=BITRISE,
            )
        return (await build_commands.list_builds(command, context, BITRISE)).message

    def render_result(self, result: Message) -> Block:
        """Draw what was found."""
        return shown_in_modal(self.title, result, private_metadata=self.origin.encode())

    def find_field(self, problem: BaseException) -> str:
        """Return the field: the app if it is missing, else the words."""
        return APP if isinstance(problem, AppNotGiven) else WORDS


async def open_find(context: RequestContext) -> None:
    """Open the form that finds builds. Raises UserError, SlackCallFailed."""
    await FindForm(context, ViewMetadata(channel=context.channel), BuildSearch()).open()
