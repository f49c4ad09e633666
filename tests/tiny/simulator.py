"""Tiny CI itself: projects, the jobs that each has run, and the tokens of its users. It can be down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass
class Job:
    """A job of a project; `passed` is None while it runs."""

    number: int
    at: datetime
    passed: bool | None = None
    ended_at: datetime | None = None
    started_by: str = ""


@dataclass
class TinySimulator:
    """All jobs, by the name of their project, and the users by their tokens."""

    jobs: dict[str, list[Job]] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    away: bool = False

    def run(self, project: str, at: datetime, *, by: str = "") -> Job:
        """Start a job."""
        jobs = self.jobs.setdefault(project, [])
        jobs.append(Job(len(jobs) + 1, at, started_by=by))
        return jobs[-1]
