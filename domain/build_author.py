"""Who is behind a build, and whether that is a person. Pure; no I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.build import Build
from domain.slack_ids import is_slack_id, pattern_of

# Bitrise's `triggered_by` with a name in it: `manual-NAME`, `webhook-github/NAME` (seen in its answers).
_NAMED = re.compile(r"(?P<how>manual|webhook-[\w-]+?)[-/](?P<who>.+)\Z")
# Builds that Buildbell starts say for whom, since Bitrise itself knows only the owner of the bot's token. An id alone
# may be somebody else's in another workspace, so a mark of the workspace comes before it: `1f3d5b7a9c/U0ANNA`. It is no
# more than a mark, since others read builds too, and it stays with them when the workspace has gone.
STARTED_BY = "BUILDBELL_STARTED_BY"
_SLACK_USER = re.compile(
    rf"(?:(?P<team>[0-9a-f]{{10}})/)?(?P<person>{pattern_of('UW')})\Z", re.ASCII | re.IGNORECASE
)
_BOTS = re.compile(
    r"\[bot\]$|(?:^|[-_])bot$|^(?:dependabot|renovate|snyk|github-actions|greenkeeper)\b|[a-z]bot$"
)


@dataclass(frozen=True)
class NameDirectory:
    """What the people of one workspace are known by: names in lower case, by Slack id."""

    team: str = ""
    known: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, person: str) -> frozenset[str]:
        """All that names this person, as `authors` names people."""
        own = {f"@{person}".casefold(), f"@{slack_user(person, self.team)}".casefold()}
        return self.known.get(person, frozenset()) | own


def slack_user(person: str, team: str) -> str:
    """Somebody in Slack, as STARTED_BY names them."""
    return f"{_mark_of(team)}/{person}"


def _mark_of(team: str) -> str:
    return hashlib.sha256(f"workspace {team}".encode()).hexdigest()[:10]


def parse_trigger(triggered_by: str | None) -> tuple[str, str] | None:
    """How and by whom something was started, as Bitrise says it: ("manual", "octo"); None where it names nobody."""
    match = _NAMED.match(triggered_by or "")
    return (match["how"], match["who"]) if match else None


def authors(build: Build) -> tuple[str, ...]:
    """Everybody whose build it is, names in lower case: who started it, whose pull request it is.

    Bitrise says how and by whom something was started in one word, others name whoever it was.

    A Slack user is `@MARK/ID`, as `slack_user` names them, or `@ID` on builds from before there were many workspaces.
    """
    named = parse_trigger(build.triggered_by)
    by = named[1] if named else None
    if not build.provider.triggers_name_kind:
        by = build.triggered_by
    params = build.params or {}
    names = [
        name.casefold() for name in (by, params.get("pull_request_author")) if isinstance(name, str) and name
    ]
    user = _slack_user(params)
    return tuple(dict.fromkeys([*names, user] if user else names))


def is_bot(name: str) -> bool:
    """Whether the name is one of a program: `dependabot[bot]`, `renovate`, `acme-bot`."""
    return _BOTS.search(name.casefold()) is not None


def is_author(person: str, build: Build, names: NameDirectory) -> bool:
    """Whether the build is this Slack user's."""
    known = names.of(person)
    return any(author.casefold() in known for author in authors(build))


def people_behind(build: Build, names: NameDirectory) -> list[str]:
    """The Slack users of the workspace whose build it is."""
    told = {person for author in authors(build) if (person := resolve_author(author, names.team)) is not None}
    return sorted(told | {person for person in names.known if is_author(person, build, names)})


def resolve_author(author: str, team: str) -> str | None:
    """The id of the Slack user that an author of `authors` is; None for any other name, and for another workspace's."""
    if not author.startswith("@"):
        return None
    match = _SLACK_USER.match(author[1:])
    if match is None or match["team"] not in (None, _mark_of(team)):
        return None
    # Ids were noted in small letters once.
    told = (match["person"], match["person"].upper())
    return next((one for one in told if is_slack_id(one, "UW")), None)


def author_fields(params: Mapping[str, object]) -> dict[str, object]:
    """Of what a build was started with, only what says whose it is."""
    author = params.get("pull_request_author")
    user = _slack_user(params)
    told = [{"key": STARTED_BY, "value": user[1:]}] if user is not None else None
    found = {"pull_request_author": author, "environments": told}
    return {name: value for name, value in found.items() if value is not None}


def _slack_user(params: Mapping[str, object]) -> str | None:
    environments = params.get("environments")
    for one in environments if isinstance(environments, list) else ():
        if isinstance(one, dict) and STARTED_BY in (one.get("key"), one.get("mapped_to")):
            value = str(one.get("value") or "")
            return f"@{value}" if _SLACK_USER.match(value) else None
    return None
