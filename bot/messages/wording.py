"""A build in words: its result, where it came from, its times, why it was aborted. Pure; no I/O."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot import authors
from bot.aborts import MANUAL, OTHER, phrase, read_abort
from bot.build import App, Build, State, time_building, time_on_hold, time_preparing
from bot.http.redaction import redact
from bot.messages.text import code, escape, lasted, link, plain

BAR_CELLS = 10
MUCH_LONGER = 1.2
# A symbol beside the words, never instead of them.
_RESULTS = {
    State.ON_HOLD: ("⏸️", "is on hold"),
    State.RUNNING: ("▶️", "is running"),
    State.SUCCEEDED: ("✅", "succeeded"),
    State.FAILED: ("❌", "failed"),
    State.ABORTED: ("🛑", "was aborted"),
    State.ABORTED_WITH_SUCCESS: ("☑️", "was aborted, counted as a success"),
}
_UNKNOWN_OPEN = ("❔", "is in a state that I don't know")
_UNKNOWN_ENDED = ("❔", "ended in a way that I don't know")


def symbol(build: Build) -> str:
    """The result's symbol."""
    return _result(build)[0]


def symbol_of(state: State) -> str:
    """The symbol of a state by itself."""
    return _RESULTS.get(state, _UNKNOWN_OPEN)[0]


def result_of(state: State) -> str:
    """A state by itself, in words that follow a name."""
    return _RESULTS.get(state, _UNKNOWN_OPEN)[1]


def result(build: Build) -> str:
    """The result in words that follow the build's name."""
    return _result(build)[1]


def _result(build: Build) -> tuple[str, str]:
    return _RESULTS.get(build.state) or (_UNKNOWN_ENDED if build.ended else _UNKNOWN_OPEN)


def name(build: Build, app: App) -> str:
    """The build's name, leading to its page."""
    return f"*{link(build.url, f'{app.title} {build.label}', 150)}*"


def source(build: Build) -> str:
    """Branch or tag, workflow and pull request."""
    parts = [code(text) for text in (build.tag and f"tag {build.tag}", build.branch) if text]
    if build.pull_request is not None:
        target = f" into {code(build.target_branch)}" if build.target_branch else ""
        parts.append(f"{link(build.pull_request_url, f'pull request #{build.pull_request}')}{target}")
    if build.workflow:
        parts.append(f"workflow {code(build.workflow)}")
    return " · ".join(parts)


def short_hash(commit_hash: str) -> str:
    """As much of a commit's hash as people use; a secret that stands in its place is taken out while it is whole."""
    return redact(commit_hash)[:8]


def commit(build: Build) -> str | None:
    """The commit's hash, linked, and its message's first line; None where nothing is known of one."""
    first_line = (build.commit_message or "").strip().split("\n", 1)[0]
    parts = []
    if build.commit_hash:
        parts.append(link(build.commit_url, short_hash(build.commit_hash)))
    if first_line:
        parts.append(escape(first_line, 250))
    return " ".join(parts) or None


def starter(told: str | None) -> str | None:
    """Who or what started something, from what Bitrise says of it; None where it does not say."""
    if told is None:
        return None
    if (named := authors.starter(told)) is not None:
        how, who = named
        return f"{who} ({'by hand' if how == 'manual' else how.removeprefix('webhook-')})"
    return {"webhook": "a push or pull request", "schedule": "its schedule"}.get(told, told)


def abort(build: Build) -> str | None:
    """Who aborted the build, why, and what kind of reason that is, without markup; None where nobody did."""
    if not build.state.aborted and not build.abort_reason:
        return None
    stopped = read_abort(build.abort_reason)
    by = f"Aborted by {plain(stopped.who, 100)}" if stopped.who else "Aborted"
    said = f"{by}: {plain(stopped.why, 500)}" if stopped.why else f"{by}."
    kind = build.abort_kind
    if kind is None or kind in (MANUAL, OTHER) or phrase(kind).casefold() in said.casefold():
        return said
    return f"{said} [{phrase(kind)}]"


def times(build: Build) -> list[str]:
    """The three times of a build, told apart as the documents define them (API v0.1, "Build times")."""
    spans: list[tuple[str, timedelta | None]] = [
        ("on hold", time_on_hold(build)),
        ("preparing", time_preparing(build)),
        ("building", time_building(build)),
    ]
    return [f"{lasted(span)} {what}" for what, span in spans if span is not None]


def so_far(build: Build, now: datetime, usual: timedelta | None = None) -> str | None:
    """How far a build has come that has not ended, measured by the `usual` time; None for one that has."""
    since = build.prepared_at or build.started_at or build.triggered_at
    if build.ended or since is None:
        return None
    if usual and build.started_at:
        return f"running for {_measured(max(now - build.started_at, timedelta(0)), usual)}"
    if usual:
        return (
            f"waiting for {lasted(max(now - since, timedelta(0)))}; it usually runs for about {_about(usual)}"
        )
    doing = "building" if build.prepared_at else "preparing" if build.started_at else "waiting"
    return f"{doing} for {lasted(max(now - since, timedelta(0)))}"


def bar(build: Build, now: datetime, usual: timedelta | None) -> str | None:
    """The same as a bar, for the eye alone; full only where the usual time is over."""
    if not usual or build.ended or build.started_at is None:
        return None
    share = max(now - build.started_at, timedelta(0)) / usual
    full = min(int(share * BAR_CELLS), BAR_CELLS)
    return "▰" * full + "▱" * (BAR_CELLS - full)


def _measured(spent: timedelta, usual: timedelta) -> str:
    if spent > usual * MUCH_LONGER:
        return f"{lasted(spent)}, longer than the usual {_about(usual)}"
    if usual < timedelta(minutes=1):
        return f"{round(spent.total_seconds())} of about {round(usual.total_seconds())} s"
    return f"{int(spent.total_seconds() // 60)} of about {_about(usual)}"


def _about(usual: timedelta) -> str:
    """A usual time as people say it: `7 min`, `1 h 10 min`."""
    seconds = usual.total_seconds()
    return lasted(
        timedelta(minutes=round(seconds / 60)) if seconds >= 60 else timedelta(seconds=round(seconds))
    )


def in_a_sentence(build: Build, app: App) -> str:
    """The build for a screen reader or a notification: everything that matters, without markup."""
    where = f" on {build.branch}" if build.branch else f" for tag {build.tag}" if build.tag else ""
    workflow = f" ({build.workflow})" if build.workflow else ""
    first = f"{app.title} {build.label} {result(build)}{where}{workflow}."
    stopped = abort(build) if build.ended else None
    subject = (build.commit_message or "").strip().split("\n", 1)[0]
    spent = ", ".join(times(build)) if build.ended else ""
    rest = [stopped or "", plain(subject, 150), f"Took {spent}." if spent else ""]
    return escape(" ".join(part for part in [first, *rest] if part), 900)
