"""Where the app is installed, and the codes and tokens that came of it. State alone; time is passed in.

Codes, grants and their errors: docs.slack.dev, "oauth.v2.access" and "Using token rotation".
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.slack.users import Enterprise
from sandbox.slack.validation import SlackError
from sandbox.slack.workspace import APP, FunctionExecution, Workspace

CLIENT_ID = "1234567890.1234567890"
CLIENT_SECRET = "sandbox-client-secret-0000"  # noqa: S105 - a simulated secret
CODE_SECONDS = 600.0
TOKEN_SECONDS = 43_200
STEP_TOKEN_SECONDS = 900


@dataclass(eq=False)
class Installation:
    """The app in one workspace or, where that is None, in a whole organisation, whose bot is `bot_of_all`."""

    workspace: Workspace | None
    organisation: Enterprise | None
    scopes: frozenset[str]
    bot_of_all: str = ""
    removed: bool = False

    @property
    def org_wide(self) -> bool:
        """Whether it is an organisation's."""
        return self.workspace is None

    @property
    def bot_user(self) -> str:
        """The bot's user id there."""
        return self.bot_of_all if self.workspace is None else self.workspace.bot_user

    @property
    def enterprise(self) -> Enterprise | None:
        """The organisation that it belongs to, if any."""
        return self.organisation if self.workspace is None else self.workspace.enterprise

    @property
    def id(self) -> str:
        """The workspace's id, or the organisation's."""
        if self.workspace is not None:
            return self.workspace.team
        return self.organisation.id if self.organisation else ""

    def reaches(self, workspace: Workspace) -> bool:
        """Whether its tokens work there."""
        if self.workspace is not None:
            return self.workspace is workspace
        return self.organisation is not None and workspace.enterprise == self.organisation


@dataclass(eq=False)
class BotToken:
    """What the app acts with; `ends_at` is None where tokens do not rotate."""

    text: str
    installation: Installation
    ends_at: float | None = None
    revoked: bool = False
    # The step of a workflow for which alone it was given.
    run: FunctionExecution | None = None


@dataclass
class AuthorizationCode:
    """What comes back from the page on which somebody pressed Allow."""

    installation: Installation
    person: str
    made_at: float
    redirect_uri: str
    redirect_was_given: bool
    used: bool = False


class Installations:
    """All of them, also those that are gone, whose tokens are still known."""

    def __init__(self, clock: Callable[[], float], *, rotating: bool) -> None:
        self._clock = clock
        self.rotating = rotating
        self.tokens: dict[str, BotToken] = {}
        self._installed: list[Installation] = []
        self._codes: dict[str, AuthorizationCode] = {}
        self._refreshing: dict[str, Installation] = {}

    def begin_with(self, workspace: Workspace, scopes: Iterable[str], token: str) -> None:
        """The app is in a workspace from the start, with this token."""
        there = Installation(workspace, None, frozenset(scopes))
        self._installed.append(there)
        self.tokens[token] = BotToken(token, there)

    def of(self, workspace: Workspace) -> Installation | None:
        """How the app is installed there: with its whole organisation, else by itself; None where it is not."""
        found = [one for one in self._installed if one.reaches(workspace)]
        return next((one for one in found if one.org_wide), next(iter(found), None))

    def by_id(self, identity: str) -> Installation:
        """The installation of a workspace or an organisation. Raises KeyError."""
        found = next((one for one in self._installed if one.id == identity), None)
        if found is None:
            raise KeyError(f"the app is not installed in {identity}")
        return found

    def admit(self, text: str) -> BotToken:
        """A token that works. Raises SlackError."""
        token = self.tokens.get(text)
        if token is None:
            raise SlackError("invalid_auth")
        if token.installation.removed:
            raise SlackError("account_inactive")
        if token.revoked or _is_of_an_ended_step(token):
            raise SlackError("token_revoked")
        if token.ends_at is not None and token.ends_at <= self._clock():
            raise SlackError("token_expired")
        return token

    def for_step(self, installation: Installation, run: FunctionExecution) -> BotToken:
        """A token for a step of a workflow: it lasts a quarter of an hour.

        The one that comes with `function_executed` also ends with the step; one that comes with a button of the
        step's message or modal does not, since Slack's own templates complete the step with it and then change the
        message (bolt-python#1075).
        """
        text = f"xwfp-{secrets.randbelow(10**13)}-{secrets.token_hex(16)}"
        token = BotToken(text, installation, self._clock() + STEP_TOKEN_SECONDS, run=run)
        self.tokens[text] = token
        return token

    def allow(
        self, installation: Installation, person: str, redirect_uri: str, *, redirect_was_given: bool
    ) -> str:
        """Somebody pressed Allow: the code that the app gets."""
        text = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**13)}.{secrets.token_hex(32)}"
        self._codes[text] = AuthorizationCode(
            installation, person, self._clock(), redirect_uri, redirect_was_given
        )
        return text

    def exchange(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """oauth.v2.access, without the `ok`. Raises SlackError."""
        if given.get("client_id") != CLIENT_ID:
            raise SlackError("invalid_client_id")
        if not secrets.compare_digest(str(given.get("client_secret") or "").encode(), CLIENT_SECRET.encode()):
            raise SlackError("bad_client_secret")
        match given.get("grant_type") or "authorization_code":
            case "authorization_code":
                return self._first(given)
            case "refresh_token":
                return self._again(str(given.get("refresh_token") or ""))
            case _:
                raise SlackError("invalid_grant_type")

    def _first(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """From a code to a token."""
        code = self._codes.get(str(given.get("code") or ""))
        if code is None:
            raise SlackError("invalid_code")
        if code.used:
            raise SlackError("code_already_used")
        if self._clock() - code.made_at > CODE_SECONDS:
            raise SlackError("invalid_code")
        redirect_uri = given.get("redirect_uri")
        if (redirect_uri or code.redirect_was_given) and redirect_uri != code.redirect_uri:
            raise SlackError("bad_redirect_uri")
        code.used = True
        installation = self._installed_with(code.installation)
        return self._answer(installation) | {"authed_user": {"id": code.person}}

    def _again(self, refresh_token: str) -> dict[str, Any]:
        """From a refresh token, which works once, to the next pair; the token before goes on until its own end."""
        installation = self._refreshing.pop(refresh_token, None)
        if installation is None or installation.removed:
            raise SlackError("invalid_refresh_token")
        return self._answer(installation)

    def _installed_with(self, asked: Installation) -> Installation:
        """The installation, new or with more scopes: they add up (docs.slack.dev, "Installing with OAuth")."""
        for one in self._installed:
            if one.id == asked.id:
                one.scopes |= asked.scopes
                return one
        self._installed.append(asked)
        return asked

    def _answer(self, installation: Installation) -> dict[str, Any]:
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
        """A token, and what rotation adds to the answer. One that never ends is given again and again."""
        if not self.rotating:
            for token in self.tokens.values():
                if token.installation is installation and not token.revoked and token.run is None:
                    return token.text, {}
            text = f"xoxb-{secrets.randbelow(10**13)}-{secrets.randbelow(10**13)}-{secrets.token_hex(12)}"
            self.tokens[text] = BotToken(text, installation)
            return text, {}
        text, again = f"xoxe.xoxb-1-{secrets.token_urlsafe(96)}", f"xoxe-1-{secrets.token_urlsafe(96)}"
        self.tokens[text] = BotToken(text, installation, self._clock() + TOKEN_SECONDS)
        self._refreshing[again] = installation
        return text, {"expires_in": TOKEN_SECONDS, "refresh_token": again}

    def expire(self, installation: Installation) -> None:
        """Let every token that ends at all end now. Raises ValueError where none does."""
        ending = [
            one
            for one in self.tokens.values()
            if one.installation is installation and one.ends_at is not None and one.run is None
        ]
        if not ending:
            raise ValueError(f"no token of {installation.id} ever ends: tokens do not rotate there")
        for one in ending:
            one.ends_at = min(one.ends_at or 0, self._clock())

    def revoke(self, token: BotToken) -> bool:
        """End a token for good; whether it was the installation's last one."""
        token.revoked = True
        lasting = (one for one in self.tokens.values() if one.run is None)
        return all(one.revoked for one in lasting if one.installation is token.installation)

    def remove(self, installation: Installation) -> None:
        """The app is gone from there."""
        installation.removed = True
        self._installed.remove(installation)


def _is_of_an_ended_step(token: BotToken) -> bool:
    """Whether it came with a step that was completed."""
    return token.run is not None and token.run.token == token.text and token.run.status != "running"
