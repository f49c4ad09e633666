"""Bitrise's JSON responses, field by field as documented. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.bitrise.state import App, Artifact, Build, BuildRequest, Pipeline


def serialize_app(app: App) -> dict[str, Any]:
    """Return an app (seed documents, `GET /me/apps`)."""
    return {
        "is_disabled": app.disabled,
        "is_public": app.public,
        "project_type": app.project_type,
        "provider": "github",
        "repo_owner": app.owner,
        "repo_slug": app.repo,
        "repo_url": f"https://github.com/{app.owner}/{app.repo}.git",
        "slug": app.slug,
        "title": app.title,
    }


def serialize_build(build: Build) -> dict[str, Any]:
    """Return a build (seed documents, `GET /apps/{APP-SLUG}/builds`).

    Unknown values are null; pull request 0 means none.
    """
    params = build.params
    commit = params.get("commit_hash")
    pull_request = int(params.get("pull_request_id") or 0)
    repository = f"https://github.com/{build.app.owner}/{build.app.repo}"
    return {
        "abort_reason": build.abort_reason,
        "branch": build.branch,
        "build_number": build.number,
        "commit_hash": commit,
        "commit_message": params.get("commit_message"),
        "commit_view_url": f"{repository}/commit/{commit}" if commit else None,
        "environment_prepare_finished_at": _seconds(build.prepared_at),
        "finished_at": _seconds(build.finished_at),
        "is_on_hold": build.is_on_hold,
        "original_build_params": params,
        "pull_request_id": pull_request,
        "pull_request_target_branch": params.get("branch_dest"),
        "pull_request_view_url": f"{repository}/pull/{pull_request}" if pull_request else None,
        "slug": build.slug,
        "stack_identifier": "linux-docker-android",
        "started_on_worker_at": _seconds(build.started_at),
        "status": build.status,
        "status_text": build.status_text,
        "tag": params.get("tag"),
        # only this field has microseconds, as in the documents' examples
        "triggered_at": build.triggered_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "triggered_by": build.triggered_by,
        "triggered_workflow": build.workflow,
    }


def add_pipeline_fields(item: dict[str, Any], build: Build) -> dict[str, Any]:
    """Add the pipeline fields of an app's own build list; the list of all builds does not have them."""
    return item | {"pipeline_workflow_id": f"w-{build.slug}" if build.pipeline else None}


def serialize_build_request(request: BuildRequest) -> dict[str, Any]:
    """Return a build request (API v0.1, "build-request-list")."""
    repository = f"https://github.com/{request.app.owner}/{request.app.repo}"
    return {
        "slug": request.slug,
        "build_params": request.params,
        "pull_request_url": f"{repository}/pull/{request.params.get('pull_request_id')}",
        "created_at": _seconds(request.created_at),
    }


def serialize_pipeline(pipeline: Pipeline) -> dict[str, Any]:
    """Return a pipeline of a list (API v0.1, "pipeline-list")."""
    return {
        "slug": pipeline.slug,
        "build_number": pipeline.number,
        "is_pipeline": True,
        "status": {"on_hold": 0, "running": 0, "succeeded": 1, "failed": 2}.get(pipeline.status, 3),
        "branch": pipeline.params.get("branch"),
        "triggered_at": _seconds(pipeline.triggered_at),
        "triggered_workflow": pipeline.name,
        "rebuildable": pipeline.finished_at is not None,
    }


def serialize_pipeline_details(pipeline: Pipeline) -> dict[str, Any]:
    """Return a pipeline (API v0.1, "pipeline-show"); not wrapped in `data`."""
    words = {
        "success": "succeeded",
        "error": "failed",
        "aborted": "aborted",
        "aborted-with-success": "succeeded_with_abort",
    }

    def workflow(name: str) -> dict[str, Any]:
        build = pipeline.builds.get(name)
        open_as = "not_started" if build is None else "running" if build.started_at else "on_hold"
        status = words.get(build.result or "", open_as) if build else open_as
        return {
            "id": f"w-{build.slug if build else name}",
            "external_id": build.slug if build else "",
            "name": name,
            "status": status,
            "depends_on": [],
            "started_at": _seconds(build.started_at) if build else None,
            "finished_at": _seconds(build.finished_at) if build else None,
            "startFailureReason": None,
        }

    params = pipeline.params
    started = [build.started_at for build in pipeline.builds.values() if build.started_at]
    return {
        "id": pipeline.slug,
        "app": {"slug": pipeline.app.slug},
        "name": pipeline.name,
        "type": "pipeline",
        "status": pipeline.status,
        "number_in_app_scope": pipeline.number,
        "abort_reason": pipeline.abort_reason,
        "rebuildable": pipeline.finished_at is not None,
        "attempts": [
            {
                "id": one,
                "number_in_pipeline_build_scope": index,
                "status": "",
                "triggered_at": _seconds(at),
            }
            for index, (one, at) in enumerate(zip(pipeline.attempts, pipeline.attempts_at, strict=True), 1)
        ],
        "current_attempt_id": pipeline.attempts[-1],
        "triggered_at": _seconds(pipeline.triggered_at),
        "triggered_by": pipeline.triggered_by,
        "put_on_hold_at": None,
        "started_at": _seconds(min(started)) if started else None,
        "finished_at": _seconds(pipeline.finished_at),
        "stages": [
            {"id": f"s-{index}", "name": f"Stage {index}", "workflows": [workflow(name) for name in stage]}
            for index, stage in enumerate(pipeline.stages, 1)
        ],
        "workflows": [],
        "trigger_params": {
            "branch": params.get("branch"),
            "tag": params.get("tag"),
            "commit_hash": params.get("commit_hash"),
            "commit_message": params.get("commit_message"),
            "pull_request_id": str(params.get("pull_request_id") or ""),
        },
    }


def serialize_artifact(artifact: Artifact) -> dict[str, Any]:
    """Return an artifact of a list."""
    return {
        "artifact_meta": None,
        "artifact_type": artifact.kind,
        "file_size_bytes": len(artifact.content),
        "is_public_page_enabled": artifact.public,
        "slug": artifact.slug,
        "title": artifact.title,
    }


def serialize_page(
    items: Sequence[Any],
    slugs: Sequence[str],
    convert: Any,
    query: Mapping[str, str],
    *,
    total: int | None = None,
) -> dict[str, Any]:
    """Return a page of a list (seed documents, "Pagination"): `next` exists only if there are more items."""
    limit = max(1, min(int(query.get("limit") or 50), 50))
    start = slugs.index(query["next"]) if query.get("next") else 0
    paging: dict[str, Any] = {
        "page_item_limit": limit,
        "total_item_count": len(items) if total is None else total,
    }
    if start + limit < len(items):
        paging["next"] = slugs[start + limit]
    return {"data": [convert(item) for item in items[start : start + limit]], "paging": paging}


def _seconds(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
