"""Who is behind a build, and whether that is a person. Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.build import Build

# Bitrise's `triggered_by` with a name in it: `manual-NAME`, `webhook-github/NAME` (seen in its answers).
_NAMED = re.compile(r"(?P<how>manual|webhook-[\w-]+?)[-/](?P<who>.+)\Z")
# Builds that Buildbell starts say for whom, since Bitrise itself knows only the owner of the bot's token.
STARTED_BY = "BUILDBELL_STARTED_BY"
_BOTS = re.compile(
    r"\[bot\]$|(?:^|[-_])bot$|^(?:dependabot|renovate|snyk|github-actions|greenkeeper)\b|[a-z]bot$"
)

# What a person is known by: names in lower case, by Slack id.
Names = Mapping[str, frozenset[str]]


def starter(triggered_by: str | None) -> tuple[str, str] | None:
    """How and by whom something was started, as Bitrise says it: ("manual", "octo"); None where it names nobody."""
    match = _NAMED.match(triggered_by or "")
    return (match["how"], match["who"]) if match else None


def authors(build: Build) -> tuple[str, ...]:
    """Everybody whose build it is, in lower case: who started it, whose pull request it is, `@ID` for a Slack user."""
    named = starter(build.triggered_by)
    params = build.params or {}
    found = [named[1] if named else None, params.get("pull_request_author"), _slack_user(params)]
    return tuple(dict.fromkeys(one.casefold() for one in found if isinstance(one, str) and one))


def is_bot(name: str) -> bool:
    """Whether the name is one of a program: `dependabot[bot]`, `renovate`, `acme-bot`."""
    return _BOTS.search(name.casefold()) is not None


def wrote(person: str, build: Build, names: Names) -> bool:
    """Whether the build is this Slack user's."""
    known = names.get(person, frozenset()) | {f"@{person}".casefold()}
    return any(author in known for author in authors(build))


def people_behind(build: Build, names: Names) -> list[str]:
    """The Slack users whose build it is."""
    told = {author[1:].upper() for author in authors(build) if author.startswith("@")}
    return sorted(told | {person for person in names if wrote(person, build, names)})


def whose(params: Mapping[str, object]) -> dict[str, object]:
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
            return f"@{value}" if re.fullmatch(r"[UW][A-Z0-9]{2,20}", value) else None
    return None
