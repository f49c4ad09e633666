"""Tiny CI itself: projects, and the jobs that each has run. It can be away."""

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


@dataclass
class TinySimulator:
    """All jobs, by the name of their project."""

    jobs: dict[str, list[Job]] = field(default_factory=dict)
    away: bool = False

    def run(self, project: str, at: datetime) -> Job:
        """Begin a job."""
        jobs = self.jobs.setdefault(project, [])
        jobs.append(Job(len(jobs) + 1, at))
        return jobs[-1]
