"""Authors of builds: who started them or opened their pull request, and which are bots. Pure; no I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.build import Build
from domain.slack_ids import is_slack_id, pattern_of

# Bitrise's `triggered_by` with a name in it: `manual-NAME`, `webhook-github/NAME` (seen in its responses).
_TRIGGERED_BY = re.compile(r"(?P<how>manual|webhook-[\w-]+?)[-/](?P<who>.+)\Z")
# Builds that Buildbell starts carry the user, since Bitrise itself knows only the owner of the bot's token. An id may
# belong to another person in another workspace, so a hash of the workspace comes before it: `1f3d5b7a9c/U0ANNA`. It is
# only a hash, since others read builds too, and it stays there after the workspace has left.
STARTED_BY = "BUILDBELL_STARTED_BY"
_SLACK_USER = re.compile(
    rf"(?:(?P<team>[0-9a-f]{{10}})/)?(?P<person>{pattern_of('UW')})\Z", re.ASCII | re.IGNORECASE
)
_BOTS = re.compile(
    r"\[bot\]$|(?:^|[-_])bot$|^(?:dependabot|renovate|snyk|github-actions|greenkeeper)\b|[a-z]bot$"
)


@dataclass(frozen=True)
class NameDirectory:
    """The names of the people in one workspace, in lower case, by Slack id."""

    team: str = ""
    known: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, person: str) -> frozenset[str]:
        """Return all names of this person, in the form that `authors` uses."""
        own = {f"@{person}".casefold(), f"@{slack_user(person, self.team)}".casefold()}
        return self.known.get(person, frozenset()) | own


def slack_user(person: str, team: str) -> str:
    """Return the value of STARTED_BY for a Slack user."""
    return f"{_workspace_mark(team)}/{person}"


def _workspace_mark(team: str) -> str:
    return hashlib.sha256(f"workspace {team}".encode()).hexdigest()[:10]


def parse_trigger(triggered_by: str | None) -> tuple[str, str] | None:
    """Parse Bitrise's `triggered_by` into how and by whom: ("manual", "octo"); None if it names nobody."""
    match = _TRIGGERED_BY.match(triggered_by or "")
    return (match["how"], match["who"]) if match else None


def authors(build: Build) -> tuple[str, ...]:
    """Return the build's authors, names in lower case: who started it, and who opened its pull request.

    Bitrise reports how and by whom it was started in one word, other providers only the name.

    A Slack user is `@HASH/ID`, as `slack_user` formats it, or `@ID` on builds from before there were many workspaces.
    """
    named = parse_trigger(build.triggered_by)
    by = named[1] if named else None
    if not build.provider.triggers_name_kind:
        by = build.triggered_by
    params = build.params or {}
    names = [
        name.casefold() for name in (by, params.get("pull_request_author")) if isinstance(name, str) and name
    ]
    user = _find_slack_user(params)
    return tuple(dict.fromkeys([*names, user] if user else names))


def is_bot(name: str) -> bool:
    """Return whether the name is a bot's: `dependabot[bot]`, `renovate`, `acme-bot`."""
    return _BOTS.search(name.casefold()) is not None


def is_author(person: str, build: Build, names: NameDirectory) -> bool:
    """Return whether this Slack user is an author of the build."""
    known = names.of(person)
    return any(author.casefold() in known for author in authors(build))


def people_behind(build: Build, names: NameDirectory) -> list[str]:
    """Return the Slack users of the workspace who are authors of the build."""
    marked = {
        person for author in authors(build) if (person := resolve_author(author, names.team)) is not None
    }
    return sorted(marked | {person for person in names.known if is_author(person, build, names)})


def resolve_author(author: str, team: str) -> str | None:
    """Return the Slack id of an author from `authors`; None for any other name, and for users of other workspaces."""
    if not author.startswith("@"):
        return None
    match = _SLACK_USER.match(author[1:])
    if match is None or match["team"] not in (None, _workspace_mark(team)):
        return None
    # Earlier versions wrote ids in lower case.
    candidates = (match["person"], match["person"].upper())
    return next((candidate for candidate in candidates if is_slack_id(candidate, "UW")), None)


def author_fields(params: Mapping[str, object]) -> dict[str, object]:
    """Return only those of a build's parameters that name its authors."""
    author = params.get("pull_request_author")
    user = _find_slack_user(params)
    environments = [{"key": STARTED_BY, "value": user[1:]}] if user is not None else None
    found = {"pull_request_author": author, "environments": environments}
    return {name: value for name, value in found.items() if value is not None}


def _find_slack_user(params: Mapping[str, object]) -> str | None:
    environments = params.get("environments")
    for variable in environments if isinstance(environments, list) else ():
        if isinstance(variable, dict) and STARTED_BY in (variable.get("key"), variable.get("mapped_to")):
            value = str(variable.get("value") or "")
            return f"@{value}" if _SLACK_USER.match(value) else None
    return None
