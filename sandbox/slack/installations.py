"""Installations of the app, with their codes and tokens. State only; time is a parameter.

Codes, grants and their errors: docs.slack.dev, "oauth.v2.access" and "Using token rotation".
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.slack.models import APP, FunctionExecution
from sandbox.slack.users import Enterprise
from sandbox.slack.validation import SlackError
from sandbox.slack.workspace import Workspace

CLIENT_ID = "1234567890.1234567890"
CLIENT_SECRET = "sandbox-client-secret-0000"  # noqa: S105 - a simulated secret
CODE_SECONDS = 600.0
TOKEN_SECONDS = 43_200
STEP_TOKEN_SECONDS = 900


@dataclass(eq=False)
class Installation:
    """An installation in one workspace or, if that is None, in an organisation whose bot user is `bot_of_all`."""

    workspace: Workspace | None
    organisation: Enterprise | None
    scopes: frozenset[str]
    org_bot_user: str = ""
    removed: bool = False

    @property
    def org_wide(self) -> bool:
        """Return whether it is organisation-wide."""
        return self.workspace is None

    @property
    def bot_user(self) -> str:
        """Return the bot's user id."""
        return self.org_bot_user if self.workspace is None else self.workspace.bot_user

    @property
    def enterprise(self) -> Enterprise | None:
        """Return its organisation, if any."""
        return self.organisation if self.workspace is None else self.workspace.enterprise

    @property
    def id(self) -> str:
        """Return the id of the workspace or the organisation."""
        if self.workspace is not None:
            return self.workspace.team
        return self.organisation.id if self.organisation else ""

    def covers(self, workspace: Workspace) -> bool:
        """Return whether its tokens are valid in a workspace."""
        if self.workspace is not None:
            return self.workspace is workspace
        return self.organisation is not None and workspace.enterprise == self.organisation


@dataclass(eq=False)
class BotToken:
    """A bot token; `ends_at` is None without token rotation."""

    text: str
    installation: Installation
    ends_at: float | None = None
    revoked: bool = False
    # The workflow step that it is limited to.
    execution: FunctionExecution | None = None


@dataclass
class AuthorizationCode:
    """A code from a consent to an installation."""

    installation: Installation
    user: str
    made_at: float
    redirect_uri: str
    redirect_was_given: bool
    used: bool = False


class Installations:
    """All installations, including removed ones, whose tokens are still known."""

    def __init__(self, clock: Callable[[], float], *, rotates_tokens: bool) -> None:
        self._clock = clock
        self.rotates_tokens = rotates_tokens
        self.tokens: dict[str, BotToken] = {}
        self._installed: list[Installation] = []
        self._codes: dict[str, AuthorizationCode] = {}
        self._refreshing: dict[str, Installation] = {}

    def add_installation(self, workspace: Workspace, scopes: Iterable[str], token: str) -> None:
        """Install the app in a workspace with this token."""
        installations = Installation(workspace, None, frozenset(scopes))
        self._installed.append(installations)
        self.tokens[token] = BotToken(token, installations)

    def find(self, workspace: Workspace) -> Installation | None:
        """Return the installation of a workspace: its organisation's, or its own; None without one."""
        found = [item for item in self._installed if item.covers(workspace)]
        return next((item for item in found if item.org_wide), next(iter(found), None))

    def get(self, identity: str) -> Installation:
        """Return the installation of a workspace or an organisation. Raises KeyError."""
        found = next((item for item in self._installed if item.id == identity), None)
        if found is None:
            raise KeyError(f"the app is not installed in {identity}")
        return found

    def authorize(self, text: str) -> BotToken:
        """Return a valid token. Raises SlackError."""
        token = self.tokens.get(text)
        if token is None:
            raise SlackError("invalid_auth")
        if token.installation.removed:
            raise SlackError("account_inactive")
        if token.revoked or _belongs_to_ended_step(token):
            raise SlackError("token_revoked")
        if token.ends_at is not None and token.ends_at <= self._clock():
            raise SlackError("token_expired")
        return token

    def issue_step_token(self, installation: Installation, run: FunctionExecution) -> BotToken:
        """Return a token for a workflow step, valid for 15 minutes.

        The one that comes with `function_executed` also expires with the step; one that comes with a button of the
        step's message or modal does not, since Slack's own templates complete the step with it and then update the
        message (bolt-python#1075).
        """
        text = f"xwfp-{secrets.randbelow(10**13)}-{secrets.token_hex(16)}"
        token = BotToken(text, installation, self._clock() + STEP_TOKEN_SECONDS, execution=run)
        self.tokens[text] = token
        return token

    def create_code(
        self, installation: Installation, user_id: str, redirect_uri: str, *, redirect_was_given: bool
    ) -> str:
        """Return a code for an installation that a user allowed."""
        text = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**13)}.{secrets.token_hex(32)}"
        self._codes[text] = AuthorizationCode(
            installation, user_id, self._clock(), redirect_uri, redirect_was_given
        )
        return text

    def exchange(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """oauth.v2.access, without the `ok`. Raises SlackError."""
        if form.get("client_id") != CLIENT_ID:
            raise SlackError("invalid_client_id")
        if not secrets.compare_digest(str(form.get("client_secret") or "").encode(), CLIENT_SECRET.encode()):
            raise SlackError("bad_client_secret")
        match form.get("grant_type") or "authorization_code":
            case "authorization_code":
                return self._exchange_code(form)
            case "refresh_token":
                return self._refresh(str(form.get("refresh_token") or ""))
            case _:
                raise SlackError("invalid_grant_type")

    def _exchange_code(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """Exchange a code for a token."""
        code = self._codes.get(str(form.get("code") or ""))
        if code is None:
            raise SlackError("invalid_code")
        if code.used:
            raise SlackError("code_already_used")
        if self._clock() - code.made_at > CODE_SECONDS:
            raise SlackError("invalid_code")
        redirect_uri = form.get("redirect_uri")
        if (redirect_uri or code.redirect_was_given) and redirect_uri != code.redirect_uri:
            raise SlackError("bad_redirect_uri")
        code.used = True
        installation = self._add_scopes(code.installation)
        return self._token_response(installation) | {"authed_user": {"id": code.user}}

    def _refresh(self, refresh_token: str) -> dict[str, Any]:
        """Exchange a single-use refresh token for the next pair.

        The previous access token stays valid until it expires.
        """
        installation = self._refreshing.pop(refresh_token, None)
        if installation is None or installation.removed:
            raise SlackError("invalid_refresh_token")
        return self._token_response(installation)

    def _add_scopes(self, requested: Installation) -> Installation:
        """Return the installation, new or with additional scopes (docs.slack.dev, "Installing with OAuth")."""
        for item in self._installed:
            if item.id == requested.id:
                item.scopes |= requested.scopes
                return item
        self._installed.append(requested)
        return requested

    def _token_response(self, installation: Installation) -> dict[str, Any]:
        workspace, enterprise = installation.workspace, installation.enterprise
        token, rotation = self._new_token(installation)
        return {
            "app_id": APP,
            "scope": ",".join(sorted(installation.scopes)),
            "token_type": "bot",
            "access_token": token,
            "bot_user_id": installation.bot_user,
            "team": {"id": workspace.team, "name": workspace.name} if workspace else None,
            "enterprise": {"id": enterprise.id, "name": enterprise.name} if enterprise else None,
            "is_enterprise_install": installation.org_wide,
            **rotation,
        }

    def _new_token(self, installation: Installation) -> tuple[str, dict[str, Any]]:
        """Return a token and its rotation fields. Without rotation the existing token is returned again."""
        if not self.rotates_tokens:
            for token in self.tokens.values():
                if token.installation is installation and not token.revoked and token.execution is None:
                    return token.text, {}
            text = f"xoxb-{secrets.randbelow(10**13)}-{secrets.randbelow(10**13)}-{secrets.token_hex(12)}"
            self.tokens[text] = BotToken(text, installation)
            return text, {}
        text, again = f"xoxe.xoxb-1-{secrets.token_urlsafe(96)}", f"xoxe-1-{secrets.token_urlsafe(96)}"
        self.tokens[text] = BotToken(text, installation, self._clock() + TOKEN_SECONDS)
        self._refreshing[again] = installation
        return text, {"expires_in": TOKEN_SECONDS, "refresh_token": again}

    def expire(self, installation: Installation) -> None:
        """Expire all rotating tokens of an installation. Raises ValueError if there are none."""
        ending = [
            token
            for token in self.tokens.values()
            if token.installation is installation and token.ends_at is not None and token.execution is None
        ]
        if not ending:
            raise ValueError(f"no token of {installation.id} ever ends: tokens do not rotate there")
        for token in ending:
            token.ends_at = min(token.ends_at or 0, self._clock())

    def revoke(self, token: BotToken) -> bool:
        """Revoke a token; returns whether it was the installation's last one."""
        token.revoked = True
        lasting = (token for token in self.tokens.values() if token.execution is None)
        return all(item.revoked for item in lasting if item.installation is token.installation)

    def remove(self, installation: Installation) -> None:
        """Remove an installation."""
        installation.removed = True
        self._installed.remove(installation)


def _belongs_to_ended_step(token: BotToken) -> bool:
    """Return whether the token came with a step that has ended."""
    return (
        token.execution is not None
        and token.execution.token == token.text
        and token.execution.status != "running"
    )
