"""Bitrise's responses about builds that wait for approval (API v0.1, "build-request-list"). Pure; no I/O."""

from __future__ import annotations

import re

from pydantic import BaseModel

from domain.build import BuildRequest
from providers.bitrise.provider import BITRISE
from providers.http.field_parsing import Object, Slug, Text, Time, parse_number

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
