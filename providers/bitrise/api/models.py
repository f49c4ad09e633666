"""Tolerant models of Bitrise's responses: unknown fields are ignored, missing and empty ones are None.

The published description marks nothing as nullable although responses are full of nulls, and older responses have
empty strings instead of null (forum thread: "undefined parameters are now returned as null").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from domain.abort_kind import AbortReasonRule, classify_reason
from domain.build import App, Build, BuildRequest, BuildState, FrozenModel
from domain.provider_errors import UnexpectedResponse
from domain.redaction.redactor import truncate_at_word
from providers.bitrise.provider import BITRISE
from providers.http.field_parsing import (
    Flag,
    Maybe,
    MaybeSlug,
    Name,
    Number,
    Object,
    Slug,
    Text,
    Time,
    parse_items,
    parse_json,
    parse_number,
)

BUILD_PAGE = "https://app.bitrise.io/build/"
ItemT = TypeVar("ItemT", bound=BaseModel)
# Texts written by people are cut to this: a commit message may have megabytes, and no more is ever shown.
LONGEST_TEXT = 2000


class AppItem(BaseModel):
    """An app in `/me/apps`, in `/apps` and in the `repository` of a build."""

    slug: Slug
    title: Text = None
    repo_owner: Text = None
    repo_slug: Text = None
    repo_url: Text = None
    project_type: Text = None
    is_disabled: Flag = None
    is_public: Flag = None

    def as_app(self) -> App:
        """Convert it to an App."""
        return App(
            provider=BITRISE,
            slug=self.slug,
            title=self.title or self.repo_slug or self.slug,
            owner=self.repo_owner,
            repo=self.repo_slug,
            repo_url=self.repo_url,
            project_type=self.project_type,
            disabled=bool(self.is_disabled),
            public=self.is_public,
        )


class BuildItem(BaseModel):
    """A build, in lists and by itself; only the list of all apps' builds has `repository`."""

    slug: Slug
    build_number: Number = None
    status: Number = None
    status_text: Text = None
    is_on_hold: Flag = None
    branch: Text = None
    pull_request_target_branch: Text = None
    tag: Text = None
    triggered_workflow: Text = None
    commit_hash: Text = None
    commit_message: Text = None
    commit_view_url: Text = None
    pull_request_id: Number = None
    pull_request_view_url: Text = None
    triggered_by: Text = None
    triggered_at: Time = None
    started_on_worker_at: Time = None
    environment_prepare_finished_at: Time = None
    finished_at: Time = None
    abort_reason: Text = None
    pipeline_workflow_id: MaybeSlug = None
    original_build_params: Object = None
    repository: Maybe[AppItem] = None

    def as_build(self, app_slug: str, abort_rules: Sequence[AbortReasonRule] = ()) -> Build:
        """Convert it to a Build; `abort_rules` are the operator's own kinds of aborts."""
        state = state_of(self.status, self.status_text, on_hold=bool(self.is_on_hold))
        return Build(
            provider=BITRISE,
            app_slug=app_slug,
            slug=self.slug,
            number=self.build_number,
            state=state,
            branch=self.branch,
            target_branch=self.pull_request_target_branch,
            tag=self.tag,
            workflow=self.triggered_workflow,
            commit_hash=self.commit_hash,
            commit_message=_shorten(self.commit_message),
            commit_url=self.commit_view_url,
            # 0 means none (seed documents' examples)
            pull_request=self.pull_request_id or None,
            pull_request_url=self.pull_request_view_url,
            triggered_by=_shorten(self.triggered_by),
            triggered_at=self.triggered_at,
            started_at=self.started_on_worker_at,
            prepared_at=self.environment_prepare_finished_at,
            finished_at=self.finished_at,
            abort_reason=_shorten(self.abort_reason),
            abort_kind=classify_reason(self.abort_reason, abort_rules) if state.aborted else None,
            pipeline_id=self.pipeline_workflow_id,
            url=BUILD_PAGE + self.slug,
            params=self.original_build_params,
        )


def _shorten(text: str | None) -> str | None:
    return truncate_at_word(text, LONGEST_TEXT) if text is not None else None


# The number decides; the text is used if the number is missing (API v0.1, "GET /apps/{APP-SLUG}/builds").
_BY_NUMBER = {
    1: BuildState.SUCCEEDED,
    2: BuildState.FAILED,
    3: BuildState.ABORTED,
    4: BuildState.ABORTED_WITH_SUCCESS,
}
_BY_TEXT = {
    "on-hold": BuildState.ON_HOLD,
    "in-progress": BuildState.RUNNING,
    "success": BuildState.SUCCEEDED,
    "error": BuildState.FAILED,
    "aborted": BuildState.ABORTED,
    "aborted-with-success": BuildState.ABORTED_WITH_SUCCESS,
}


def state_of(status: int | None, text: str | None, *, on_hold: bool) -> BuildState:
    """Return a build's state; UNKNOWN for an undocumented number or text."""
    if status is None:
        return _BY_TEXT.get(text or "", BuildState.UNKNOWN)
    if status == 0:
        return BuildState.ON_HOLD if on_hold else BuildState.RUNNING
    return _BY_NUMBER.get(status, BuildState.UNKNOWN)


class Artifact(FrozenModel):
    """A file that a build produced; `size` in bytes if known."""

    slug: str
    title: str
    kind: str | None = None
    size: int | None = None
    public_page: bool = False


class ArtifactLinks(Artifact):
    """An artifact with its links: the download link expires after ten minutes, the install page does not expire."""

    download_url: str | None = None
    install_page_url: str | None = None


class ArtifactItem(BaseModel):
    """An artifact, in lists and by itself."""

    slug: Slug
    title: Text = None
    artifact_type: Text = None
    file_size_bytes: Number = None
    is_public_page_enabled: Flag = None
    expiring_download_url: Text = None
    public_install_page_url: Text = None

    def as_artifact(self) -> ArtifactLinks:
        """Convert it to ArtifactLinks."""
        return ArtifactLinks(
            slug=self.slug,
            title=self.title or self.slug,
            kind=self.artifact_type,
            size=self.file_size_bytes,
            public_page=bool(self.is_public_page_enabled),
            download_url=self.expiring_download_url,
            install_page_url=self.public_install_page_url,
        )


class CurrentUser(BaseModel):
    """The owner of a token; a workspace's token may have no user name."""

    username: Name = None
    slug: MaybeSlug = None
    email: Text = None


class Paging(BaseModel):
    """The position of the next page: `next` is missing on the last page (API v0.1, "Pagination")."""

    next: Text = None
    total_item_count: Number = None


class ListEnvelope(BaseModel, Generic[ItemT]):
    """The response for a list."""

    data: list[ItemT]
    paging: Maybe[Paging] = None


class SingleEnvelope(BaseModel, Generic[ItemT]):
    """The response for a single item."""

    data: ItemT


# pydantic itself holds such classes only weakly: without these caches it would make them anew for each response.
@cache
def _list_of(model: type[ItemT]) -> type[ListEnvelope[ItemT]]:
    return ListEnvelope[model]  # type: ignore[valid-type]


@cache
def _single(model: type[ItemT]) -> type[SingleEnvelope[ItemT]]:
    return SingleEnvelope[model]  # type: ignore[valid-type]


def read_many(model: type[ItemT], body: bytes) -> tuple[list[ItemT], Paging]:
    """Parse the items of a list; invalid items are left out and their number is logged. Raises UnexpectedResponse."""
    try:
        response = _list_of(model).model_validate_json(body)
    except ValidationError:
        return _read_valid_items(model, body)
    return response.data, response.paging or Paging()


def read_one(model: type[ItemT], body: bytes, *, of: str) -> ItemT:
    """Parse a single item, wrapped in `data` or not; `of` names it in the error. Raises UnexpectedResponse."""
    try:
        response: SingleEnvelope[ItemT] = _single(model).model_validate_json(body)
        return response.data
    except ValidationError:
        try:
            return model.model_validate_json(body)
        except ValidationError as error:
            raise UnexpectedResponse(f"there is no {of} in it", provider=BITRISE) from error


def _read_valid_items(model: type[ItemT], body: bytes) -> tuple[list[ItemT], Paging]:
    content = parse_json(body, provider=BITRISE)
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise UnexpectedResponse("it isn't a list", provider=BITRISE)
    items = parse_items(model, content["data"], provider=BITRISE)
    try:
        return items, Paging.model_validate(content.get("paging") or {})
    except ValidationError:
        return items, Paging()


_PULL_REQUEST_NUMBER = re.compile(r"/(?:pull|pulls|merge_requests|pull-requests)/(\d{1,9})(?:\D|$)")


class BuildRequestItem(BaseModel):
    """A build request; `build_params` are the parameters that the build would be started with."""

    slug: Slug
    build_params: Object = None
    pull_request_url: Text = None
    created_at: Time = None

    def as_request(self, app_slug: str) -> BuildRequest:
        """Convert it to a BuildRequest."""
        params = self.build_params or {}
        url_match = _PULL_REQUEST_NUMBER.search(self.pull_request_url or "")
        pull_id = params.get("pull_request_id")
        number = _text_or_none(pull_id) or (
            f"{pull_id:d}" if isinstance(pull_id, int) and abs(pull_id) < 10**9 else ""
        )
        return BuildRequest(
            provider=BITRISE,
            app_slug=app_slug,
            slug=self.slug,
            pull_request=parse_number(number) or (int(url_match[1]) if url_match else None),
            pull_request_url=self.pull_request_url,
            branch=_text_or_none(params.get("branch")),
            target_branch=_text_or_none(params.get("branch_dest")),
            commit_hash=_text_or_none(params.get("commit_hash")),
            commit_message=_text_or_none(params.get("commit_message")),
            author=_text_or_none(params.get("pull_request_author")),
            created_at=self.created_at,
        )


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
