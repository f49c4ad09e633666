"""Slack's page on which somebody lets an app into their workspace (docs.slack.dev, "Installing with OAuth")."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from sandbox.consent_page import TOO_OLD, page, redirect_back, refusal
from sandbox.slack.installations import CLIENT_ID, Installation, Installations
from sandbox.slack.users import Enterprise, User
from sandbox.slack.workspace_driver import WorkspaceDriver

PATH = "/oauth/v2/authorize"


class InstallationRefused(Exception):
    """The page says this instead of asking."""

    def __init__(self, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True)
class InstallationRequest:
    """What an app asks for."""

    scopes: frozenset[str]
    state: str
    redirect_uri: str
    redirect_was_given: bool


class InstallationPage:
    """The page. `redirect_urls` says where it may send people back to; every other address is refused."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        workplaces: Mapping[str, WorkspaceDriver],
        installations: Installations,
        redirect_urls: Callable[[], list[str]],
    ) -> None:
        self._manifest = manifest
        self._workplaces = workplaces
        self._installations = installations
        self._redirect_urls = redirect_urls
        self._asked: dict[str, InstallationRequest] = {}

    def add_routes(self, app: web.Application) -> None:
        """Make the app serve it."""
        app.router.add_get(PATH, self._show)
        app.router.add_post(PATH, self._take)

    async def _show(self, request: web.Request) -> web.Response:
        """The question, or why it is not asked."""
        query = request.query
        try:
            asked = self._read(query)
            place = self._place(query.get("team") or next(iter(self._workplaces)))
        except InstallationRefused as problem:
            return self._page(refusal(str(problem)), status=problem.status)
        name = secrets.token_urlsafe(24)
        self._asked[name] = asked
        return self._page(self._question(name, asked, place, query))

    async def _take(self, request: web.Request) -> web.Response:
        """What somebody pressed."""
        form = await request.post()
        asked = self._asked.get(str(form.get("asked")))
        if asked is None:
            return self._page(refusal(TOO_OLD), status=400)
        if form.get("press") != "Allow":
            return _back(asked, error="access_denied")
        try:
            installation, person = self._choice(str(form.get("team")), str(form.get("person")), asked)
        except InstallationRefused as problem:
            return self._page(refusal(str(problem)), status=problem.status)
        del self._asked[str(form.get("asked"))]
        code = self._installations.allow(
            installation, person.id, asked.redirect_uri, redirect_was_given=asked.redirect_was_given
        )
        return _back(asked, code=code)

    def _read(self, query: Mapping[str, str]) -> InstallationRequest:
        """What the address asks for. Raises NotAllowed."""
        if query.get("client_id") != CLIENT_ID:
            raise InstallationRefused("Invalid client_id parameter")
        known = self._manifest["oauth_config"]["scopes"].get("bot", [])
        scopes = query.get("scope", "").replace(",", " ").split()
        if not scopes:
            raise InstallationRefused("No scopes requested")
        if unknown := [one for one in scopes if one not in known]:
            raise InstallationRefused(f"Invalid permissions requested: {', '.join(unknown)}")
        if user_scopes := query.get("user_scope", ""):
            raise InstallationRefused(
                f"Invalid permissions requested: {user_scopes} (there are no user tokens here)"
            )
        given = query.get("redirect_uri", "")
        registered = self._redirect_urls()
        if not registered or (given and not any(_leads_below(given, one) for one in registered)):
            raise InstallationRefused(f"redirect_uri did not match any configured URIs. Passed URI: {given}")
        return InstallationRequest(
            frozenset(scopes), query.get("state", ""), given or registered[0], bool(given)
        )

    def _place(self, identity: str) -> WorkspaceDriver | Enterprise:
        """The workspace or organisation of that id. Raises NotAllowed."""
        if identity in self._workplaces:
            return self._workplaces[identity]
        found = next((one for one in self._organisations() if one.id == identity), None)
        if found is None:
            raise InstallationRefused(f"There is no workspace {identity}")
        return found

    def _organisations(self) -> list[Enterprise]:
        """Those that may install the app as a whole."""
        if not self._manifest["settings"].get("org_deploy_enabled"):
            return []
        found = [one.workspace.enterprise for one in self._workplaces.values()]
        return list(dict.fromkeys(one for one in found if one is not None))

    def _people(self, place: WorkspaceDriver | Enterprise) -> list[User]:
        """Who may be asked there."""
        if isinstance(place, WorkspaceDriver):
            return [one for one in place.workspace.people.values() if not one.deleted]
        found = {one.id: one for inner in self._in(place) for one in self._people(inner)}
        return list(found.values())

    def _in(self, enterprise: Enterprise) -> list[WorkspaceDriver]:
        return [one for one in self._workplaces.values() if one.workspace.enterprise == enterprise]

    def _choice(self, team: str, name: str, asked: InstallationRequest) -> tuple[Installation, User]:
        """Where the app is to be installed, and by whom. Raises NotAllowed."""
        place = self._place(team)
        person = next((one for one in self._people(place) if name in (one.id, one.name)), None)
        if person is None:
            raise InstallationRefused(f"{name} has no account there", 403)
        if person.guest:
            raise InstallationRefused("Guests can't install apps", 403)
        if isinstance(place, WorkspaceDriver):
            workspace = place.workspace
            if workspace.only_admins_install and not person.is_admin:
                raise InstallationRefused(f"Only admins may install apps in {workspace.name}", 403)
            return Installation(workspace, None, asked.scopes), person
        if not person.is_admin:
            raise InstallationRefused(f"Only admins may install apps in all of {place.name}", 403)
        first, *others = self._in(place)
        for one in others:
            one.workspace.add_bot(first.workspace)
        return Installation(None, place, asked.scopes, first.workspace.bot_user), person

    def _question(
        self,
        name: str,
        asked: InstallationRequest,
        place: WorkspaceDriver | Enterprise,
        query: Mapping[str, str],
    ) -> str:
        app = escape(self._manifest["display_information"]["name"])
        here, where = _named(place)
        places: list[WorkspaceDriver | Enterprise] = [*self._workplaces.values(), *self._organisations()]
        links = "".join(
            f'<a href="{PATH}?{escape(urlencode({**query, "team": identity}))}"'
            f"{' aria-current=page' if identity == here else ''}>{escape(words)}</a>"
            for identity, words in map(_named, places)
        )
        people = "".join(
            f'<option value="{escape(one.id)}">{escape(one.real_name)}{_role(one)}</option>'
            for one in self._people(place)
        )
        scopes = "".join(f"<li><code>{escape(one)}</code></li>" for one in sorted(asked.scopes))
        return (
            f"<nav aria-label='Where to'>{links}</nav>"
            f"<h1>{app} asks to be let into {escape(where)}</h1>"
            f"<p>There it would be allowed:</p><ul>{scopes}</ul>"
            f'<form method="post" action="{PATH}"><input type="hidden" name="asked" value="{name}">'
            f'<input type="hidden" name="team" value="{escape(here)}">'
            f'<label>You are <select name="person">{people}</select></label>'
            '<p class="press"><button name="press" value="Cancel">Cancel</button>'
            '<button name="press" value="Allow" class="allow">Allow</button></p></form>'
        )

    def _page(self, body: str, *, status: int = 200) -> web.Response:
        title = f"Install {self._manifest['display_information']['name']}"
        return page(title, body, instead_of="Slack", status=status)


def _named(place: WorkspaceDriver | Enterprise) -> tuple[str, str]:
    if isinstance(place, WorkspaceDriver):
        return place.workspace.team, place.workspace.name
    return place.id, f"all of {place.name}"


def _role(person: User) -> str:
    return ", a guest" if person.guest else ", an admin" if person.is_admin else ""


def _leads_below(given: str, registered: str) -> bool:
    """Whether an address is the registered one or below it, on the very same host and port."""
    ours, theirs = urlsplit(registered), urlsplit(given)
    if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc) or ".." in theirs.path.split("/"):
        return False
    return theirs.path == ours.path or theirs.path.startswith(f"{ours.path.rstrip('/')}/")


def _back(asked: InstallationRequest, **given: str) -> web.Response:
    """To where the app wants people sent."""
    return redirect_back(asked.redirect_uri, **given, state=asked.state)
