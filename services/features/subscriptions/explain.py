"""Why builds were told or not, and what terms would have told."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.build import App, Build
from domain.commands.shared_commands import ExplainNotification
from domain.failure_streak import Streak, StreakState, advance, streak_key
from domain.message_state import RunNote
from domain.notification import NotificationStatus
from domain.notifications.evaluation import Evaluation, evaluate
from domain.notifications.rule import BuildEvent, NotificationRule
from domain.provider import Provider
from domain.recipient import Recipient
from domain.subscription import Subscription
from messages import notification_reasons
from messages.notification_reasons import NotificationReason
from services.outbox.message_key import build_run_key, pipeline_run_key
from services.request.build_history import find_run, list_latest_runs
from services.request.context import Reply, RequestContext

PREVIEWED = 50
# What can be told of a build before its end, in words for what was.
_MOMENTS = {
    BuildEvent.STARTED: "it posted here that the build started",
    BuildEvent.ON_HOLD_TOO_LONG: "it posted here that the build was on hold for long",
    BuildEvent.RUNNING_TOO_LONG: "it posted here that the build was running for long",
}


async def explain_notification(
    command: ExplainNotification, context: RequestContext, provider: Provider
) -> Reply:
    """Which of the channel's subscriptions told a build, or what kept it silent."""
    app, build = await find_run(context, command.app, command.build, provider)
    storage, here = context.services.storage, Recipient(team=context.team, channel=context.channel)
    seen = await storage.watched_builds.build(build.provider, build.slug)
    standing = seen.standing if seen else None
    names = (await context.storage.user_profiles.known()).names
    told = {
        (number, event): status
        for number, event, status in await storage.outbox.of_build(here, build.provider, build.slug)
    }
    reasons = []
    for one in await context.storage.subscriptions.of_channel(context.channel):
        if one.provider is not provider or not one.covers(app.slug):
            continue
        status = told.get((one.id, BuildEvent.ENDED))
        verdict = evaluate(one.terms, BuildEvent.ENDED, build, standing, names)
        earlier = [
            words
            for event, words in _MOMENTS.items()
            if told.get((one.id, event)) == NotificationStatus.DELIVERED
        ]
        ended = _told(status) or _not_told(one, build, standing, verdict)
        reasons.append(
            NotificationReason(
                number=one.number,
                app=one.app,
                terms=one.terms,
                presentation=context.services.registry.presentation_of(one.provider),
                notified=status == NotificationStatus.DELIVERED or bool(earlier),
                text="; ".join([*earlier, ended]),
            )
        )
    return Reply(
        notification_reasons.explain_notifications(
            build, app, reasons, started_by=await _started_by(build, context)
        )
    )


async def _started_by(build: Build, context: RequestContext) -> str:
    """Who started the run here that a message of the channel follows; empty where nobody did."""
    here = Recipient(team=context.team, channel=context.channel)
    runs = [build_run_key(build.slug)]
    if build.pipeline is not None:
        runs.append(pipeline_run_key(build.pipeline.key))
    found = await context.services.storage.slack_messages.newest_about(here, [str(one) for one in runs])
    return next((by for one in found.values() if (by := RunNote.read(one.note).by)), "")


def _told(status: str | None) -> str | None:
    return {
        "told": "it told this build here",
        "owed": "it is about to tell this build here, or waits for its time",
        "sending": "it is telling this build here right now",
        "paused": "it was paused before it could tell this build here",
        "dropped": "it could not tell this build here, since Slack did not let me post",
    }.get(status or "")


def _not_told(one: Subscription, build: Build, standing: StreakState | None, verdict: Evaluation) -> str:
    if one.stopped is not None:
        return f"it tells nothing, since it was stopped ({one.stopped})"
    if not build.ended:
        return "the build has not ended yet"
    if standing is None or verdict.should_notify:
        # It would have been owed, had the subscription been there.
        return "the build had ended before this subscription began"
    return f"it kept silent because {verdict.why}"


def _age(build: Build) -> tuple[int, datetime]:
    """What builds are sorted by, oldest first; processes have no numbers."""
    return build.number or 0, build.finished_at or datetime.min.replace(tzinfo=UTC)


async def preview(app: App, terms: NotificationRule, context: RequestContext) -> Reply:
    """What the app's latest builds would have told under these terms."""
    names = (await context.storage.user_profiles.known()).names
    builds = [build for build in await list_latest_runs(app, context, PREVIEWED) if build.ended]
    told, silent = [], []
    series: dict[tuple[str, str], Streak] = {}
    for build in sorted(builds, key=_age):
        key = streak_key(build)
        series[key], standing = advance(series.get(key, Streak()), build)
        verdict = evaluate(terms, BuildEvent.ENDED, build, standing, names)
        if verdict.should_notify:
            told.append(build)
        else:
            silent.append((build, verdict.why))
    presentation = context.services.registry.presentation_of(app.provider)
    return Reply(
        notification_reasons.subscription_preview(
            app, terms, presentation, notified=told[::-1], not_notified=silent
        )
    )
