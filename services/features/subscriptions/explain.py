"""Explanations of notifications: why a build was notified or not, and a preview of a rule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from domain.build import App, Build, PipelineRef
from domain.commands.arguments import BuildRef
from domain.commands.errors import UserError
from domain.commands.shared_commands import ExplainNotification
from domain.failure_streak import Streak, StreakState, advance, streak_key
from domain.message import Recipient, RunNote
from domain.notification import NotificationStatus
from domain.notifications.evaluation import Evaluation, evaluate
from domain.notifications.rule import BuildEvent, NotificationRule
from domain.provider import Provider
from domain.subscription import StopReason, Subscription
from messages import notification_reasons
from messages.notification_reasons import NotificationReason
from services.outbox.message_key import build_run_key, pipeline_run_key
from services.request.context import Reply, RequestContext
from services.request.finder import find_app, find_build


async def find_run(
    context: RequestContext, app_name: str | None, ref: BuildRef, provider: Provider
) -> tuple[App, Build]:
    """Return the run that the reference names, with its app. Raises UserError, and whatever `find_build` raises."""
    if context.builds_at(provider) is not None:
        return await find_build(context, app_name, ref, provider)
    app = await context.visible_apps(provider).fetch(await find_app(context, app_name, provider))
    build = await _find_recorded(context, app, ref)
    if build is None:
        raise UserError(
            f"No record of `{ref}` in {app.title}. {provider.label} keeps no history, so only what happened while"
            " someone was subscribed is known."
        )
    return app, build


async def list_latest_runs(app: App, context: RequestContext, most: int) -> Sequence[Build]:
    """Return the app's latest runs, newest first. Raises ProviderError."""
    client = context.builds_at(app.provider)
    if client is None:
        await context.visible_apps(app.provider).fetch(app)
        return await context.services.storage.watched_builds.latest_of(app, most)
    async for page in client.builds(app.slug, limit=most).pages():
        return page.items
    return ()


async def _find_recorded(context: RequestContext, app: App, ref: BuildRef) -> Build | None:
    recorded_builds = context.services.storage.watched_builds
    if ref.number is not None:
        return await recorded_builds.numbered(app, ref.number)
    run_slug = context.services.registry.get(app.provider).run_slug
    slugs = (ref.slug or "", run_slug(app.slug, ref.slug or "") if run_slug is not None else "")
    for slug in slugs:
        recorded = await recorded_builds.build(app.provider, slug)
        if recorded is not None and recorded.build.app_slug == app.slug:
            return recorded.build
    return None


PREVIEWED = 50
# The events of a build before its end, as sentences about the notification, without their full stop.
_EARLY_EVENTS = {
    BuildEvent.STARTED: "Posted when it started",
    BuildEvent.ON_HOLD_TOO_LONG: "Posted when it was on hold for a long time",
    BuildEvent.RUNNING_TOO_LONG: "Posted when it was running for a long time",
}


async def explain_notification(
    command: ExplainNotification, context: RequestContext, provider: Provider
) -> Reply:
    """Explain for each of the channel's subscriptions why it notified of a build or not."""
    app, build = await find_run(context, command.app, command.build, provider)
    storage, recipient = context.services.storage, Recipient(team=context.team, channel=context.channel)
    recorded = await storage.watched_builds.build(build.provider, build.slug)
    streak_state = recorded.standing if recorded else None
    names = (await context.storage.user_profiles.known()).names
    statuses = {
        (number, event): status
        for number, event, status in await storage.outbox.of_build(recipient, build.provider, build.slug)
    }
    reasons = []
    for subscription in await context.storage.subscriptions.of_channel(context.channel):
        if subscription.provider is not provider or not subscription.covers(app.slug):
            continue
        status = statuses.get((subscription.id, BuildEvent.ENDED))
        verdict = evaluate(subscription.terms, BuildEvent.ENDED, build, streak_state, names)
        earlier = [
            sentence
            for event, sentence in _EARLY_EVENTS.items()
            if statuses.get((subscription.id, event)) == NotificationStatus.DELIVERED
        ]
        outcome = _describe_status(status) or _explain_silence(subscription, build, streak_state, verdict)
        reasons.append(
            NotificationReason(
                number=subscription.number,
                app=subscription.app,
                terms=subscription.terms,
                presentation=context.services.registry.presentation_of(subscription.provider),
                notified=status == NotificationStatus.DELIVERED or bool(earlier),
                text=". ".join([*earlier, outcome]),
            )
        )
    # Bitrise does not say with a build which attempt of a pipeline it belongs to; polling has found it out.
    attempt = build.pipeline or (recorded.build.pipeline if recorded else None)
    return Reply(
        notification_reasons.explain_notifications(
            build, app, reasons, started_by=await _started_by(build, attempt, context)
        )
    )


async def _started_by(build: Build, attempt: PipelineRef | None, context: RequestContext) -> str:
    """Return who started the run that a message of the channel follows; empty if there is none."""
    recipient = Recipient(team=context.team, channel=context.channel)
    runs = [build_run_key(build.slug)]
    if attempt is not None:
        runs.append(pipeline_run_key(attempt.key))
    messages = await context.services.storage.slack_messages.newest_about(
        recipient, [str(run) for run in runs]
    )
    return next((by for message in messages.values() if (by := RunNote.read(message.note).by)), "")


def _describe_status(status: str | None) -> str | None:
    return {
        "told": "Posted here",
        "owed": "Not posted yet: scheduled, or about to be posted",
        "sending": "Being posted now",
        "paused": "Not posted: the subscription was paused first",
        "dropped": "Not posted: Slack didn't allow it",
    }.get(status or "")


def _explain_silence(
    subscription: Subscription, build: Build, streak_state: StreakState | None, verdict: Evaluation
) -> str:
    if subscription.stopped is not None:
        state = "paused" if subscription.stopped == StopReason.PAUSED else "stopped"
        return f"Not posted: the subscription is {state}"
    if not build.ended:
        return "Not finished yet"
    if streak_state is None or verdict.should_notify:
        # The rule matches, so it would have been notified if the subscription had existed.
        return "Not posted: finished before this subscription was added"
    return f"Not posted: {verdict.why}"


def _sort_key(build: Build) -> tuple[int, datetime]:
    """Return the sort key of a build, oldest first; processes have no numbers."""
    return build.number or 0, build.finished_at or datetime.min.replace(tzinfo=UTC)


async def preview(app: App, terms: NotificationRule, context: RequestContext) -> Reply:
    """Show which of the app's latest builds this rule would have notified of."""
    names = (await context.storage.user_profiles.known()).names
    builds = [build for build in await list_latest_runs(app, context, PREVIEWED) if build.ended]
    notified, silent = [], []
    streaks: dict[tuple[str, str], Streak] = {}
    for build in sorted(builds, key=_sort_key):
        key = streak_key(build)
        streaks[key], streak_state = advance(streaks.get(key, Streak()), build)
        verdict = evaluate(terms, BuildEvent.ENDED, build, streak_state, names)
        if verdict.should_notify:
            notified.append(build)
        else:
            silent.append((build, verdict.why))
    presentation = context.services.registry.presentation_of(app.provider)
    return Reply(
        notification_reasons.subscription_preview(
            app, terms, presentation, notified=notified[::-1], not_notified=silent
        )
    )
