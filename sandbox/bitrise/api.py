"""Bitrise's API v0.1, as its documents describe it, with its own words for what it refuses."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web

from sandbox.bitrise.answers import (
    app_item,
    artifact_item,
    build_item,
    page_of,
    pipeline_item,
    pipeline_show,
    request_item,
    with_pipeline,
)
from sandbox.bitrise.farm import App, Artifact, Build, Farm, Pipeline
from sandbox.bitrise.logs import chunks_of, output_of, summary_of
from sandbox.bitrise.storage import FileStore
from sandbox.bitrise.yml import yml_of
from sandbox.faults import Fault, Faults
from sandbox.journal import Journal

CHUNKS_SHOWN = 6
LARGEST_YML = 400 * 1024
USER = "api-demo"
ANYTHING = ("branch", "tag", "commit_hash", "workflow_id", "pipeline_id")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refusal(Exception):
    """An answer of status 400 or higher."""

    def __init__(
        self, status: int, words: str, *, key: str = "message", of_trigger_for: App | None = None
    ) -> None:
        super().__init__(words)
        self.status = status
        self.body = {key: words}
        if of_trigger_for is not None:
            self.body |= {"status": "error", "slug": of_trigger_for.slug, "service": "bitrise"}


@dataclass
class Request:
    """A request that came in; never its token."""

    method: str
    path: str
    query: dict[str, str]
    body: Any = None
    status: int = 0


@dataclass
class Api:
    """Answers every documented endpoint. `tokens` says of each whether it is a mere tester's."""

    farm: Farm
    store: FileStore
    faults: Faults
    requests: deque[Request]
    now: Callable[[], datetime]
    tokens: dict[str, bool]
    journal: Journal = field(default_factory=Journal)

    def application(self) -> web.Application:
        """The API's host."""
        app = web.Application(middlewares=[self._around])
        build = "/v0.1/apps/{app}/builds/{build}"
        for verb, path, handler in (
            ("GET", "/", self._root),
            ("GET", "/v0.1", self._root),
            ("GET", "/v0.1/me", self._me),
            ("GET", "/v0.1/me/apps", self._apps),
            ("GET", "/v0.1/apps", self._apps),
            ("GET", "/v0.1/apps/{app}", self._app),
            ("GET", "/v0.1/apps/{app}/branches", self._branches),
            ("GET", "/v0.1/apps/{app}/build-workflows", self._workflows),
            ("GET", "/v0.1/apps/{app}/bitrise.yml", self._app_yml),
            ("GET", f"{build}/bitrise.yml", self._build_yml),
            ("POST", "/v0.1/validate-bitrise-yml", self._validate_yml),
            ("GET", "/v0.1/apps/{app}/build-requests", self._requests),
            ("PATCH", "/v0.1/apps/{app}/build-requests/{request}", self._decide_request),
            ("GET", "/v0.1/apps/{app}/pipelines", self._pipelines),
            ("GET", "/v0.1/apps/{app}/pipelines/{pipeline}", self._pipeline),
            ("POST", "/v0.1/apps/{app}/pipelines/{pipeline}/abort", self._abort_pipeline),
            ("POST", "/v0.1/apps/{app}/pipelines/{pipeline}/rebuild", self._rebuild_pipeline),
            ("GET", "/v0.1/apps/{app}/builds", self._builds),
            ("POST", "/v0.1/apps/{app}/builds", self._trigger),
            ("GET", "/v0.1/builds", self._all_builds),
            ("GET", build, self._build),
            ("GET", f"{build}/log", self._log),
            ("GET", f"{build}/log/summary", self._log_summary),
            ("GET", f"{build}/log/steps/{{step}}", self._step_log),
            ("GET", "/v0.1/builds/{build}/ai-summary", self._ai_summary),
            ("GET", f"{build}/artifacts", self._artifacts),
            ("GET", f"{build}/artifacts/{{artifact}}", self._artifact),
            ("PATCH", f"{build}/artifacts/{{artifact}}", self._change_artifact),
            ("POST", f"{build}/abort", self._abort),
        ):
            app.router.add_route(verb, path, handler)
        return app

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        noted = Request(request.method, request.path, dict(request.query), _as_json(await request.text()))
        self.requests.append(noted)
        given = {"query": noted.query, "body": noted.body}
        entry = self.journal.note("app → Bitrise", f"{request.method} {request.path}", given)
        fault = self.faults.take(f"{request.method} {request.path}")
        self.farm.advance(self.now())
        response = await _faulty(fault, request) or await self._answer(request, handler)
        noted.status = response.status
        text = response.text if isinstance(response, web.Response) else None
        self.journal.close(entry, _as_json(text or ""), status=response.status)
        if fault is not None and fault.kind == "answer_lost":
            _break(request)
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.path not in ("/", "/v0.1"):
                self._check_token(request)
            return await handler(request)
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        except web.HTTPNotFound:
            return web.json_response({"message": "Not Found"}, status=404)
        except web.HTTPMethodNotAllowed:
            return web.json_response({"message": "Method Not Allowed"}, status=405)

    def _check_token(self, request: web.Request) -> bool:
        """Whether the token is a mere tester's; both forms of the header are taken. Raises Refusal."""
        token = request.headers.get("Authorization", "").removeprefix("token ").strip()
        if token not in self.tokens:
            raise Refusal(401, "Unauthorized")
        return self.tokens[token]

    def _only_developers(self, request: web.Request) -> None:
        # Listing needs Tester/QA, logs and abort need Developer (Bitrise's documents, "Roles").
        if self._check_token(request):
            raise Refusal(403, "Forbidden")

    async def _root(self, _request: web.Request) -> web.Response:
        return web.json_response({"message": "Bitrise API", "version": "v0.1"})

    async def _me(self, _request: web.Request) -> web.Response:
        return web.json_response({"data": {"username": USER, "slug": "0f00d000a0b0c0d0", "avatar_url": None}})

    async def _apps(self, request: web.Request) -> web.Response:
        apps = self.farm.apps
        return _page(apps, [app.slug for app in apps], app_item, request)

    async def _app(self, request: web.Request) -> web.Response:
        return web.json_response({"data": app_item(self._find_app(request))})

    async def _branches(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        return web.json_response(
            {"data": sorted({one.branch for one in self.farm.of_app(app) if one.branch})}
        )

    async def _workflows(self, request: web.Request) -> web.Response:
        app = self._find_app(request)
        return web.json_response({"data": sorted({one.workflow for one in self.farm.of_app(app)})})

    async def _app_yml(self, request: web.Request) -> web.Response:
        self._only_developers(request)
        return web.Response(text=yml_of(self._find_app(request)), content_type="text/plain")

    async def _validate_yml(self, request: web.Request) -> web.Response:
        body = _as_json(await request.text())
        text = body.get("bitrise_yml") if isinstance(body, dict) else None
        if not isinstance(text, str):
            raise Refusal(400, "Missing or invalid parameters")
        if len(text) > LARGEST_YML:
            raise Refusal(413, "Payload too large")
        if "workflows:" not in text:
            raise Refusal(422, "Validation failed: no workflows defined")
        warnings = ["format_version is old"] if "format_version: '1'" in text else []
        return web.json_response({"errors": [], "warnings": warnings})

    async def _build_yml(self, request: web.Request) -> web.Response:
        self._only_developers(request)
        return web.Response(text=yml_of(self._find_build(request).app), content_type="text/plain")

    async def _builds(self, request: web.Request) -> web.Response:
        query = request.query
        everything = self.farm.of_app(self._find_app(request))
        builds = [build for build in everything if _passes(build, query)]
        if query.get("sort_by") == "running_first":
            builds.sort(key=lambda build: build.result is not None)

        def item(build: Build) -> dict[str, Any]:
            return with_pipeline(build_item(build), build)

        # The documents' filtered examples still count all builds of the app.
        return _page(builds, [build.slug for build in builds], item, request, total=len(everything))

    async def _all_builds(self, request: web.Request) -> web.Response:
        query = request.query
        builds = [
            build
            for build in self.farm.newest_first()
            if _is(query, "status", build.status) and _is(query, "is_on_hold", str(build.is_on_hold).lower())
        ]

        def item(build: Build) -> dict[str, Any]:
            return build_item(build) | {"repository": app_item(build.app)}

        return _page(builds, [build.slug for build in builds], item, request)

    async def _build(self, request: web.Request) -> web.Response:
        build = self._find_build(request)
        return web.json_response({"data": with_pipeline(build_item(build), build)})

    async def _log(self, request: web.Request) -> web.Response:
        self._only_developers(request)
        build, now = self._find_build(request), self.now()
        if not build.has_log(now):
            raise Refusal(404, "Not Found")
        text = build.log(now)
        chunks = list(enumerate(chunks_of(text)))
        answer: dict[str, Any] = {
            # several workers write at once: the pieces come in no order (Bitrise's command line)
            "log_chunks": [
                {"chunk": chunk, "position": at} for at, chunk in reversed(chunks[-CHUNKS_SHOWN:])
            ],
            "generated_log_chunks_num": len(chunks),
            "is_archived": build.is_archived(now),
            "expiring_raw_log_url": None,
            "timestamp": None,
            "next_before_timestamp": "0001-01-01T00:00:00Z",
            "next_after_timestamp": "0001-01-01T00:00:00Z",
        }
        if build.is_archived(now):
            answer["expiring_raw_log_url"] = self.store.link_to(f"{build.slug}.log", text.encode())
        return web.json_response(answer)

    async def _log_summary(self, request: web.Request) -> web.Response:
        self._only_developers(request)
        build = self._find_build(request)
        if not build.app.sums_up or not build.has_log(self.now()):
            raise Refusal(404, "Not Found")
        return web.json_response(summary_of(build.log(self.now()), build.slug, build.prepared_at))

    async def _step_log(self, request: web.Request) -> web.Response:
        self._only_developers(request)
        build = self._find_build(request)
        output = output_of(build.log(self.now()), build.slug, request.match_info["step"])
        if not build.app.sums_up or output is None:
            raise Refusal(404, "Not Found")
        content = json.dumps([{"message": line + "\n"} for line in output]).encode()
        return web.json_response({"expiring_raw_log_url": self.store.link_to("step.json", content)})

    async def _ai_summary(self, request: web.Request) -> web.Response:
        self._check_token(request)
        slug = request.match_info["build"]
        build = next((one for one in self.farm.builds if one.slug == slug), None)
        if build is None or not build.app.explains or build.result != "error":
            raise Refusal(404, "AI summary is not available", key="error_msg")
        words = "The unit tests failed: LoginTest rejects an empty password.\n\nCheck the null handling in LoginForm."
        return web.json_response({"data": {"summary": words}})

    async def _artifacts(self, request: web.Request) -> web.Response:
        artifacts = self._find_build(request).artifacts
        return _page(artifacts, [one.slug for one in artifacts], artifact_item, request)

    async def _artifact(self, request: web.Request) -> web.Response:
        return web.json_response({"data": self._with_links(self._find_artifact(request))})

    async def _change_artifact(self, request: web.Request) -> web.Response:
        self._only_developers(request)
        artifact, body = self._find_artifact(request), _as_json(await request.text())
        if not isinstance(body, dict) or not isinstance(body.get("is_public_page_enabled"), bool):
            raise Refusal(400, "Invalid parameters")
        artifact.public = body["is_public_page_enabled"]
        return web.json_response({"data": self._with_links(artifact)})

    async def _requests(self, request: web.Request) -> web.Response:
        self._only_developers(request)
        app = self._find_app(request)
        return web.json_response(
            {"data": [request_item(one) for one in self.farm.requests if one.app is app]}
        )

    async def _decide_request(self, request: web.Request) -> web.Response:
        self._only_developers(request)
        app, slug, body = (
            self._find_app(request),
            request.match_info["request"],
            _as_json(await request.text()),
        )
        held = next((one for one in self.farm.requests if one.slug == slug and one.app is app), None)
        if held is None:
            raise Refusal(404, "Not Found")
        if not isinstance(body, dict) or not isinstance(body.get("is_approved"), bool):
            raise Refusal(400, "Invalid parameters")
        self.farm.requests.remove(held)
        if body["is_approved"]:
            self.farm.start_build(app, held.params, self.now(), triggered_by="webhook")
        return web.json_response({"data": request_item(held)})

    async def _pipelines(self, request: web.Request) -> web.Response:
        app, query = self._find_app(request), request.query
        limit = max(1, min(int(query.get("limit") or 10), 50))
        found = [one for one in reversed(self.farm.pipelines) if one.app is app]
        found = [one for one in found if _is(query, "build_number", one.number)]
        alone = [build for build in self.farm.of_app(app) if build.pipeline is None]
        # Builds outside of pipelines stand among them, by the time of their start.
        entries = [(one.triggered_at, pipeline_item(one)) for one in found]
        entries += [
            (one.triggered_at, {"slug": one.slug, "build_number": one.number, "is_pipeline": False})
            for one in alone
            if _is(query, "build_number", one.number)
        ]
        entries.sort(key=lambda entry: entry[0], reverse=True)
        return web.json_response(
            {"data": [item for _, item in entries[:limit]], "paging": {"page_item_limit": limit}}
        )

    async def _pipeline(self, request: web.Request) -> web.Response:
        return web.json_response(pipeline_show(self._find_pipeline(request)))

    async def _abort_pipeline(self, request: web.Request) -> web.Response:
        self._only_developers(request)
        pipeline, body = self._find_pipeline(request), _as_json(await request.text())
        if not isinstance(body, dict):
            raise Refusal(400, "Invalid JSON body")
        if pipeline.finished_at is not None:
            raise Refusal(400, "Pipeline already finished")
        reason = str(body.get("abort_reason") or "")
        pipeline.abort_reason = f"User {USER} requested to abort this pipeline with reason: {reason}"
        for build in pipeline.builds.values():
            if build.result is None:
                build.abort(
                    self.now(), USER, reason or None, with_success=bool(body.get("abort_with_success"))
                )
        return web.json_response({})

    async def _rebuild_pipeline(self, request: web.Request) -> web.Response:
        self._only_developers(request)
        pipeline, body = self._find_pipeline(request), _as_json(await request.text())
        if not isinstance(body, dict):
            raise Refusal(400, "Invalid JSON body")
        if pipeline.finished_at is None:
            raise Refusal(412, "Pipeline is not rebuildable")
        self.farm.begin_attempt(pipeline, self.now(), failed_only=bool(body.get("partial")))
        return web.json_response({}, status=201)

    def _find_pipeline(self, request: web.Request) -> Pipeline:
        app, slug = self._find_app(request), request.match_info["pipeline"]
        found = next((one for one in self.farm.pipelines if one.slug == slug and one.app is app), None)
        if found is None:
            raise Refusal(404, "Not Found")
        return found

    async def _abort(self, request: web.Request) -> web.Response:
        self._only_developers(request)
        build, body = self._find_build(request), _as_json(await request.text())
        if not isinstance(body, dict):
            raise Refusal(400, "Invalid JSON body")
        if build.result is not None:
            raise Refusal(400, "Build already finished, can't abort it.", key="error_msg")
        reason = str(body.get("abort_reason") or "") or None
        build.abort(self.now(), USER, reason, with_success=bool(body.get("abort_with_success")))
        build.notified = not body.get("skip_notifications")
        return web.json_response({"status": "ok"})

    async def _trigger(self, request: web.Request) -> web.Response:
        self._only_developers(request)
        app, body = self._find_app(request), _as_json(await request.text())
        params = body.get("build_params") if isinstance(body, dict) else None
        if not isinstance(body, dict) or (body.get("hook_info") or {}).get("type") != "bitrise":
            raise Refusal(400, "hook_info.type should be 'bitrise'", of_trigger_for=app)
        if not isinstance(params, dict) or not any(params.get(name) for name in ANYTHING):
            words = "Missing required parameter: branch, tag, commit_hash, workflow_id or pipeline_id"
            raise Refusal(400, words, of_trigger_for=app)
        if name := params.get("pipeline_id"):
            return self._trigger_pipeline(app, str(name), params)
        workflow = params.get("workflow_id")
        if workflow and workflow not in app.workflows:
            words = f"Workflow ({workflow}) did not found in the bitrise config"
            raise Refusal(400, words, of_trigger_for=app)
        build = self.farm.start_build(app, params, self.now(), triggered_by=None)
        url = f"https://app.bitrise.io/build/{build.slug}"
        started = {
            "build_slug": build.slug,
            "build_number": build.number,
            "build_url": url,
            "triggered_workflow": build.workflow,
        }
        answer = {
            "status": "ok",
            "message": "webhook processed",
            "slug": app.slug,
            "service": "bitrise",
            **started,
        }
        return web.json_response(
            answer | {"results": [{**started, "status": "ok", "message": ""}]}, status=201
        )

    def _trigger_pipeline(self, app: App, name: str, params: dict[str, Any]) -> web.Response:
        if name not in app.pipelines:
            words = f"Pipeline ({name}) did not found in the bitrise config"
            raise Refusal(400, words, of_trigger_for=app)
        pipeline = self.farm.start_pipeline(app, name, params, self.now())
        started = {
            "build_slug": pipeline.slug,
            "build_number": pipeline.number,
            "build_url": f"https://app.bitrise.io/app/{app.slug}/pipelines/{pipeline.slug}",
            "triggered_pipeline": name,
            "triggered_workflow": "",
        }
        answer = {
            "status": "ok",
            "message": "webhook processed",
            "slug": app.slug,
            "service": "bitrise",
            **started,
        }
        return web.json_response(
            answer | {"results": [{**started, "status": "ok", "message": ""}]}, status=201
        )

    def _with_links(self, artifact: Artifact) -> dict[str, Any]:
        page = f"https://app.bitrise.io/artifact/{artifact.slug}/p" if artifact.public else ""
        return artifact_item(artifact) | {
            "expiring_download_url": self.store.link_to(artifact.title, artifact.content),
            "public_install_page_url": page,
        }

    def _find_app(self, request: web.Request) -> App:
        found = next((app for app in self.farm.apps if app.slug == request.match_info["app"]), None)
        if found is None:
            raise Refusal(404, "Not Found")
        return found

    def _find_build(self, request: web.Request) -> Build:
        app, slug = self._find_app(request), request.match_info["build"]
        found = next((build for build in self.farm.builds if build.slug == slug and build.app is app), None)
        if found is None:
            raise Refusal(404, "Not Found")
        return found

    def _find_artifact(self, request: web.Request) -> Artifact:
        slug = request.match_info["artifact"]
        found = next((one for one in self._find_build(request).artifacts if one.slug == slug), None)
        if found is None:
            raise Refusal(404, "Not Found")
        return found


def _page(
    items: Any, slugs: list[str], convert: Any, request: web.Request, *, total: int | None = None
) -> web.Response:
    try:
        return web.json_response(page_of(items, slugs, convert, request.query, total=total))
    except ValueError:
        raise Refusal(400, "Invalid next or limit parameter") from None


def _passes(build: Build, query: Any) -> bool:
    """The filters of `GET /apps/{APP-SLUG}/builds`; a pull request's number counts only beside its event."""
    event = (
        "pull-request"
        if build.params.get("pull_request_id")
        else "tag"
        if build.params.get("tag")
        else "push"
    )
    wants_pull_request = query.get("trigger_event_type") == "pull-request" and "pull_request_id" in query
    triggered = int(build.triggered_at.timestamp())
    words = query.get("commit_message", "").lower()
    return (
        _is(query, "status", build.status)
        and _is(query, "branch", build.branch)
        and _is(query, "workflow", build.workflow)
        and _is(query, "trigger_event_type", event)
        and _is(query, "build_number", build.number)
        and (not wants_pull_request or _is(query, "pull_request_id", build.params.get("pull_request_id")))
        and (not words or words in str(build.params.get("commit_message") or "").lower())
        and ("after" not in query or triggered >= int(query["after"]))
        and ("before" not in query or triggered <= int(query["before"]))
    )


def _is(query: Any, name: str, value: object) -> bool:
    return name not in query or query[name] == str(value)


def _as_json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


async def _faulty(fault: Fault | None, request: web.Request) -> web.StreamResponse | None:
    """What a fault answers instead; None where the request goes on."""
    if fault is None:
        return None
    match fault.kind:
        case "dropped":
            _break(request)
        case "slow":
            await asyncio.sleep(fault.seconds)
        case "status" | "error":
            words = fault.words if fault.kind == "error" else HTTPStatus(fault.status).phrase
            return web.json_response({"message": words}, status=fault.status)
        case "ratelimited":
            headers = {"Retry-After": str(max(int(fault.seconds), 1))}
            return web.json_response({"message": "Too Many Requests"}, status=429, headers=headers)
        case "html":
            return web.Response(
                status=500, text="<html><h1>Server Error</h1></html>", content_type="text/html"
            )
    return None


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError
