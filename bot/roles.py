"""The roles of a bot: which part of the work its process does, so that several bots can share it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum

from domain.unit import Unit
from services.jobs.background_job import BackgroundJob


class Role(StrEnum):
    """A part of the work. The values are those of the setting ROLES."""

    WEB = "web"  # Slack's requests, over HTTP or Socket Mode, Homes, and pages such as those for sign-in
    POLL = "poll"
    DISPATCH = "dispatch"
    JOBS = "jobs"  # everything else that is due at a time


def parse_roles(text: str) -> tuple[Role, ...]:
    """Return the roles that the text names, each once and in their order. Raises ValueError."""
    words = {word.strip().lower() for word in text.split(",") if word.strip()}
    if not words or (unknown := sorted(words.difference(Role))):
        problem = f"{unknown[0]!r:.40} isn't a role" if words else "has no role"
        raise ValueError(f"{problem}: write {', '.join(Role)}, or some of them, separated by commas")
    return tuple(role for role in Role if role in words)


def role_of(unit: Unit) -> Role:
    """Return the role that does the unit's work."""
    return {Unit.POLL: Role.POLL, Unit.DELIVER: Role.DISPATCH}.get(unit, Role.JOBS)


def select_jobs(jobs: Iterable[BackgroundJob], roles: Collection[Role]) -> Iterator[BackgroundJob]:
    """Yield the jobs of these roles, and those without a unit."""
    return (job for job in jobs if job.unit is None or role_of(job.unit) in roles)
