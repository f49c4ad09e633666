"""The build source of Tiny CI, which the poller reads: the jobs of each project."""

from __future__ import annotations

from domain.build import Build, BuildState
from domain.poll_state import Baseline
from domain.polling import PollInput, PollResult
from domain.provider_errors import ProviderDown
from tests.tiny.provider import TINY
from tests.tiny.simulator import Job, TinySimulator


class TinyBuildSource:
    """Reads the jobs of the projects that are due in this poll."""

    provider = TINY
    logs = False

    def __init__(self, service: TinySimulator) -> None:
        self._service = service

    async def probe(self) -> None:
        """Check that Tiny CI responds. Raises ProviderDown."""
        self._jobs("")

    async def baseline(self, app_slug: str) -> Baseline:
        """Return the project's jobs so far. Raises ProviderDown."""
        builds = self._jobs(app_slug)
        newest = max((build.triggered_at for build in builds if build.triggered_at), default=None)
        return Baseline(builds=tuple(builds), at=newest)

    async def gather(self, known: PollInput) -> PollResult:
        """Return the jobs of the projects that are due; a failure is part of the result."""
        gathered = PollResult()
        try:
            for slug in known.whose_turn(list(known.state.apps)):
                gathered.builds += self._jobs(slug)
        except ProviderDown as failure:
            gathered.failure = failure
        return gathered

    def _jobs(self, project: str) -> list[Build]:
        if self._service.away:
            raise ProviderDown(provider=TINY)
        return [_build(project, job) for job in self._service.jobs.get(project, [])]


def _build(project: str, job: Job) -> Build:
    states = {None: BuildState.RUNNING, True: BuildState.SUCCEEDED, False: BuildState.FAILED}
    return Build(
        provider=TINY,
        app_slug=project,
        slug=f"{project}-{job.number}",
        number=job.number,
        state=states[job.passed],
        branch="main",
        triggered_at=job.at,
        started_at=job.at,
        finished_at=job.ended_at,
        url=f"https://tiny.example/{project}/{job.number}",
    )
