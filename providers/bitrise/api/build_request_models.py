"""Bitrise's answers about builds that wait for approval (API v0.1, "build-request-list"). Pure; no I/O."""

from __future__ import annotations

import re

from pydantic import BaseModel

from domain.build_request import BuildRequest
from providers.http.field_parsing import Object, Slug, Text, Time, parse_number

_NUMBER = re.compile(r"/(?:pull|pulls|merge_requests|pull-requests)/(\d{1,9})(?:\D|$)")


class BuildRequestItem(BaseModel):
    """One of them; `build_params` are those that the build would be started with."""

    slug: Slug
    build_params: Object = None
    pull_request_url: Text = None
    created_at: Time = None

    def as_request(self, app_slug: str) -> BuildRequest:
        """The request in the bot's own words."""
        params = self.build_params or {}
        found = _NUMBER.search(self.pull_request_url or "")
        given = params.get("pull_request_id")
        number = _text(given) or (f"{given:d}" if isinstance(given, int) and abs(given) < 10**9 else "")
        return BuildRequest(
            app_slug=app_slug,
            slug=self.slug,
            pull_request=parse_number(number) or (int(found[1]) if found else None),
            pull_request_url=self.pull_request_url,
            branch=_text(params.get("branch")),
            target_branch=_text(params.get("branch_dest")),
            commit_hash=_text(params.get("commit_hash")),
            commit_message=_text(params.get("commit_message")),
            author=_text(params.get("pull_request_author")),
            created_at=self.created_at,
        )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
