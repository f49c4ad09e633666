"""Parse a log response and put its chunks in order. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from pydantic import BaseModel, ValidationError

from domain.build import FrozenModel
from domain.provider_errors import UnexpectedResponse
from providers.bitrise.provider import BITRISE
from providers.http.field_parsing import Flag, Maybe, Number, Text, Time


class ChunkItem(BaseModel):
    """A chunk of a log."""

    chunk: Text = None
    position: Number = None


class LogItem(BaseModel):
    """The log response: the last chunks, and the link to the archive once there is one."""

    log_chunks: Maybe[list[ChunkItem]] = None
    is_archived: Flag = None
    expiring_raw_log_url: Text = None
    generated_log_chunks_num: Number = None
    next_before_timestamp: Time = None


class Log(FrozenModel):
    """The part of a log that the API itself returns.

    `raw_url` is a link to the whole log, valid for some minutes, once it is archived. `gaps`: chunks are missing
    between those that are here.
    """

    text: str
    archived: bool
    raw_url: str | None = None
    gaps: bool = False
    from_the_start: bool = False
    before: datetime | None = None


def parse_log(body: bytes) -> Log:
    """Parse a log response; chunks may be unordered and have gaps. Raises UnexpectedResponse."""
    try:
        item = LogItem.model_validate_json(body)
    except ValidationError as error:
        raise UnexpectedResponse("there is no log in it", provider=BITRISE) from error
    chunks = sorted(item.log_chunks or [], key=lambda chunk: chunk.position or 0)
    positions = [chunk.position for chunk in chunks if chunk.position is not None]
    return Log(
        text="".join(chunk.chunk or "" for chunk in chunks),
        archived=bool(item.is_archived),
        raw_url=item.expiring_raw_log_url,
        gaps=any(after - before > 1 for before, after in pairwise(positions)),
        from_the_start=_has_first_chunk(positions, of=item.generated_log_chunks_num),
        before=item.next_before_timestamp,
    )


def _has_first_chunk(positions: Sequence[int], *, of: int | None) -> bool:
    """Return whether the first chunk is here.

    The documents number it 0, the current command line assumes 1: in that case the number of chunks decides.
    """
    if not positions or positions[0] > 1:
        return False
    return positions[0] == 0 or of is None or len(positions) >= of
