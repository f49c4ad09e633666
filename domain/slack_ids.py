"""The format of Slack ids. Slack calls them opaque: the meaning of their letters and their length may change.

Ids are written into mentions (`<@…>`), logs and the database unchanged, so the format excludes text that would end a
mention or change a path, and tokens that slipped into an id's place. That is why lower case letters, which tokens have
and Slack ids do not, are accepted only after a prefix such as `D_` (some servers that imitate Slack).
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import StringConstraints

LONGEST = 100
_PATTERN = r"(?:[A-Z0-9][A-Z0-9_.:-]{0,99}|[A-Z]_[\w.:-]{1,98})"
_ID = re.compile(_PATTERN, re.ASCII)

SlackId = Annotated[str, StringConstraints(pattern=re.compile(rf"^{_PATTERN}\Z", re.ASCII))]
MaybeSlackId = Annotated[str, StringConstraints(pattern=re.compile(rf"^(?:{_PATTERN})?\Z", re.ASCII))]


def is_slack_id(text: str, letters: str = "") -> bool:
    """Return whether a text may be a Slack id, and can be used in a mention unchanged.

    `letters` are the first letters of one kind of ids, such as "UW" for people; "" accepts any kind.
    """
    return _ID.fullmatch(text) is not None and (not letters or text[0] in letters)


def pattern_of(letters: str) -> str:
    """Return the pattern of ids that begin with one of these letters, for use with re.ASCII."""
    return rf"(?=[{letters}]){_PATTERN}"


def _kind(letters: str) -> StringConstraints:
    return StringConstraints(pattern=re.compile(rf"^{pattern_of(letters)}\Z", re.ASCII))


PersonId = Annotated[str, _kind("UW")]
GroupId = Annotated[str, _kind("S")]
WorkspaceId = Annotated[str, _kind("T")]
ChannelId = Annotated[str, _kind("CGD")]
