"""What differs between a build and the last success of its kind. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from domain.build import App, Build, FrozenModel
from domain.build_author import STARTED_BY
from domain.duration_estimate import time_on_worker
from domain.log.log_parser import Step, StepResult

# A step that took so much longer, and so many times as long, is worth a word.
SLOWER_BY = timedelta(seconds=20)
SLOWER_TIMES = 1.5
# What differs in every build, so that a difference says nothing.
_ALWAYS_OTHER = frozenset(
    {"commit_hash", "commit_message", "commit_messages", "commit_paths", "diff_url", "build_request_slug"}
)


class StepChange(FrozenModel):
    """A step that went otherwise than in the success; None on a side where it was not there."""

    title: str
    now: Step | None
    then: Step | None


class BuildDiff(FrozenModel):
    """A build beside the last success of its workflow and branch.

    `commits` is the page of what was committed in between; `params` names what it was started with otherwise,
    never the values, which may be secret.
    """

    build: Build
    success: Build
    commits: str | None = None
    params: tuple[str, ...] = ()
    steps: tuple[StepChange, ...] = ()

    @property
    def slower_by(self) -> timedelta | None:
        """How much longer the build took a worker; negative for shorter."""
        now, then = time_on_worker(self.build), time_on_worker(self.success)
        return now - then if now is not None and then is not None else None


def compare_builds(
    app: App, build: Build, success: Build, *, steps: Sequence[Step] = (), success_steps: Sequence[Step] = ()
) -> BuildDiff:
    """What is otherwise; steps are compared by title without their version, where both builds have them."""
    return BuildDiff(
        build=build,
        success=success,
        commits=_commits_page(app, success, build),
        params=tuple(_other_params(success.params or {}, build.params or {})),
        steps=tuple(_other_steps(success_steps, steps)) if steps and success_steps else (),
    )


def _commits_page(app: App, success: Build, build: Build) -> str | None:
    """The comparison's page at GitHub; other hosts name theirs in other ways."""
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


def _other_params(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = sorted((then.keys() | now.keys()) - _ALWAYS_OTHER - {"environments"})
    other = [name for name in names if then.get(name) != now.get(name)]
    before, after = _variables(then), _variables(now)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return other + [f"variable {name}" for name in changed if name != STARTED_BY]


def _variables(params: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for one in params.get("environments") or []:
        if isinstance(one, Mapping) and (name := one.get("key") or one.get("mapped_to")):
            found[str(name)] = one.get("value")
    return found


def _other_steps(then: Sequence[Step], now: Sequence[Step]) -> list[StepChange]:
    before = {_name(step): step for step in then}
    after = {_name(step): step for step in now}
    changes = []
    for name, step in after.items():
        old = before.get(name)
        if old is None or _went_otherwise(old, step):
            changes.append(StepChange(title=step.title, now=step, then=old))
    # Steps behind one that failed are missing because of it, which needs no word.
    if not any(step.result is StepResult.FAILED for step in now):
        missing = [step for name, step in before.items() if name not in after]
        changes += [StepChange(title=step.title, now=None, then=step) for step in missing]
    return changes


def _went_otherwise(then: Step, now: Step) -> bool:
    if then.result is not now.result or then.title != now.title:
        return True
    if then.took is None or now.took is None:
        return False
    return now.took - then.took >= SLOWER_BY and now.took >= then.took * SLOWER_TIMES


def _name(step: Step) -> str:
    return step.title.partition("@")[0].strip().casefold()
