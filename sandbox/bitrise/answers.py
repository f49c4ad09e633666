"""Bitrise's answers as JSON, field by field as its documents show them. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.bitrise.farm import App, Artifact, Build


def app_item(app: App) -> dict[str, Any]:
    """An app (seed documents, `GET /me/apps`)."""
    return {
        "is_disabled": app.disabled,
        "project_type": app.project_type,
        "provider": "github",
        "repo_owner": app.owner,
        "repo_slug": app.repo,
        "repo_url": f"https://github.com/{app.owner}/{app.repo}.git",
        "slug": app.slug,
        "title": app.title,
    }


def build_item(build: Build) -> dict[str, Any]:
    """A build (seed documents, `GET /apps/{APP-SLUG}/builds`): all that is unknown is null, pull request 0 is none."""
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
        # microseconds here alone, as the documents' examples have it
        "triggered_at": build.triggered_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "triggered_by": build.triggered_by,
        "triggered_workflow": build.workflow,
    }


def artifact_item(artifact: Artifact) -> dict[str, Any]:
    """An artifact in a list."""
    return {
        "artifact_meta": None,
        "artifact_type": artifact.kind,
        "file_size_bytes": len(artifact.content),
        "is_public_page_enabled": artifact.public,
        "slug": artifact.slug,
        "title": artifact.title,
    }


def page_of(
    items: Sequence[Any],
    slugs: Sequence[str],
    convert: Any,
    query: Mapping[str, str],
    *,
    total: int | None = None,
) -> dict[str, Any]:
    """A page of a list (seed documents, "Pagination"): `next` is there only where it goes on."""
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
