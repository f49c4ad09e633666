"""The simulated Build.io, whole: its API and its OAuth pages, and what tests and people do with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

from sandbox.buildio.api.base import ResponseOptions, error_of
from sandbox.buildio.api.routes import ROOT, BuildioApi, redact_body
from sandbox.buildio.deployments import Deployment
from sandbox.buildio.domains import Domain
from sandbox.buildio.dynos import Dyno, Formation
from sandbox.buildio.members import Access, Role, Team, usual_members
from sandbox.buildio.oauth import AUTHORIZE, OAuthEndpoints
from sandbox.buildio.oauth_grants import OAuthGrants
from sandbox.buildio.state import App, BuildioState
from sandbox.members import find_member
from sandbox.middleware import RequestMiddleware
from sandbox.oauth_browser import consent
from sandbox.provider_simulator import ProviderSimulator


@dataclass
class BuildioSimulator(ProviderSimulator):
    """A Build.io with a few apps, a pipeline, two teams and their members."""

    platform: BuildioState = field(default_factory=BuildioState)
    manner: ResponseOptions = field(default_factory=ResponseOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.grants = OAuthGrants(self.now)
        platform, began = self.platform, self.now() - timedelta(days=30)
        self.acme, self.labs = platform.add_team("acme", began), platform.add_team("labs", began)
        self.members = usual_members(platform.new_id, self.acme, self.labs)
        self.shop = self._running(
            "shop",
            formation=(Formation("web", 2, "bin/server", "standard"), Formation("worker", 1, "bin/worker")),
        )
        self.staging = self._running("shop-staging", branches=("main", "develop"))
        self.review = self._running("shop-pr-42", branches=("main", "patch-1"))
        self.ledger = platform.add_app("ledger", began, team=self.labs, region="us")
        stages = {self.review: "review", self.staging: "staging", self.shop: "production"}
        self.pipeline = platform.add_pipeline(
            "shop", began, team=self.acme, apps=stages, environments=("review", "staging")
        )
        self.pipeline.environments[0].config |= {"LOG_LEVEL": "debug", "PAYMENTS_KEY": "pk_sandbox_review"}
        self.namespace = platform.add_namespace(
            "acme-internal", began, team=self.acme, description="Inner tools"
        )

    @property
    def api_url(self) -> str:
        """What BUILDIO_API_URL is to be."""
        return self.url + ROOT

    @property
    def violations(self) -> list[str]:
        """The reference's rules that were broken so far."""
        return self.journal.violations

    async def start(self) -> Self:
        """Begin to serve on loopback."""
        self.url = await self.serve(self.api().application())
        return self

    def api(self) -> BuildioApi:
        """The API, before the platform."""
        wire = RequestMiddleware(
            "Build.io",
            self.faults,
            self.requests,
            self.journal,
            self.rewrite_response,
            error_of,
            redact_body,
            self.now,
        )
        oauth = OAuthEndpoints(self.grants, self.members)
        return BuildioApi(self.platform, wire, self.now, self.members, self.manner, oauth)

    def advance(self) -> bool:
        """Let everything live until now; returns whether something came further."""
        return self.platform.advance(self.now())

    def deploy(self, app: App, *, by: str = "git", **more: Any) -> Deployment:
        """Deploy, as a push would. `fails`: it ends with these words; `loops`: it succeeds, and its dynos crash."""
        return self.platform.deploy(app, more.pop("at", None) or self.now(), by=by, **more)

    def finish(self, app: App, *, error: str | None = None) -> Deployment:
        """Let the app's deployment end at once: with this error, or as it would. Raises ValueError."""
        self.advance()
        deployment = next((one for one in app.deployments if not one.is_over), None)
        if deployment is None:
            raise ValueError(f"nothing of {app.name} is being deployed")
        self.platform.finish(app, deployment, self.now(), error=error)
        return deployment

    def dyno(self, app: App, name: str = "web.1") -> Dyno:
        """An app's dyno, as it is now. Raises ValueError."""
        self.advance()
        found = next((one for one in app.dynos if one.name == name), None)
        if found is None:
            raise ValueError(
                f"{app.name} has no dyno {name}; it has {', '.join(one.name for one in app.dynos) or 'none'}"
            )
        return found

    def crash(self, dyno: Dyno) -> None:
        """Let a dyno crash, once."""
        dyno.crash(self.now())

    def loop(self, dyno: Dyno) -> None:
        """Let a dyno crash now, and again whenever it has come up, until `steady`."""
        dyno.loops = True
        dyno.crash(self.now())

    def steady(self, dyno: Dyno) -> None:
        """Let a dyno stay up once it is."""
        dyno.loops = False

    def idle(self, dyno: Dyno) -> None:
        """Let a dyno fall asleep."""
        dyno.idle(self.now())

    def certify(self, domain: Domain, *, error: str | None = None) -> None:
        """Let a domain get its certificate at once, or not, with these words."""
        if error is None:
            domain.issue(self.now())
        else:
            domain.fail(error, self.now())

    @property
    def redirect_uris(self) -> list[str]:
        """Where an app may be sent back to; add yours."""
        return self.grants.redirect_uris

    async def consent(self, begin: str, *, person: str = "anna", press: str = "Allow") -> tuple[int, str]:
        """Let somebody answer the page that an app sends them to; the status and the text of the last page.

        `begin` is that page's address, or one of the app's own that leads or links to it; `press` Allow or Deny.
        """
        chosen = {"person": find_member(self.members, person).username, "press": press}
        return await consent(begin, self.url + AUTHORIZE, query={}, chosen=chosen)

    def revoke(self, token: str) -> None:
        """End a token. Raises KeyError for one that nobody has."""
        member = next((one for one in self.members.values() if token in one.tokens), None)
        if member is None:
            raise KeyError("nobody has this token")
        del member.tokens[token]

    def give_token(self, username: str, access: Access | None = None) -> str:
        """A new token of a member's, beside those that they have; it is shown this once."""
        token = f"bld_sandbox-{self.platform.new_id().replace('-', '')}"
        self.members[username].tokens[token] = access or Access()
        return token

    def let(self, username: str, team: Team, role: Role | None) -> None:
        """Give a member this role in a team; None lets them see what is the team's no more."""
        self.members[username].roles[team.name] = role

    def _running(self, name: str, **more: Any) -> App:
        """An app of acme's that has been up for an hour."""
        at = self.now() - timedelta(hours=1)
        config = {"DATABASE_URL": f"postgres://{name}:sandbox@db.acme.example/{name}", "LOG_LEVEL": "info"}
        app = self.platform.add_app(
            name, self.now() - timedelta(days=30), team=self.acme, config=config, **more
        )
        deployment = self.platform.deploy(app, at, by="anna-berg@acme.example", description="Tidy up")
        self.platform.finish(app, deployment, at + timedelta(minutes=2))
        self.platform.advance(self.now())
        return app
