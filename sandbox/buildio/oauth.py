"""Build.io's OAuth endpoints: the page on which somebody lets an app act for them, and the one that gives tokens."""

from __future__ import annotations

import binascii
import re
import secrets
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from sandbox.buildio.members import BOTH, READ, Member
from sandbox.buildio.oauth_grants import (
    ACCESS_LIVES,
    CLIENT_ID,
    CLIENT_SECRET,
    AuthorizationRequest,
    OAuthGrants,
    TokenEndpointError,
    TokenPair,
)
from sandbox.consent_page import TOO_OLD, page, redirect_back, refusal

AUTHORIZE, TOKEN = "/oauth/authorize", "/oauth/token"
FORMS = "application/x-www-form-urlencoded"
# A challenge by S256 is the base64 of 32 bytes; a verifier has 43 to 128 of these (RFC 7636, 4.1 and 4.2).
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_WORDS = {"read": "See your apps, their config vars and dynos", "write": "Deploy, restart and change them"}


@dataclass
class OAuthEndpoints:
    """Both endpoints."""

    grants: OAuthGrants
    members: Mapping[str, Member]
    _asked: dict[str, AuthorizationRequest] = field(default_factory=dict, repr=False)

    def add_routes(self, app: web.Application) -> None:
        """Make the app serve them."""
        app.router.add_get(AUTHORIZE, self._show)
        app.router.add_post(AUTHORIZE, self._take)
        app.router.add_post(TOKEN, self._give)

    async def _show(self, request: web.Request) -> web.Response:
        """The question; where it can't be asked, why, told to the app if its address can be trusted."""
        query = request.query
        if query.get("client_id") != CLIENT_ID:
            return _page(refusal("The client_id is not known."), status=400)
        redirect_uri = query.get("redirect_uri", "")
        if redirect_uri not in self.grants.redirect_uris:
            return _page(
                refusal("The redirect_uri is none of those that the app has registered."), status=400
            )
        if (error := _wrong_with(query)) is not None:
            return _back(redirect_uri, query.get("state"), error=error)
        asked = AuthorizationRequest(
            redirect_uri, _scopes(query), query.get("state"), query.get("code_challenge")
        )
        name = secrets.token_urlsafe(24)
        self._asked[name] = asked
        return _page(self._question(name, asked))

    async def _take(self, request: web.Request) -> web.Response:
        """What somebody pressed."""
        form = await request.post()
        asked = self._asked.pop(str(form.get("asked")), None)
        if asked is None:
            return _page(refusal(TOO_OLD), status=400)
        if form.get("press") != "Allow":
            return _back(asked.redirect_uri, asked.state, error="access_denied")
        member = self.members.get(str(form.get("person")))
        if member is None or not member.is_person:
            return _page(refusal("There is no such person at Build.io."), status=403)
        return _back(asked.redirect_uri, asked.state, code=self.grants.allow(asked, member))

    async def _give(self, request: web.Request) -> web.Response:
        """Tokens, or an error in OAuth's own form (RFC 6749, 5)."""
        try:
            form = await _form_of(request)
            _check_client(request, form)
            issued = self._granted(form)
        except TokenEndpointError as problem:
            headers = {"WWW-Authenticate": 'Basic realm="Build.io"'} if problem.status == 401 else {}
            body: dict[str, Any] = {"error": problem.error, "error_description": problem.words}
            return web.json_response(body, status=problem.status, headers=_UNKEPT | headers)
        body = {
            "access_token": issued.access_token,
            "token_type": "Bearer",
            "expires_in": int(ACCESS_LIVES.total_seconds()),
            "refresh_token": issued.refresh_token,
            "scope": " ".join(sorted(issued.scopes)),
        }
        return web.json_response(body, headers=_UNKEPT)

    def _granted(self, form: Mapping[str, str]) -> TokenPair:
        """The tokens that the form asks for. Raises TokenEndpointError."""
        match form.get("grant_type"):
            case "authorization_code":
                verifier = form.get("code_verifier")
                if verifier is not None and not _VERIFIER.fullmatch(verifier):
                    raise TokenEndpointError(
                        "invalid_request", "A code_verifier has 43 to 128 unreserved characters"
                    )
                return self.grants.exchange(_needed(form, "code"), _needed(form, "redirect_uri"), verifier)
            case "refresh_token":
                scopes = frozenset(form["scope"].split()) if form.get("scope") else None
                return self.grants.refresh(_needed(form, "refresh_token"), scopes)
            case None:
                raise TokenEndpointError("invalid_request", "grant_type is missing")
        raise TokenEndpointError("unsupported_grant_type", "There are authorization_code and refresh_token")

    def _question(self, name: str, asked: AuthorizationRequest) -> str:
        people = "".join(
            f'<option value="{escape(one.username)}">{escape(one.email)}</option>'
            for one in self.members.values()
            if one.is_person
        )
        scopes = "".join(
            f"<li><code>{escape(one)}</code>: {_WORDS[one]}</li>" for one in sorted(asked.scopes)
        )
        return (
            "<h1>An app asks to act for you at Build.io</h1>"
            f"<p>It would be allowed:</p><ul>{scopes}</ul>"
            f'<form method="post" action="{AUTHORIZE}"><input type="hidden" name="asked" value="{name}">'
            f'<label>You are <select name="person">{people}</select></label>'
            '<p class="press"><button name="press" value="Deny">Deny</button>'
            '<button name="press" value="Allow" class="allow">Allow</button></p></form>'
        )


_UNKEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def _wrong_with(query: Mapping[str, str]) -> str | None:
    """The error of an app's request (RFC 6749, 4.1.2.1), if there is one."""
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("unsupported_response_type", lambda: query.get("response_type") != "code"),
        ("invalid_scope", lambda: not _scopes(query) or not _scopes(query) <= BOTH),
        ("invalid_request", lambda: _is_wrong_challenge(query)),
    )
    return next((error for error, is_so in checks if is_so()), None)


def _is_wrong_challenge(query: Mapping[str, str]) -> bool:
    """Whether there is PKCE of another kind than S256; without a method it would be plain (RFC 7636, 4.3)."""
    challenge, method = query.get("code_challenge"), query.get("code_challenge_method")
    if challenge is None:
        return method is not None
    return method != "S256" or not _CHALLENGE.fullmatch(challenge)


def _scopes(query: Mapping[str, str]) -> frozenset[str]:
    """What is asked for; to read, where nothing is said."""
    return frozenset(query.get("scope", READ).split())


async def _form_of(request: web.Request) -> dict[str, str]:
    """The form that was sent, with no field twice. Raises TokenEndpointError."""
    if request.content_type != FORMS:
        raise TokenEndpointError("invalid_request", f"The Content-Type must be {FORMS}")
    form = await request.post()
    if len(form) != len(set(form)):
        raise TokenEndpointError("invalid_request", "A parameter is there twice")
    return {name: str(value) for name, value in form.items()}


def _check_client(request: web.Request, form: Mapping[str, str]) -> None:
    """Whether the app is who it says it is, by the form or by HTTP Basic, not by both. Raises TokenEndpointError."""
    given = (form.get("client_id"), form.get("client_secret"))
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        if form.get("client_secret") is not None:
            raise TokenEndpointError("invalid_request", "There are client credentials twice")
        try:
            name, _, secret = b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            name = secret = ""
        given = (unquote(name), unquote(secret)) if scheme == "Basic" else (None, None)
    if given != (CLIENT_ID, CLIENT_SECRET):
        raise TokenEndpointError("invalid_client", "The client credentials are wrong", status=401)


def _needed(form: Mapping[str, str], name: str) -> str:
    if not form.get(name):
        raise TokenEndpointError("invalid_request", f"{name} is missing")
    return form[name]


def _page(body: str, *, status: int = 200) -> web.Response:
    return page("Let an app act for you", body, instead_of="Build.io", status=status)


def _back(address: str, state: str | None, **given: str) -> web.Response:
    return redirect_back(address, **given, **({} if state is None else {"state": state}))
