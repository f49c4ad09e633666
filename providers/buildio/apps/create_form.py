"""The forms that make an app and a namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.message import Block
from messages.kit import action_ids
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import (
    FormValues,
    field,
    is_pickable,
    matching_names,
    modal,
    option,
    search_select,
    text_element,
    warning,
)
from providers.buildio.api.models import Team
from providers.buildio.commands import CreateApp, CreateNamespace

NAME, TEAM, REGION, DESCRIPTION = "name", "team", "region", "description"
LONGEST_NAME = 100


class CreateForm(CreateApp):
    """What is filled in of an app; `team_title` is what the team was picked as."""

    team_title: str | None = None

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong, by field."""
        return _problem_of_name(self.name)


class NamespaceForm(CreateNamespace):
    """What is filled in of a namespace; `team_title` is what the team was picked as."""

    team_title: str | None = None

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong, by field."""
        return _problem_of_name(self.name)


def create_modal(form: CreateForm, *, origin: ViewMetadata, problem: str | None = None) -> Block:
    """The form that makes an app, with what is filled in so far."""
    return modal(
        "Create an app",
        [
            *warning(problem),
            _name(form.name, "shop-staging"),
            *_where(form.team, form.team_title, form.region),
        ],
        callback_id=action_ids.BUILDIO_CREATE_MODAL,
        private_metadata=origin.encode(),
        submit="Create",
        close="Cancel",
    )


def read_create(values: Mapping[str, Any]) -> CreateForm:
    """What was filled in. `values` is the view's state as Slack sends it."""
    return CreateForm(**_read(FormValues(values)))


def namespace_modal(form: NamespaceForm, *, origin: ViewMetadata, problem: str | None = None) -> Block:
    """The form that makes a namespace, with what is filled in so far."""
    about = text_element(form.description, most=300, placeholder="What belongs into it")
    return modal(
        "Create a namespace",
        [
            *warning(problem),
            _name(form.name, "payments"),
            *_where(form.team, form.team_title, form.region),
            field(DESCRIPTION, "Description", about),
        ],
        callback_id=action_ids.BUILDIO_NAMESPACE_MODAL,
        private_metadata=origin.encode(),
        submit="Create",
        close="Cancel",
    )


def read_namespace(values: Mapping[str, Any]) -> NamespaceForm:
    """What was filled in. `values` is the view's state as Slack sends it."""
    filled = FormValues(values)
    return NamespaceForm(**_read(filled), description=filled.text(DESCRIPTION).strip() or None)


def team_options(typed: str, teams: Sequence[Team]) -> list[Block]:
    """What a list of teams offers for what was typed."""
    named = {team.name: team for team in teams}
    offered = [named[name] for name in matching_names(typed, sorted(named, key=str.casefold))]
    return [option(team.name, team.id) for team in offered if is_pickable(team.id)]


def _name(name: str | None, placeholder: str) -> Block:
    return field(NAME, "Name", text_element(name, most=LONGEST_NAME, placeholder=placeholder), optional=False)


def _where(team: str | None, title: str | None, region: str | None) -> list[Block]:
    chosen = option(title or team, team) if team and is_pickable(team) else None
    return [
        field(TEAM, "Team", search_select(action_ids.BUILDIO_PICK_TEAM, "None: your own", chosen)),
        field(
            REGION, "Region", text_element(region, most=100, placeholder="None given: Build.io's own choice")
        ),
    ]


def _read(filled: FormValues) -> dict[str, str | None]:
    return {
        "name": filled.text(NAME).strip() or None,
        "team": filled.picked(TEAM),
        "team_title": filled.picked_words(TEAM),
        "region": filled.text(REGION).strip() or None,
    }


def _problem_of_name(name: str | None) -> Mapping[str, str]:
    if not name:
        return {NAME: "It needs a name."}
    if any(letter.isspace() or letter == "/" for letter in name):
        return {NAME: "A name has no spaces and no slashes."}
    return {}
