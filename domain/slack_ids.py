"""The form of Slack's ids, which Slack calls opaque: what their letters mean, and how long they are, may change.

Ids go into mentions (`<@…>`), into logs and into the database as they are, so not everything can be one: nothing that
ends a mention or leads elsewhere in a path, and no token that slipped into an id's place. So their small letters, which
tokens have and Slack's ids don't, are believed only after a prefix such as `D_` (some servers that act like Slack).
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
    """Return whether a text may be one of Slack's ids, and can stand in a mention as it is.

    `letters` are those that the ids of a kind begin with, such as "UW" for people; "" is any kind.
    """
    return _ID.fullmatch(text) is not None and (not letters or text[0] in letters)


def pattern_of(letters: str) -> str:
    """Return the pattern of the ids that begin with one of these letters, for use with re.ASCII."""
    return rf"(?=[{letters}]){_PATTERN}"


def _kind(letters: str) -> StringConstraints:
    return StringConstraints(pattern=re.compile(rf"^{pattern_of(letters)}\Z", re.ASCII))


PersonId = Annotated[str, _kind("UW")]
GroupId = Annotated[str, _kind("S")]
WorkspaceId = Annotated[str, _kind("T")]
ChannelId = Annotated[str, _kind("CGD")]
