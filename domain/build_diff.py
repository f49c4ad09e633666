"""The differences between a build and the last success of its workflow and branch. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from domain.build import App, Build, FrozenModel, time_on_worker
from domain.build_author import STARTED_BY
from domain.log.log_parser import Step, StepResult

# A step counts as slower if it took at least this much longer, and at least so many times as long.
SLOWER_BY = timedelta(seconds=20)
SLOWER_TIMES = 1.5
# Parameters that differ in every build, so a difference is meaningless.
_ALWAYS_DIFFERENT = frozenset(
    {"commit_hash", "commit_message", "commit_messages", "commit_paths", "diff_url", "build_request_slug"}
)


class StepChange(FrozenModel):
    """A step that differs from the success; None on the side where it is missing."""

    title: str
    now: Step | None
    then: Step | None


class BuildDiff(FrozenModel):
    """A build compared with the last success of its workflow and branch.

    `commits` is the URL of the commits in between; `params` are the names of changed start parameters, never their
    values, which may be secret.
    """

    build: Build
    success: Build
    commits: str | None = None
    params: tuple[str, ...] = ()
    steps: tuple[StepChange, ...] = ()

    @property
    def slower_by(self) -> timedelta | None:
        """The additional time on a worker; negative if it took less."""
        now, then = time_on_worker(self.build), time_on_worker(self.success)
        return now - then if now is not None and then is not None else None


def compare_builds(
    app: App, build: Build, success: Build, *, steps: Sequence[Step] = (), success_steps: Sequence[Step] = ()
) -> BuildDiff:
    """Return the differences. Steps are compared by title without their version, if both builds have them."""
    return BuildDiff(
        build=build,
        success=success,
        commits=_commits_url(app, success, build),
        params=tuple(_changed_params(success.params or {}, build.params or {})),
        steps=tuple(_changed_steps(success_steps, steps)) if steps and success_steps else (),
    )


def _commits_url(app: App, success: Build, build: Build) -> str | None:
    """Return the URL of GitHub's comparison; other hosts have other URLs."""
    then, now = success.commit_hash, build.commit_hash
    if (
        not then
        or not now
        or then == now
        or app.repository is None
        or "github.com" not in (app.repo_url or "")
    ):
        return None
    return f"https://github.com/{app.repository}/compare/{then}...{now}"


def _changed_params(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = sorted((then.keys() | now.keys()) - _ALWAYS_DIFFERENT - {"environments"})
    changed_params = [name for name in names if then.get(name) != now.get(name)]
    before, after = _variables(then), _variables(now)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return changed_params + [f"variable {name}" for name in changed if name != STARTED_BY]


def _variables(params: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for variable in params.get("environments") or []:
        if isinstance(variable, Mapping) and (name := variable.get("key") or variable.get("mapped_to")):
            found[str(name)] = variable.get("value")
    return found


def _changed_steps(then: Sequence[Step], now: Sequence[Step]) -> list[StepChange]:
    before = {_step_key(step): step for step in then}
    after = {_step_key(step): step for step in now}
    changes = []
    for name, step in after.items():
        old = before.get(name)
        if old is None or _differs(old, step):
            changes.append(StepChange(title=step.title, now=step, then=old))
    # Steps after a failed one are missing because of it, which is not worth mentioning.
    if not any(step.result is StepResult.FAILED for step in now):
        missing = [step for name, step in before.items() if name not in after]
        changes += [StepChange(title=step.title, now=None, then=step) for step in missing]
    return changes


def _differs(then: Step, now: Step) -> bool:
    if then.result is not now.result or then.title != now.title:
        return True
    if then.took is None or now.took is None:
        return False
    return now.took - then.took >= SLOWER_BY and now.took >= then.took * SLOWER_TIMES


def _step_key(step: Step) -> str:
    return step.title.partition("@")[0].strip().casefold()
