"""Builds that wait for approval: list, approve, decline."""

from __future__ import annotations

from domain.build import App
from domain.commands.command import AppArgument, Command
from domain.message import Message
from messages.kit.button_values import RequestButton
from providers.bitrise.api.access import own_client
from providers.bitrise.build_requests import messages as build_request_messages
from providers.bitrise.build_requests.actions import TITLE, DecideBuildRequestAction
from providers.bitrise.provider import BITRISE
from services.actions import run
from services.actions.action import ActionResult
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug, find_app


class ListBuildRequests(Command):
    """List an app's builds that wait for approval."""

    app: AppArgument = None


async def list_requests(command: ListBuildRequests, context: RequestContext) -> Reply:
    """List the waiting builds of the app that the command names."""
    return Reply(await list_app_requests(await find_app(context, command.app, BITRISE), context), title=TITLE)


async def list_app_requests(app: App, context: RequestContext) -> Message:
    """List an app's waiting builds. Raises ProviderError."""
    return build_request_messages.request_list(await own_client(context).build_requests(app.slug), app)


async def decide(button: RequestButton, context: RequestContext, *, approved: bool) -> ActionResult:
    """Approve or decline a waiting build, and update every message that asks for the decision.

    Raises PermissionDenied, UserError if it does not wait any more, ProviderError.
    """
    app = await app_by_slug(context, button.app, BITRISE)
    known = await context.services.storage.build_requests.find(BITRISE, button.request)
    action = DecideBuildRequestAction(app=app, request=button.request, approved=approved)
    return await run.run_action(action.with_request(known), context)


COMMANDS = (
    CommandSpec(
        ListBuildRequests,
        "approvals",
        "List builds of fork pull requests that need approval.",
        ("approvals android",),
        handler=list_requests,
    ),
)
