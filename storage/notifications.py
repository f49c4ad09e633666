"""Notifications as they are read from the outbox, with everything that their messages show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.build import MAX_SUCCESSES, App, Build, BuildState, usual_time
from domain.build_author import people_behind
from domain.failure_streak import StreakState
from domain.log.failure import Failure
from domain.message import MessageState
from domain.notification import Notification, NotificationStatus
from domain.notifications.deploy_link import DeployLink
from domain.notifications.rule import NotificationRule
from storage.connection import Connection
from storage.deploy_links import deploy_links_of
from storage.pipelines import pipeline_of
from storage.timestamps import from_text
from storage.user_profiles import WorkspacePeople, workspace_people
from storage.watched_builds import successes_like

# In order of the provider's end times; builds that have not ended are placed by when they were noticed.
_SELECT = """
    SELECT notifications.id, subscription_id, notifications.team_id, notifications.channel_id,
        event, builds.body, watched_apps.body, notifications.created_at, status, terms, standing, failure, due_at,
        parcel, COALESCE(subscriptions.sees_logs, notifications.sees_logs), unseen_at,
        (SELECT note FROM messages WHERE messages.parcel = notifications.parcel)
    FROM notifications JOIN builds USING (provider, build_slug)
    LEFT JOIN watched_apps ON watched_apps.provider = builds.provider AND watched_apps.app_slug = builds.app_slug
    LEFT JOIN subscriptions ON subscriptions.id = notifications.subscription_id
    WHERE builds.body <> '' AND {where}
    ORDER BY COALESCE(builds.finished_at, notifications.created_at), notifications.id
"""


def select_notifications(
    db: Connection, where: str, arguments: Sequence[Any], limit: int | None = None
) -> list[Notification]:
    """Return the notifications that match `where`, in the order in which the builds ended; inside a transaction."""
    known: dict[str, WorkspacePeople] = {}
    found = []
    query = _SELECT.format(where=where)
    rows = (
        db.execute(query, arguments) if limit is None else db.execute(f"{query} LIMIT ?", [*arguments, limit])
    )
    for row in rows.fetchall():
        identity, subscription, team, channel, event, body, app, created_at, status, *more = row
        terms, standing, failure, due, parcel, sees_logs, unseen, note = more
        build = Build.model_validate_json(body)
        if team not in known:
            known[team] = workspace_people(db, team)
        people = known[team]
        found.append(
            Notification(
                id=identity,
                subscription_id=subscription,
                team=team,
                channel=channel,
                event=event,
                build=build,
                app=App.model_validate_json(app) if app else _unwatched(build, note),
                created_at=from_text(created_at),
                status=NotificationStatus(status),
                terms=NotificationRule.model_validate_json(terms) if terms else NotificationRule(),
                standing=StreakState.model_validate_json(standing) if standing else None,
                # Excerpts of logs are only shown if the creator may read logs and still has access.
                failure=Failure.model_validate_json(failure)
                if failure and sees_logs and unseen is None
                else None,
                mention=tuple(user for user in people_behind(build, people.names) if user in people.mentioned)
                if people.mentioned
                else (),
                usual=None if build.ended else usual_time(successes_like(db, build, MAX_SUCCESSES)),
                pipeline=pipeline_of(db, build.provider, build.pipeline),
                ties=_deploy_links(db, team, channel, build),
                due_at=from_text(due),
                parcel=parcel,
                access_lost=unseen is not None,
            )
        )
    return found


def _deploy_links(db: Connection, team: str, channel: str, build: Build) -> tuple[DeployLink, ...]:
    # Saves a query per build in long lists: only successful builds can be deployed.
    if build.state is not BuildState.SUCCEEDED:
        return ()
    return tuple(
        link
        for link in deploy_links_of(db, team, channel, build.app_slug)
        if link.bitrise.provider is build.provider
    )


def _unwatched(build: Build, note: str | None) -> App:
    """Return the app of a build that is not watched any more, as stored with the message about it."""
    stored = MessageState.read(note).app
    if stored is not None and (stored.provider, stored.slug) == (build.provider, build.app_slug):
        return stored
    return App(provider=build.provider, slug=build.app_slug, title=build.app_slug)
