"""The Build.io simulator: API server, OAuth pages, and methods that change its state as users would."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

from sandbox.buildio.api.base import ResponseOptions, error_body
from sandbox.buildio.api.routes import ROOT, BuildioApi, redact_body
from sandbox.buildio.deployments import Deployment
from sandbox.buildio.domains import Domain
from sandbox.buildio.dynos import Dyno, Formation
from sandbox.buildio.members import Access, Role, Team, default_members
from sandbox.buildio.oauth import AUTHORIZE, OAuthEndpoints
from sandbox.buildio.oauth_grants import OAuthGrants
from sandbox.buildio.state import App, BuildioState
from sandbox.members import find_member
from sandbox.middleware import RequestMiddleware
from sandbox.oauth_browser import give_consent
from sandbox.provider_simulator import ProviderSimulator


@dataclass
class BuildioSimulator(ProviderSimulator):
    """A Build.io with a few apps, a pipeline, two teams and their members."""

    state: BuildioState = field(default_factory=BuildioState)
    response_options: ResponseOptions = field(default_factory=ResponseOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.oauth_grants = OAuthGrants(self.now)
        state, began = self.state, self.now() - timedelta(days=30)
        self.acme, self.labs = state.add_team("acme", began), state.add_team("labs", began)
        self.members = default_members(state.new_id, self.acme, self.labs)
        self.shop = self._running(
            "shop",
            formation=(Formation("web", 2, "bin/server", "standard"), Formation("worker", 1, "bin/worker")),
        )
        self.staging = self._running("shop-staging", branches=("main", "develop"))
        self.review = self._running("shop-pr-42", branches=("main", "patch-1"))
        self.ledger = state.add_app("ledger", began, team=self.labs, region="us")
        stages = {self.review: "review", self.staging: "staging", self.shop: "production"}
        self.pipeline = state.add_pipeline(
            "shop", began, team=self.acme, apps=stages, environments=("review", "staging")
        )
        self.pipeline.environments[0].config |= {"LOG_LEVEL": "debug", "PAYMENTS_KEY": "pk_sandbox_review"}
        self.namespace = state.add_namespace(
            "acme-internal", began, team=self.acme, description="Inner tools"
        )

    @property
    def api_url(self) -> str:
        """Return the value for BUILDIO_API_URL."""
        return self.url + ROOT

    @property
    def violations(self) -> list[str]:
        """Return the violations of the API reference so far."""
        return self.request_log.violations

    async def start(self) -> Self:
        """Start serving on loopback."""
        self.url = await self.serve(self.api().application())
        return self

    def api(self) -> BuildioApi:
        """Return the API of this state."""
        middleware = RequestMiddleware(
            "Build.io",
            self.faults,
            self.requests,
            self.request_log,
            self.rewrite_response,
            error_body,
            redact_body,
            self.now,
        )
        oauth = OAuthEndpoints(self.oauth_grants, self.members)
        return BuildioApi(self.state, middleware, self.now, self.members, self.response_options, oauth)

    def advance(self) -> bool:
        """Advance all resources to the current time; returns whether anything changed."""
        return self.state.advance(self.now())

    def deploy(self, app: App, *, by: str = "git", **more: Any) -> Deployment:
        """Deploy, as a push does. `fails`: its error message; `loops`: it succeeds, but its dynos crash."""
        return self.state.deploy(app, more.pop("at", None) or self.now(), by=by, **more)

    def finish(self, app: App, *, error: str | None = None) -> Deployment:
        """Finish the app's deployment now, with this error or its planned result. Raises ValueError."""
        self.advance()
        deployment = next((deployment for deployment in app.deployments if not deployment.is_over), None)
        if deployment is None:
            raise ValueError(f"{app.name} has no running deployment")
        self.state.finish(app, deployment, self.now(), error=error)
        return deployment

    def dyno(self, app: App, name: str = "web.1") -> Dyno:
        """Return a dyno of the app in its current state. Raises ValueError."""
        self.advance()
        found = next((dyno for dyno in app.dynos if dyno.name == name), None)
        if found is None:
            raise ValueError(
                f"{app.name} has no dyno {name}; it has {', '.join(dyno.name for dyno in app.dynos) or 'none'}"
            )
        return found

    def crash(self, dyno: Dyno) -> None:
        """Crash a dyno once."""
        dyno.crash(self.now())

    def start_crash_loop(self, dyno: Dyno) -> None:
        """Crash a dyno now and after every start, until `stop_crash_loop`."""
        dyno.loops = True
        dyno.crash(self.now())

    def stop_crash_loop(self, dyno: Dyno) -> None:
        """Let a crash-looping dyno stay up after its next start."""
        dyno.loops = False

    def idle(self, dyno: Dyno) -> None:
        """Put a dyno to sleep."""
        dyno.idle(self.now())

    def complete_certificate(self, domain: Domain, *, error: str | None = None) -> None:
        """Issue the certificate of a domain now, or fail it with this error."""
        if error is None:
            domain.issue(self.now())
        else:
            domain.fail(error, self.now())

    @property
    def redirect_uris(self) -> list[str]:
        """Return the allowed redirect URIs; append to add one."""
        return self.oauth_grants.redirect_uris

    async def give_consent(
        self, start_url: str, *, user: str = "anna", press: str = "Allow"
    ) -> tuple[int, str]:
        """Answer the consent page as a user; returns the status and text of the last page.

        `start_url` is that page, or a page of the app that redirects or links to it; `press` is Allow or Deny.
        """
        form = {"person": find_member(self.members, user).username, "press": press}
        return await give_consent(start_url, self.url + AUTHORIZE, query={}, form=form)

    def revoke(self, token: str) -> None:
        """Revoke a token. Raises KeyError for an unknown token."""
        member = next((member for member in self.members.values() if token in member.tokens), None)
        if member is None:
            raise KeyError("unknown token")
        del member.tokens[token]

    def create_token(self, username: str) -> str:
        """Create another token for a member; it is only returned here."""
        token = f"bld_sandbox-{self.state.new_id().replace('-', '')}"
        self.members[username].tokens[token] = Access()
        return token

    def set_role(self, username: str, team: Team, role: Role | None) -> None:
        """Set a member's role in a team; None removes it."""
        self.members[username].roles[team.name] = role

    def _running(self, name: str, **more: Any) -> App:
        """Return an app of acme that has been up for an hour."""
        at = self.now() - timedelta(hours=1)
        config = {"DATABASE_URL": f"postgres://{name}:sandbox@db.acme.example/{name}", "LOG_LEVEL": "info"}
        app = self.state.add_app(name, self.now() - timedelta(days=30), team=self.acme, config=config, **more)
        deployment = self.state.deploy(app, at, by="anna-berg@acme.example", description="Tidy up")
        self.state.finish(app, deployment, at + timedelta(minutes=2))
        self.state.advance(self.now())
        return app
