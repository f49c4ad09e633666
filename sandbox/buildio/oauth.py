"""Build.io's OAuth endpoints: the authorization page and the token endpoint."""

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
    ACCESS_TOKEN_LIFETIME,
    CLIENT_ID,
    CLIENT_SECRET,
    AuthorizationRequest,
    OAuthGrants,
    TokenEndpointError,
    TokenPair,
)
from sandbox.consent_page import EXPIRED_MESSAGE, redirect_back, render_error, render_page

AUTHORIZE, TOKEN = "/oauth/authorize", "/oauth/token"
FORMS = "application/x-www-form-urlencoded"
# An S256 challenge is the base64 of 32 bytes; a verifier has 43 to 128 of these characters (RFC 7636, 4.1 and 4.2).
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_WORDS = {"read": "See your apps, their config vars and dynos", "write": "Deploy, restart and change them"}


@dataclass
class OAuthEndpoints:
    """The authorization page and the token endpoint."""

    grants: OAuthGrants
    members: Mapping[str, Member]
    _pending: dict[str, AuthorizationRequest] = field(default_factory=dict, repr=False)

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_get(AUTHORIZE, self._show)
        app.router.add_post(AUTHORIZE, self._submit)
        app.router.add_post(TOKEN, self._issue_tokens)

    async def _show(self, request: web.Request) -> web.Response:
        """Show the consent page; an error goes to the app only if its redirect URI can be trusted."""
        query = request.query
        if query.get("client_id") != CLIENT_ID:
            return _page(render_error("Unknown client_id."), status=400)
        redirect_uri = query.get("redirect_uri", "")
        if redirect_uri not in self.grants.redirect_uris:
            return _page(render_error("The redirect_uri isn't registered for this app."), status=400)
        if (error := _request_error(query)) is not None:
            return _redirect(redirect_uri, query.get("state"), error=error)
        authorization = AuthorizationRequest(
            redirect_uri, _scopes(query), query.get("state"), query.get("code_challenge")
        )
        name = secrets.token_urlsafe(24)
        self._pending[name] = authorization
        return _page(self._render_question(name, authorization))

    async def _submit(self, request: web.Request) -> web.Response:
        """Handle the submitted consent page."""
        form = await request.post()
        authorization = self._pending.pop(str(form.get("asked")), None)
        if authorization is None:
            return _page(render_error(EXPIRED_MESSAGE), status=400)
        if form.get("press") != "Allow":
            return _redirect(authorization.redirect_uri, authorization.state, error="access_denied")
        member = self.members.get(str(form.get("person")))
        if member is None or not member.is_person:
            return _page(render_error("Unknown user."), status=403)
        return _redirect(
            authorization.redirect_uri,
            authorization.state,
            code=self.grants.create_code(authorization, member),
        )

    async def _issue_tokens(self, request: web.Request) -> web.Response:
        """Return tokens, or an OAuth error (RFC 6749, 5)."""
        try:
            form = await _parse_form(request)
            _check_client(request, form)
            issued = self._tokens_for_form(form)
        except TokenEndpointError as problem:
            headers = {"WWW-Authenticate": 'Basic realm="Build.io"'} if problem.status == 401 else {}
            body: dict[str, Any] = {"error": problem.error, "error_description": problem.message}
            return web.json_response(body, status=problem.status, headers=_NO_STORE | headers)
        body = {
            "access_token": issued.access_token,
            "token_type": "Bearer",
            "expires_in": int(ACCESS_TOKEN_LIFETIME.total_seconds()),
            "refresh_token": issued.refresh_token,
            "scope": " ".join(sorted(issued.scopes)),
        }
        return web.json_response(body, headers=_NO_STORE)

    def _tokens_for_form(self, form: Mapping[str, str]) -> TokenPair:
        """Return the tokens for a form. Raises TokenEndpointError."""
        match form.get("grant_type"):
            case "authorization_code":
                verifier = form.get("code_verifier")
                if verifier is not None and not _VERIFIER.fullmatch(verifier):
                    raise TokenEndpointError(
                        "invalid_request", "A code_verifier has 43 to 128 unreserved characters"
                    )
                return self.grants.exchange(
                    _required(form, "code"), _required(form, "redirect_uri"), verifier
                )
            case "refresh_token":
                scopes = frozenset(form["scope"].split()) if form.get("scope") else None
                return self.grants.refresh(_required(form, "refresh_token"), scopes)
            case None:
                raise TokenEndpointError("invalid_request", "grant_type is missing")
        raise TokenEndpointError("unsupported_grant_type", "Use authorization_code or refresh_token")

    def _render_question(self, name: str, authorization: AuthorizationRequest) -> str:
        users = "".join(
            f'<option value="{escape(member.username)}">{escape(member.email)}</option>'
            for member in self.members.values()
            if member.is_person
        )
        scopes = "".join(
            f"<li><code>{escape(scope)}</code>: {_WORDS[scope]}</li>"
            for scope in sorted(authorization.scopes)
        )
        return (
            "<h1>An app wants to use your Build.io account</h1>"
            f"<p>It will be able to:</p><ul>{scopes}</ul>"
            f'<form method="post" action="{AUTHORIZE}"><input type="hidden" name="asked" value="{name}">'
            f'<label>You are <select name="person">{users}</select></label>'
            '<p class="press"><button name="press" value="Deny">Deny</button>'
            '<button name="press" value="Allow" class="allow">Allow</button></p></form>'
        )


_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def _request_error(query: Mapping[str, str]) -> str | None:
    """Return the error of an authorization request (RFC 6749, 4.1.2.1), or None."""
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("unsupported_response_type", lambda: query.get("response_type") != "code"),
        ("invalid_scope", lambda: not _scopes(query) or not _scopes(query) <= BOTH),
        ("invalid_request", lambda: _has_invalid_challenge(query)),
    )
    return next((error for error, is_so in checks if is_so()), None)


def _has_invalid_challenge(query: Mapping[str, str]) -> bool:
    """Return whether PKCE is used without S256; a missing method would mean plain (RFC 7636, 4.3)."""
    challenge, method = query.get("code_challenge"), query.get("code_challenge_method")
    if challenge is None:
        return method is not None
    return method != "S256" or not _CHALLENGE.fullmatch(challenge)


def _scopes(query: Mapping[str, str]) -> frozenset[str]:
    """Return the requested scopes; the default is read."""
    return frozenset(query.get("scope", READ).split())


async def _parse_form(request: web.Request) -> dict[str, str]:
    """Return the submitted form; duplicate fields are refused. Raises TokenEndpointError."""
    if request.content_type != FORMS:
        raise TokenEndpointError("invalid_request", f"The Content-Type must be {FORMS}")
    form = await request.post()
    if len(form) != len(set(form)):
        raise TokenEndpointError("invalid_request", "A parameter is repeated")
    return {name: str(value) for name, value in form.items()}


def _check_client(request: web.Request, form: Mapping[str, str]) -> None:
    """Authenticate the client by form or HTTP Basic, but not both. Raises TokenEndpointError."""
    given = (form.get("client_id"), form.get("client_secret"))
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        if form.get("client_secret") is not None:
            raise TokenEndpointError("invalid_request", "Client credentials are repeated")
        try:
            name, _, secret = b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            name = secret = ""
        given = (unquote(name), unquote(secret)) if scheme == "Basic" else (None, None)
    if given != (CLIENT_ID, CLIENT_SECRET):
        raise TokenEndpointError("invalid_client", "The client credentials are wrong", status=401)


def _required(form: Mapping[str, str], name: str) -> str:
    if not form.get(name):
        raise TokenEndpointError("invalid_request", f"{name} is missing")
    return form[name]


def _page(body: str, *, status: int = 200) -> web.Response:
    return render_page("Authorize an app", body, instead_of="Build.io", status=status)


def _redirect(address: str, state: str | None, **given: str) -> web.Response:
    return redirect_back(address, **given, **({} if state is None else {"state": state}))
