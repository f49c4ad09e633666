"""A build in words: its result, where it came from, its times, why it was aborted. Pure; no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from domain import build_author
from domain.abort_kind import MANUAL, OTHER, phrase, read_abort
from domain.build import App, Build, BuildState, RunKind, time_building, time_on_hold, time_preparing
from domain.redaction.redactor import redact_beginning
from messages.kit.mrkdwn import clock_time, code, escape, format_duration, link, plain, when
from messages.run_vocabulary import UNKNOWN_OPEN, describe_state, vocabulary_of

BAR_CELLS = 10
MUCH_LONGER = 1.2


def build_symbol(build: Build) -> str:
    """Return the symbol of a build's state."""
    return describe_state(build)[0]


def state_symbol(state: BuildState) -> str:
    """Return the symbol of a state."""
    return vocabulary_of(RunKind.BUILD).results.get(state, UNKNOWN_OPEN)[0]


def state_text(state: BuildState) -> str:
    """Return a state in words that follow a name."""
    return vocabulary_of(RunKind.BUILD).results.get(state, UNKNOWN_OPEN)[1]


def result_text(build: Build) -> str:
    """Return a build's state in words that follow its name, for mrkdwn."""
    return escape(plain_result(build))


def plain_result(build: Build) -> str:
    """Return a build's state in words that follow its name, without markup."""
    return plain(describe_state(build)[1], 150)


def build_name(build: Build) -> str:
    """Return the build's name within its app, without markup: `#19`, `deployment v12`, `web.1`."""
    return f"deployment {build.label}".rstrip() if build.kind is RunKind.DEPLOYMENT else build.label


def build_link(build: Build, app: App) -> str:
    """Return the build's name as a link to its page."""
    return f"*{link(build.url, f'{app.title} {build_name(build)}', 150)}*"


def streak_name(build: Build, app: App) -> str:
    """Return the name of the streak that a build belongs to: an app with its branch and workflow, or with a process."""
    title = f"*{escape(app.title, 150)}*"
    match build.kind:
        case RunKind.DYNO:
            return f"{title} {code(build.workflow or '')}"
        case RunKind.DEPLOYMENT:
            return f"Deployment of {title}" + (f" from {code(build.branch)}" if build.branch else "")
        case _:
            workflow = f", workflow {code(build.workflow)}" if build.workflow else ""
            return f"{title} on {code(build.branch or build.tag or 'tags')}{workflow}"


def plain_streak_name(build: Build, app: App) -> str:
    """Return the name of a build's streak without markup, for screen readers."""
    title = plain(app.title, 150)
    match build.kind:
        case RunKind.DYNO:
            return f"{title} {build.workflow}"
        case RunKind.DEPLOYMENT:
            return f"Deployment of {title}" + (f" from {build.branch}" if build.branch else "")
        case _:
            return f"{title} on {build.branch or build.tag or 'tags'}"


def run_kinds(builds: Iterable[Build]) -> str:
    """Return the kinds of the builds: "builds", "deployments and dynos"."""
    kinds = {build.kind for build in builds}
    return " and ".join(vocabulary_of(kind).plural for kind in RunKind if kind in kinds)


def count_runs(builds: Sequence[Build]) -> str:
    """Count the builds of each kind: "1 build", "3 deployments and 2 dynos"."""
    counts = Counter(build.kind for build in builds)
    parts = [
        f"{counts[kind]} {vocabulary_of(kind).plural if counts[kind] != 1 else vocabulary_of(kind).singular}"
        for kind in RunKind
        if counts[kind]
    ]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[:-1] else parts)


def count_failures(build: Build, count: int) -> str:
    """Say how many builds of a streak have failed: "3 failed builds"."""
    words = vocabulary_of(build.kind)
    return f"{count} failed {words.plural if count != 1 else words.singular}"


def source_text(build: Build) -> str:
    """Return the branch or tag, the pull request, and the workflow of a build."""
    parts = [code(text) for text in (build.tag and f"tag {build.tag}", build.branch) if text]
    if build.pull_request is not None:
        target = f" into {code(build.target_branch)}" if build.target_branch else ""
        parts.append(f"{link(build.pull_request_url, f'pull request #{build.pull_request}')}{target}")
    if build.workflow and build.kind is RunKind.BUILD:
        parts.append(f"workflow {code(build.workflow)}")
    return " · ".join(parts)


def short_hash(commit_hash: str) -> str:
    """Return the short form of a commit's hash. A secret in its place is redacted before the text is cut."""
    return redact_beginning(commit_hash, 8)[:8]


def commit_text(build: Build) -> str | None:
    """Return the linked hash of the commit and the first line of its message; None if there is no commit."""
    return describe_commit(build.commit_hash, build.commit_message, build.commit_url) or None


def describe_commit(commit_hash: str | None, message: str | None, url: str | None = None) -> str:
    """Return the linked hash of a commit and the first line of its message."""
    subject = (message or "").strip().split("\n", 1)[0]
    shown_hash = link(url, short_hash(commit_hash)) if commit_hash else ""
    return " ".join(part for part in (shown_hash, escape(subject, 250)) if part)


def starter_text(triggered_by: str | None) -> str | None:
    """Return who or what started a build, from the provider's `triggered_by`; None if it is not given."""
    if triggered_by is None:
        return None
    if (named := build_author.parse_trigger(triggered_by)) is not None:
        how, who = named
        return f"{who} ({'manually' if how == 'manual' else how.removeprefix('webhook-')})"
    return {"webhook": "a push or pull request", "schedule": "a schedule"}.get(triggered_by, triggered_by)


def abort_text(build: Build) -> str | None:
    """Return who aborted the build and why, and the kind of reason, without markup; None if it was not aborted."""
    if not build.state.aborted and not build.abort_reason:
        return None
    abort = read_abort(build.abort_reason)
    by = f"Aborted by {plain(abort.who, 100)}" if abort.who else "Aborted"
    text = f"{by}: {plain(abort.why, 500)}" if abort.why else f"{by}."
    kind = build.abort_kind
    if kind is None or kind in (MANUAL, OTHER) or phrase(kind).casefold() in text.casefold():
        return text
    return f"{text} [{phrase(kind)}]"


def duration_texts(build: Build) -> list[str]:
    """Return the three durations of a build as the documents define them (Bitrise API v0.1, "Build times").

    Others have one time: how long a deployment took, or how long a process was down.
    """
    if build.kind is not RunKind.BUILD:
        down = "down" if build.kind is RunKind.DYNO else "in total"
        spent = build.finished_at - build.triggered_at if build.finished_at and build.triggered_at else None
        known = spent is not None and (build.kind is not RunKind.DYNO or build.state is BuildState.SUCCEEDED)
        return [f"{format_duration(spent)} {down}"] if known and spent is not None else []
    spans: list[tuple[str, timedelta | None]] = [
        ("on hold", time_on_hold(build)),
        ("preparing", time_preparing(build)),
        ("building", time_building(build)),
    ]
    return [f"{format_duration(span)} {what}" for what, span in spans if span is not None]


def since_text(build: Build) -> str | None:
    """Return since when an open build has been in its state. It stays true however old the message is."""
    at = build.started_at or build.triggered_at
    return f"since {when(at)}" if at is not None and not build.ended else None


def progress_text(build: Build, now: datetime, usual_duration: timedelta | None = None) -> str | None:
    """Return the progress of an open build, and when that was; None for one that has ended.

    The message is not updated continuously, so the text includes the time.
    """
    spent = elapsed_text(build, now, usual_duration)
    if spent is None:
        return None
    cells = progress_bar(build, now, usual_duration)
    return f"{f'{cells} ' if cells else ''}{spent}, as of {clock_time(now)}"


def elapsed_text(build: Build, now: datetime, usual_duration: timedelta | None = None) -> str | None:
    """Return how long an open build has run, measured by `usual_duration` if known; None for one that has ended."""
    started_at = build.prepared_at or build.started_at or build.triggered_at
    if build.ended or started_at is None:
        return None
    if usual_duration and build.started_at:
        return f"running for {_compare_with_usual(max(now - build.started_at, timedelta(0)), usual_duration)}"
    words = vocabulary_of(build.kind)
    if usual_duration:
        waiting = format_duration(max(now - started_at, timedelta(0)))
        return f"{words.waiting} for {waiting}; usually takes {_rounded_duration(usual_duration)} to run"
    doing = "building" if build.prepared_at else words.preparing if build.started_at else words.waiting
    return f"{doing} for {format_duration(max(now - started_at, timedelta(0)))}"


def progress_bar(build: Build, now: datetime, usual_duration: timedelta | None) -> str | None:
    """Return the progress as a bar; full only once the usual duration is over."""
    if not usual_duration or build.ended or build.started_at is None:
        return None
    share = max(now - build.started_at, timedelta(0)) / usual_duration
    full = min(int(share * BAR_CELLS), BAR_CELLS)
    return "▰" * full + "▱" * (BAR_CELLS - full)


def _compare_with_usual(spent: timedelta, usual: timedelta) -> str:
    longer = spent > usual * MUCH_LONGER
    compared = (
        f"longer than the usual {_rounded_duration(usual)}"
        if longer
        else f"usually takes {_rounded_duration(usual)}"
    )
    return f"{format_duration(spent)}, {compared}"


def _rounded_duration(usual: timedelta) -> str:
    """Round a duration as people say it: `7m`, `1h 10m`."""
    seconds = usual.total_seconds()
    return format_duration(
        timedelta(minutes=round(seconds / 60)) if seconds >= 60 else timedelta(seconds=round(seconds))
    )


def plain_summary(build: Build, app: App) -> str:
    """Summarize the build without markup, for screen readers and notifications."""
    on = f" on {build.branch}" if build.branch else f" for tag {build.tag}" if build.tag else ""
    workflow = f" ({build.workflow})" if build.workflow and build.kind is RunKind.BUILD else ""
    first = f"{app.title} {build_name(build)} {plain_result(build)}{on}{workflow}."
    stopped = abort_text(build) if build.ended else None
    subject = (build.commit_message or "").strip().split("\n", 1)[0]
    spent = ", ".join(duration_texts(build)) if build.ended else ""
    rest = [stopped or "", plain(subject, 150), f"Took {spent}." if spent else ""]
    return escape(" ".join(part for part in [first, *rest] if part), 900)
