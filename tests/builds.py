"""Builds and apps to test with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.build import App, Build, State
from bot.filters import BuildFilter
from bot.messages import Message, RunNote
from bot.outbox.subjects import build_run
from bot.terms import Style, Terms
from storage import Recipient, StartedRun

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ANDROID = App(
    slug="669403bffbe35909", title="sample-apps-android-sdk22", owner="bitrise-samples", repo="android"
)
IOS = App(slug="f46e89061e967f27", title="Ios", owner="bitrise-samples", repo="ios")


def a_build(number: int, state: State = State.SUCCEEDED, *, app: App = ANDROID, **more: Any) -> Build:
    """A build of the app, triggered `number` minutes after noon, that took six minutes if it has ended."""
    triggered = NOON + timedelta(minutes=number)
    fields: dict[str, Any] = {
        "app_slug": app.slug,
        "slug": f"{app.slug[:8]}{number:08d}",
        "number": number,
        "state": state,
        "branch": "main",
        "workflow": "primary",
        "triggered_at": triggered,
        "url": f"https://app.bitrise.io/build/{app.slug[:8]}{number:08d}",
    }
    if state is not State.ON_HOLD:
        fields |= {
            "started_at": triggered + timedelta(minutes=1),
            "prepared_at": triggered + timedelta(minutes=2),
        }
    if state.ended:
        fields["finished_at"] = triggered + timedelta(minutes=6)
    return Build(**(fields | more))


def a_run(build: Build, *, app: App = ANDROID) -> StartedRun:
    """What a channel is owed once U1 has started this build there."""
    return StartedRun(
        app=app,
        terms=Terms(
            filter=BuildFilter(builds=frozenset({build.slug})), style=Style.LIVE, once=True, run=True
        ),
        key="k",
        subject=str(build_run(build.slug)),
        content=Message("anna started it").encode(),
        note=RunNote(by="U1", said="started it").encode(),
    )


def to(channel: str, team: str = "T1") -> Recipient:
    return Recipient(team=team, channel=channel)
