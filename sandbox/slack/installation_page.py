"""Slack's page for installing an app in a workspace (docs.slack.dev, "Installing with OAuth")."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from sandbox.consent_page import EXPIRED_MESSAGE, redirect_back, render_error, render_page
from sandbox.slack.installations import CLIENT_ID, Installation, Installations
from sandbox.slack.users import Enterprise, User
from sandbox.slack.workspace_driver import WorkspaceDriver

PATH = "/oauth/v2/authorize"


class InstallationRefused(Exception):
    """An invalid installation request; the page shows the message."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class InstallationRequest:
    """The parameters of an installation request."""

    scopes: frozenset[str]
    state: str
    redirect_uri: str
    redirect_was_given: bool


class InstallationPage:
    """The page. It redirects only to `redirect_urls`."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        workplaces: Mapping[str, WorkspaceDriver],
        installations: Installations,
        redirect_urls: Callable[[], list[str]],
    ) -> None:
        self._manifest = manifest
        self._workspaces = workplaces
        self._installations = installations
        self._redirect_urls = redirect_urls
        self._pending: dict[str, InstallationRequest] = {}

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_get(PATH, self._show)
        app.router.add_post(PATH, self._submit)

    async def _show(self, request: web.Request) -> web.Response:
        """Show the page, or an error."""
        query = request.query
        try:
            installation_request = self._parse_request(query)
            target = self._find_target(query.get("team") or next(iter(self._workspaces)))
        except InstallationRefused as problem:
            return self._page(render_error(str(problem)), status=problem.status)
        name = secrets.token_urlsafe(24)
        self._pending[name] = installation_request
        return self._page(self._render_question(name, installation_request, target, query))

    async def _submit(self, request: web.Request) -> web.Response:
        """Handle the submitted page."""
        form = await request.post()
        installation_request = self._pending.get(str(form.get("asked")))
        if installation_request is None:
            return self._page(render_error(EXPIRED_MESSAGE), status=400)
        if form.get("press") != "Allow":
            return _redirect(installation_request, error="access_denied")
        try:
            installation, user = self._parse_choice(
                str(form.get("team")), str(form.get("person")), installation_request
            )
        except InstallationRefused as problem:
            return self._page(render_error(str(problem)), status=problem.status)
        del self._pending[str(form.get("asked"))]
        code = self._installations.create_code(
            installation,
            user.id,
            installation_request.redirect_uri,
            redirect_was_given=installation_request.redirect_was_given,
        )
        return _redirect(installation_request, code=code)

    def _parse_request(self, query: Mapping[str, str]) -> InstallationRequest:
        """Return the parameters of an installation request. Raises InstallationRefused."""
        if query.get("client_id") != CLIENT_ID:
            raise InstallationRefused("Invalid client_id parameter")
        allowed = self._manifest["oauth_config"]["scopes"].get("bot", [])
        scopes = query.get("scope", "").replace(",", " ").split()
        if not scopes:
            raise InstallationRefused("No scopes requested")
        if unknown := [scope for scope in scopes if scope not in allowed]:
            raise InstallationRefused(f"Invalid permissions requested: {', '.join(unknown)}")
        if user_scopes := query.get("user_scope", ""):
            raise InstallationRefused(
                f"Invalid permissions requested: {user_scopes} (there are no user tokens here)"
            )
        redirect_uri = query.get("redirect_uri", "")
        registered = self._redirect_urls()
        if not registered or (redirect_uri and not any(_is_below(redirect_uri, item) for item in registered)):
            raise InstallationRefused(
                f"redirect_uri did not match any configured URIs. Passed URI: {redirect_uri}"
            )
        return InstallationRequest(
            frozenset(scopes), query.get("state", ""), redirect_uri or registered[0], bool(redirect_uri)
        )

    def _find_target(self, identity: str) -> WorkspaceDriver | Enterprise:
        """Return the workspace or organisation with this id. Raises InstallationRefused."""
        if identity in self._workspaces:
            return self._workspaces[identity]
        found = next(
            (organisation for organisation in self._organisations() if organisation.id == identity), None
        )
        if found is None:
            raise InstallationRefused(f"Unknown workspace {identity}")
        return found

    def _organisations(self) -> list[Enterprise]:
        """Return the organisations that can install the app organisation-wide."""
        if not self._manifest["settings"].get("org_deploy_enabled"):
            return []
        found = [driver.workspace.enterprise for driver in self._workspaces.values()]
        return list(dict.fromkeys(enterprise for enterprise in found if enterprise is not None))

    def _users(self, target: WorkspaceDriver | Enterprise) -> list[User]:
        """Return the users who can act on the page."""
        if isinstance(target, WorkspaceDriver):
            return [user for user in target.workspace.users.values() if not user.deleted]
        found = {user.id: user for driver in self._workspaces_of(target) for user in self._users(driver)}
        return list(found.values())

    def _workspaces_of(self, enterprise: Enterprise) -> list[WorkspaceDriver]:
        return [driver for driver in self._workspaces.values() if driver.workspace.enterprise == enterprise]

    def _parse_choice(
        self, team: str, name: str, installation_request: InstallationRequest
    ) -> tuple[Installation, User]:
        """Return where the app is to be installed, and by whom. Raises InstallationRefused."""
        target = self._find_target(team)
        user = next((member for member in self._users(target) if name in (member.id, member.name)), None)
        if user is None:
            raise InstallationRefused(f"{name} has no account there", 403)
        if user.guest:
            raise InstallationRefused("Guests can't install apps", 403)
        if isinstance(target, WorkspaceDriver):
            workspace = target.workspace
            if workspace.only_admins_install and not user.is_admin:
                raise InstallationRefused(f"Only admins may install apps in {workspace.name}", 403)
            return Installation(workspace, None, installation_request.scopes), user
        if not user.is_admin:
            raise InstallationRefused(f"Only admins may install apps in all of {target.name}", 403)
        first, *others = self._workspaces_of(target)
        for other in others:
            other.workspace.add_bot(first.workspace)
        return Installation(None, target, installation_request.scopes, first.workspace.bot_user), user

    def _render_question(
        self,
        name: str,
        installation_request: InstallationRequest,
        target: WorkspaceDriver | Enterprise,
        query: Mapping[str, str],
    ) -> str:
        app = escape(self._manifest["display_information"]["name"])
        target_id, target_name = _id_and_name(target)
        targets: list[WorkspaceDriver | Enterprise] = [*self._workspaces.values(), *self._organisations()]
        links = "".join(
            f'<a href="{PATH}?{escape(urlencode({**query, "team": identity}))}"'
            f"{' aria-current=page' if identity == target_id else ''}>{escape(label)}</a>"
            for identity, label in map(_id_and_name, targets)
        )
        people = "".join(
            f'<option value="{escape(user.id)}">{escape(user.real_name)}{_role(user)}</option>'
            for user in self._users(target)
        )
        scopes = "".join(
            f"<li><code>{escape(scope)}</code></li>" for scope in sorted(installation_request.scopes)
        )
        return (
            f"<nav aria-label='Workspace'>{links}</nav>"
            f"<h1>{app} wants access to {escape(target_name)}</h1>"
            f"<p>It asks for these permissions:</p><ul>{scopes}</ul>"
            f'<form method="post" action="{PATH}"><input type="hidden" name="asked" value="{name}">'
            f'<input type="hidden" name="team" value="{escape(target_id)}">'
            f'<label>You are <select name="person">{people}</select></label>'
            '<p class="press"><button name="press" value="Cancel">Cancel</button>'
            '<button name="press" value="Allow" class="allow">Allow</button></p></form>'
        )

    def _page(self, body: str, *, status: int = 200) -> web.Response:
        title = f"Install {self._manifest['display_information']['name']}"
        return render_page(title, body, instead_of="Slack", status=status)


def _id_and_name(target: WorkspaceDriver | Enterprise) -> tuple[str, str]:
    if isinstance(target, WorkspaceDriver):
        return target.workspace.team, target.workspace.name
    return target.id, f"all of {target.name}"


def _role(user: User) -> str:
    return ", a guest" if user.guest else ", an admin" if user.is_admin else ""


def _is_below(given: str, registered: str) -> bool:
    """Return whether an address equals the registered one or is below it, on the same host and port."""
    ours, theirs = urlsplit(registered), urlsplit(given)
    if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc) or ".." in theirs.path.split("/"):
        return False
    return theirs.path == ours.path or theirs.path.startswith(f"{ours.path.rstrip('/')}/")


def _redirect(installation_request: InstallationRequest, **given: str) -> web.Response:
    """Redirect to the app."""
    return redirect_back(installation_request.redirect_uri, **given, state=installation_request.state)
