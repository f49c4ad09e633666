"""The Bitrise simulator: API server, file host, and methods that change its state as users would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from sandbox.bitrise.api.base import error_body
from sandbox.bitrise.api.routes import BitriseApi
from sandbox.bitrise.file_store import FileStore
from sandbox.bitrise.members import Role, default_members, find_token_owner
from sandbox.bitrise.state import App, BitriseState, Build, BuildRequest, Pipeline, Result
from sandbox.middleware import RequestMiddleware
from sandbox.provider_simulator import ProviderSimulator


@dataclass
class BitriseSimulator(ProviderSimulator):
    """A Bitrise with a few apps and members."""

    state: BitriseState = field(default_factory=BitriseState)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.file_store = FileStore(self.now)
        self.android = self.state.add_app(
            "Sample Android",
            "bitrise-samples",
            "sample-android",
            branches=("main", "develop", "release/2.1"),
            pipelines=("release-train",),
        )
        self.ios = self.state.add_app(
            "Sample iOS", "bitrise-samples", "sample-ios", project_type="ios", branches=("main", "design")
        )
        self.web = self.state.add_app(
            "Web Shop", "acme", "web-shop", project_type="other", workflows=("test", "ship")
        )
        self.members = default_members(self.android, self.ios, self.web)

    @property
    def api_url(self) -> str:
        """Return the value for BITRISE_API_URL."""
        return f"{self.url}/v0.1"

    async def start(self) -> Self:
        """Start serving on loopback: API and file host on two ports, since the real ones are two hosts."""
        self.url = await self.serve(self.api().application())
        self.file_store.url = await self.serve(self.file_store.application())
        return self

    def api(self) -> BitriseApi:
        """Return the API of this state."""
        middleware = RequestMiddleware(
            "Bitrise",
            self.faults,
            self.requests,
            self.request_log,
            self.rewrite_response,
            error_body,
            now=self.now,
        )
        return BitriseApi(self.state, self.file_store, middleware, self.now, self.members)

    def advance(self) -> bool:
        """Advance all builds to the current time; returns whether one of them changed."""
        return self.state.advance(self.now())

    def start_build(
        self, app: App, *, by: str | None = "webhook", workflow: str | None = None, **more: Any
    ) -> Build:
        """Start a build, as a push or Bitrise's own page does; `params` are its parameters."""
        params = {"branch": "main", **more.pop("params", {})} | (
            {"workflow_id": workflow} if workflow else {}
        )
        return self.state.start_build(
            app, params, more.pop("at", None) or self.now(), triggered_by=by, **more
        )

    def start_pipeline(self, app: App, name: str = "release-train", **more: Any) -> Pipeline:
        """Start a pipeline, as a push does; `plan` sets results by workflow, `stages` the stages."""
        params = {"branch": "main", **more.pop("params", {})}
        return self.state.start_pipeline(app, name, params, self.now(), triggered_by="webhook", **more)

    def add_build_request(
        self, app: App, pull_request: int, *, author: str = "stranger", **params: Any
    ) -> BuildRequest:
        """Add a build request: a pull request from outside whose build waits for approval."""
        build_params = {
            "branch": "patch-1",
            "branch_dest": "main",
            "pull_request_id": pull_request,
            "pull_request_author": author,
            "commit_message": "Mend a typo",
            **params,
        }
        request = BuildRequest(app, self.state.new_slug(), build_params, self.now())
        self.state.requests.append(request)
        return request

    def start_running(self, build: Build) -> None:
        """Let a worker take the build and prepare it immediately."""
        now = self.now()
        build.started_at, build.prepared_at = build.started_at or now, build.prepared_at or now

    def finish(self, build: Build, result: Result = "success") -> None:
        """Finish the build immediately."""
        build.finish(result, self.now())

    def abort(
        self,
        build: Build,
        username: str = "api-demo",
        reason: str | None = None,
        *,
        with_success: bool = False,
    ) -> None:
        """Abort the build, as on Bitrise's own page."""
        build.abort(self.now(), username, reason, with_success=with_success)

    def revoke(self, token: str) -> None:
        """Revoke a token, as its owner does on Bitrise's own page. Raises KeyError for an unknown token."""
        member = find_token_owner(self.members, token)
        if member is None:
            raise KeyError("unknown token")
        member.tokens.remove(token)

    def create_token(self, username: str) -> str:
        """Create another token for a member; it is only returned here."""
        token = f"bitpat_sandbox-{self.state.new_slug()}"
        self.members[username].tokens.append(token)
        return token

    def set_role(self, username: str, app: App, role: Role | None) -> None:
        """Set a member's role on the app's team; None removes it."""
        self.members[username].roles[app.slug] = role
