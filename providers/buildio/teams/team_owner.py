"""The team that will own a new resource."""

from __future__ import annotations

from typing import TypeVar

from providers.buildio.apps.commands import find_team
from providers.buildio.apps.create_form import CreateForm, NamespaceForm
from services.request.context import RequestContext

Form = TypeVar("Form", CreateForm, NamespaceForm)


async def resolve_team(form: Form, context: RequestContext) -> Form:
    """Return the form with the team's ID and name if a team was named. Raises UserError, ProviderError."""
    if form.team is None:
        return form
    team = await find_team(form.team, context)
    return form.model_copy(update={"team": team.id, "team_title": team.name})
