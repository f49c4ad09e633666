"""Why builds were told or not, and what terms would have told."""

from __future__ import annotations

from datetime import UTC, datetime

from bot import messages
from bot.build import App, Build, PipelineRef
from bot.commands import Why
from bot.messages import Reason, RunNote
from bot.outbox.subjects import build_run, pipeline_run
from bot.provider import Provider
from bot.series import Series, Standing, advance, key_of
from bot.terms import Happening, Terms, Verdict, decide
from handlers.caller import Answer, Caller
from handlers.seen import find_run, latest_of
from storage import Recipient, Status, Subscription

PREVIEWED = 50
# What can be told of a build before its end, in words for what was.
_MOMENTS = {
    Happening.STARTED: "it posted here that the build started",
    Happening.ON_HOLD_TOO_LONG: "it posted here that the build was on hold for long",
    Happening.RUNNING_TOO_LONG: "it posted here that the build was running for long",
}


async def why(ask: Why, caller: Caller, provider: Provider) -> Answer:
    """Which of the channel's subscriptions told a build, or what kept it silent."""
    app, build = await find_run(caller, ask.app, ask.build, provider)
    storage, here = caller.desk.storage, Recipient(team=caller.team, channel=caller.channel)
    seen = await storage.watching.build(build.provider, build.slug)
    standing = seen.standing if seen else None
    names = (await caller.storage.people.known()).names
    told = {
        (number, event): status
        for number, event, status in await storage.outbox.of_build(here, build.provider, build.slug)
    }
    reasons = []
    for one in await caller.storage.subscriptions.of_channel(caller.channel):
        if one.provider is not provider or not one.covers(app.slug):
            continue
        status = told.get((one.id, Happening.ENDED))
        verdict = decide(one.terms, Happening.ENDED, build, standing, names)
        earlier = [words for event, words in _MOMENTS.items() if told.get((one.id, event)) == Status.TOLD]
        ended = _told(status) or _not_told(one, build, standing, verdict)
        reasons.append(
            Reason(
                number=one.number,
                app=one.app,
                terms=one.terms,
                told=status == Status.TOLD or bool(earlier),
                said="; ".join([*earlier, ended]),
            )
        )
    # Bitrise does not say with a build which attempt of a pipeline it belongs to; the watcher has found that out.
    attempt = build.pipeline or (seen.build.pipeline if seen else None)
    return Answer(messages.why(build, app, reasons, started_by=await _started_by(build, attempt, caller)))


async def _started_by(build: Build, attempt: PipelineRef | None, caller: Caller) -> str:
    """Who started the run here that a message of the channel follows; empty where nobody did."""
    here = Recipient(team=caller.team, channel=caller.channel)
    runs = [build_run(build.slug)]
    if attempt is not None:
        runs.append(pipeline_run(attempt.key))
    found = await caller.desk.storage.messages.about(here, [str(one) for one in runs])
    return next((by for one in found.values() if (by := RunNote.read(one.note).by)), "")


def _told(status: str | None) -> str | None:
    return {
        "told": "it told this build here",
        "owed": "it is about to tell this build here, or waits for its time",
        "sending": "it is telling this build here right now",
        "paused": "it was paused before it could tell this build here",
        "dropped": "it could not tell this build here, since Slack did not let me post",
    }.get(status or "")


def _not_told(one: Subscription, build: Build, standing: Standing | None, verdict: Verdict) -> str:
    if one.stopped is not None:
        return f"it tells nothing, since it was stopped ({one.stopped})"
    if not build.ended:
        return "the build has not ended yet"
    if standing is None or verdict.told:
        # It would have been owed, had the subscription been there.
        return "the build had ended before this subscription began"
    return f"it kept silent because {verdict.why}"


def _age(build: Build) -> tuple[int, datetime]:
    """What builds are sorted by, oldest first; processes have no numbers."""
    return build.number or 0, build.finished_at or datetime.min.replace(tzinfo=UTC)


async def preview(app: App, terms: Terms, caller: Caller) -> Answer:
    """What the app's latest builds would have told under these terms."""
    names = (await caller.storage.people.known()).names
    builds = [build for build in await latest_of(app, caller, PREVIEWED) if build.ended]
    told, silent = [], []
    series: dict[tuple[str, str], Series] = {}
    for build in sorted(builds, key=_age):
        key = key_of(build)
        series[key], standing = advance(series.get(key, Series()), build)
        verdict = decide(terms, Happening.ENDED, build, standing, names)
        if verdict.told:
            told.append(build)
        else:
            silent.append((build, verdict.why))
    return Answer(messages.preview(app, terms, told=told[::-1], silent=silent))
