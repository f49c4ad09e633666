"""Builds and apps for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.build import App, Build, BuildState
from domain.build_filter import BuildFilter
from domain.message import Message, Recipient, RunNote
from domain.notifications.rule import DeliveryStyle, NotificationRule
from providers.bitrise.provider import BITRISE
from services.outbox.message_key import build_run_key
from storage.workspace_subscriptions import StartedRun

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ANDROID = App(
    provider=BITRISE,
    slug="669403bffbe35909",
    title="sample-apps-android-sdk22",
    owner="bitrise-samples",
    repo="android",
)
IOS = App(provider=BITRISE, slug="f46e89061e967f27", title="Ios", owner="bitrise-samples", repo="ios")


def make_build(
    number: int, state: BuildState = BuildState.SUCCEEDED, *, app: App = ANDROID, **more: Any
) -> Build:
    """Make a build of the app, triggered `number` minutes after noon; it took six minutes if it has ended."""
    triggered = NOON + timedelta(minutes=number)
    fields: dict[str, Any] = {
        "provider": app.provider,
        "app_slug": app.slug,
        "slug": f"{app.slug[:8]}{number:08d}",
        "number": number,
        "state": state,
        "branch": "main",
        "workflow": "primary",
        "triggered_at": triggered,
        "url": f"https://app.bitrise.io/build/{app.slug[:8]}{number:08d}",
    }
    if state is not BuildState.ON_HOLD:
        fields |= {
            "started_at": triggered + timedelta(minutes=1),
            "prepared_at": triggered + timedelta(minutes=2),
        }
    if state.ended:
        fields["finished_at"] = triggered + timedelta(minutes=6)
    return Build(**(fields | more))


def make_run(build: Build, *, app: App = ANDROID) -> StartedRun:
    """Return what a channel follows after U1 has started this build there."""
    return StartedRun(
        app=app,
        terms=NotificationRule(
            filter=BuildFilter(builds=frozenset({build.slug})), style=DeliveryStyle.LIVE, once=True, run=True
        ),
        key="k",
        subject=str(build_run_key(build.slug)),
        content=Message("anna started it").encode(),
        note=RunNote(by="U1", said="started it").encode(),
    )


def make_recipient(channel: str, team: str = "T1") -> Recipient:
    return Recipient(team=team, channel=channel)
