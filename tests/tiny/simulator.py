"""The simulated Tiny CI: projects with their jobs, and users with their tokens. It can be down."""

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
    """All jobs by the name of their project, and users by their token; `away` means that it is down."""

    jobs: dict[str, list[Job]] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    away: bool = False

    def run(self, project: str, at: datetime, *, by: str = "") -> Job:
        """Start a job."""
        jobs = self.jobs.setdefault(project, [])
        jobs.append(Job(len(jobs) + 1, at, started_by=by))
        return jobs[-1]
