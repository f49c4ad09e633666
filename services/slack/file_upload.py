"""Files in Slack: uploaded as they come, so that no large one is held."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import aiohttp
import structlog

from domain.errors import DownloadRefused
from messages.kit.mrkdwn import plain
from services.request.context import RequestContext
from services.slack.errors import NO_ANSWER, NOT_SENT, NOT_UNDERSTOOD, UNCLEAR, SlackCallFailed

log = structlog.get_logger()

# Slack takes a gigabyte; nobody reads a quarter of one.
LARGEST_FILE = 256 * 1024 * 1024
LONGEST_TITLE = 250
LONGEST_ALT = 1000
A_PIECE = 256 * 1024
UPLOAD_TIMEOUT = aiohttp.ClientTimeout(total=300)


async def share_file(
    context: RequestContext,
    path: Path,
    *,
    name: str,
    title: str,
    comment: str,
    channel: str,
    thread: str | None = None,
    snippet: str | None = None,
    alt: str | None = None,
    until: datetime | None = None,
) -> None:
    """Upload the file and show it in the channel; `snippet` is the language that Slack highlights it as,
    `alt` what a screen reader says of a picture. With `until` it is deleted then.

    The three calls of docs.slack.dev, "Uploading files". Raises SlackCallFailed, DownloadRefused.
    """
    length = os.stat(path).st_size  # noqa: PTH116 - at once, of a file that was just written
    slack = context.slack
    place = await slack.files_getUploadURLExternal(
        filename=name, length=length, snippet_type=snippet, alt_txt=plain(alt, LONGEST_ALT) if alt else None
    )
    upload_url = str(place["upload_url"])
    if not context.services.response_urls.is_upload_url(upload_url):
        log.warning("upload.not_slacks", **context.services.response_urls.describe_foreign(upload_url))
        raise DownloadRefused("the one that Slack names for the file")
    try:
        async with context.services.session.post(
            upload_url,
            data=_pieces(path),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(length)},
            timeout=UPLOAD_TIMEOUT,
            allow_redirects=False,
        ) as answer:
            if answer.status != 200:
                raise SlackCallFailed("file upload", NOT_UNDERSTOOD, status=answer.status)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise SlackCallFailed("file upload", NO_ANSWER, detail=type(error).__name__) from None
    if until is not None:
        # Before anybody sees it: a crash between the two must not leave it there.
        await context.storage.temporary_files.note(str(place["file_id"]), context.person, until)
        context.services.events.temporary_files_changed()
    await slack.files_completeUploadExternal(
        files=[{"id": place["file_id"], "title": plain(title, LONGEST_TITLE)}],
        channel_id=channel,
        initial_comment=comment,
        thread_ts=thread,
    )


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(A_PIECE):
            yield piece


def explain_upload_failure(error: SlackCallFailed) -> str:
    """Why Slack took no file, for the person."""
    reason = error.reason
    if reason in ("channel_not_found", "not_in_channel"):
        return "I can't show a file in this channel yet. Type `/invite @buildbell` here, then try again."
    if reason == NOT_SENT or reason in UNCLEAR:
        return "Slack has trouble at the moment, so the file may not be there. Try again in a minute."
    return f"Slack does not take the file ({reason})."
