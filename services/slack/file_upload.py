"""Uploads files to Slack in pieces, so that no large file is held in memory."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import aiohttp
import structlog

from domain.commands.errors import UserError
from domain.provider_errors import DownloadRefused
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
    content: bytes | Path,
    *,
    name: str,
    title: str,
    comment: str,
    channel: str | None = None,
    thread: str | None = None,
    snippet: str | None = None,
    alt: str | None = None,
    until: datetime | None = None,
) -> None:
    """Upload a file and show it in the channel; None: in the person's direct messages.

    `snippet` is the language of Slack's highlighting, `alt` a picture's text for screen readers, `until` the time at
    which the file is deleted. The three calls are those of docs.slack.dev, "Uploading files".
    Raises UserError if Slack does not take the file, DownloadRefused.
    """
    try:
        channel = channel or await context.direct_message_alone()
        file_id = await _upload(context, content, name=name, snippet=snippet, alt=alt)
        if until is not None:
            # Stored before the file is shown: a crash between the two must not leave it in Slack for ever.
            await context.storage.temporary_files.note(file_id, context.person, until)
        await context.slack.files_completeUploadExternal(
            files=[{"id": file_id, "title": plain(title, LONGEST_TITLE)}],
            channel_id=channel,
            initial_comment=comment,
            thread_ts=thread,
        )
    except SlackCallFailed as error:
        raise UserError(_explain_failure(error)) from error


async def _upload(
    context: RequestContext, content: bytes | Path, *, name: str, snippet: str | None, alt: str | None
) -> str:
    """Upload the file, which nobody sees yet, and return its id. Raises SlackCallFailed, DownloadRefused."""
    # `os.stat` does not block: the file was just written.
    length = len(content) if isinstance(content, bytes) else os.stat(content).st_size  # noqa: PTH116
    upload = await context.slack.files_getUploadURLExternal(
        filename=name, length=length, snippet_type=snippet, alt_txt=plain(alt, LONGEST_ALT) if alt else None
    )
    upload_url = str(upload["upload_url"])
    if not context.services.slack.urls.is_upload_url(upload_url):
        log.warning("upload.not_slacks", **context.services.slack.urls.describe_foreign(upload_url))
        raise DownloadRefused("the one that Slack gave for the file")
    try:
        async with context.services.slack.session.post(
            upload_url,
            data=_read_pieces(content),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(length)},
            timeout=UPLOAD_TIMEOUT,
            allow_redirects=False,
        ) as response:
            if response.status != 200:
                raise SlackCallFailed("file upload", NOT_UNDERSTOOD, status=response.status)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise SlackCallFailed("file upload", NO_ANSWER, detail=type(error).__name__) from None
    return str(upload["file_id"])


async def _read_pieces(content: bytes | Path) -> AsyncIterator[bytes]:
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
        while piece := file.read(A_PIECE):
            yield piece


def _explain_failure(error: SlackCallFailed) -> str:
    """Return why Slack did not accept the file, as a sentence for the person."""
    reason = error.reason
    if reason in ("channel_not_found", "not_in_channel"):
        return (
            "Buildbell can't share files in this channel yet. Type `/invite @buildbell` here, then try again."
        )
    if reason == NOT_SENT or reason in UNCLEAR:
        return "Slack isn't working properly right now, so the file may be missing. Try again in a minute."
    return f"Slack rejected the file ({reason})."
