"""The simulated Bitrise, whole: its API, the storage that its links lead to, and what tests and people do with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from sandbox.bitrise.api.base import error_of
from sandbox.bitrise.api.routes import BitriseApi
from sandbox.bitrise.file_store import FileStore
from sandbox.bitrise.members import Role, find_token_owner, usual_members
from sandbox.bitrise.state import App, BitriseState, Build, BuildRequest, Pipeline, Result
from sandbox.middleware import RequestMiddleware
from sandbox.provider_simulator import ProviderSimulator


@dataclass
class BitriseSimulator(ProviderSimulator):
    """A Bitrise with a few apps and members."""

    farm: BitriseState = field(default_factory=BitriseState)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.store = FileStore(self.now)
        self.android = self.farm.add_app(
            "Sample Android",
            "bitrise-samples",
            "sample-android",
            branches=("main", "develop", "release/2.1"),
            pipelines=("release-train",),
        )
        self.ios = self.farm.add_app(
            "Sample iOS", "bitrise-samples", "sample-ios", project_type="ios", branches=("main", "design")
        )
        self.web = self.farm.add_app(
            "Web Shop", "acme", "web-shop", project_type="other", workflows=("test", "ship")
        )
        self.members = usual_members(self.android, self.ios, self.web)

    @property
    def api_url(self) -> str:
        """What BITRISE_API_URL is to be."""
        return f"{self.url}/v0.1"

    async def start(self) -> Self:
        """Begin to serve on loopback: the API on one port, the files on another, as the real ones are two hosts."""
        self.url = await self.serve(self.api().application())
        self.store.url = await self.serve(self.store.application())
        return self

    def api(self) -> BitriseApi:
        """The API, before the farm."""
        wire = RequestMiddleware(
            "Bitrise", self.faults, self.requests, self.journal, self.rewrite_response, error_of, now=self.now
        )
        return BitriseApi(self.farm, self.store, wire, self.now, self.members)

    def advance(self) -> bool:
        """Let every build live until now; returns whether one of them came further."""
        return self.farm.advance(self.now())

    def start_build(
        self, app: App, *, by: str | None = "webhook", workflow: str | None = None, **more: Any
    ) -> Build:
        """Start a build, as a push or Bitrise's own page would; `params` are its parameters."""
        params = {"branch": "main", **more.pop("params", {})} | (
            {"workflow_id": workflow} if workflow else {}
        )
        return self.farm.start_build(app, params, more.pop("at", None) or self.now(), triggered_by=by, **more)

    def start_pipeline(self, app: App, name: str = "release-train", **more: Any) -> Pipeline:
        """Start a pipeline, as a push would; `plan` says how workflows end, `stages` which there are."""
        params = {"branch": "main", **more.pop("params", {})}
        return self.farm.start_pipeline(app, name, params, self.now(), triggered_by="webhook", **more)

    def hold(self, app: App, pull_request: int, *, author: str = "stranger", **params: Any) -> BuildRequest:
        """A stranger opens a pull request, whose build waits for approval."""
        given = {
            "branch": "patch-1",
            "branch_dest": "main",
            "pull_request_id": pull_request,
            "pull_request_author": author,
            "commit_message": "Mend a typo",
            **params,
        }
        held = BuildRequest(app, self.farm.new_slug(), given, self.now())
        self.farm.requests.append(held)
        return held

    def run(self, build: Build) -> None:
        """Let a worker take the build and prepare it at once."""
        now = self.now()
        build.started_at, build.prepared_at = build.started_at or now, build.prepared_at or now

    def finish(self, build: Build, result: Result = "success") -> None:
        """Let the build end at once."""
        build.finish(result, self.now())

    def abort(
        self, build: Build, who: str = "api-demo", reason: str | None = None, *, with_success: bool = False
    ) -> None:
        """Abort the build from Bitrise's own page."""
        build.abort(self.now(), who, reason, with_success=with_success)

    def revoke(self, token: str) -> None:
        """End a token, as its owner does on Bitrise's own page. Raises KeyError for one that nobody has."""
        member = find_token_owner(self.members, token)
        if member is None:
            raise KeyError("nobody has this token")
        member.tokens.remove(token)

    def give_token(self, username: str) -> str:
        """A new token of a member's, beside those that they have; it is shown this once."""
        token = f"bitpat_sandbox-{self.farm.new_slug()}"
        self.members[username].tokens.append(token)
        return token

    def let(self, username: str, app: App, role: Role | None) -> None:
        """Give a member this role on the app's team; None lets them see it no more."""
        self.members[username].roles[app.slug] = role
