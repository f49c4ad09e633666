"""Pages of builds as Bitrise sends them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.bitrise.serializers import serialize_app, serialize_build
from sandbox.bitrise.state import App, BitriseState, Build

BEGAN = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def make_bitrise_state(builds: int, apps: int = 5) -> tuple[BitriseState, list[App]]:
    """Return a state with this many finished builds, one per minute."""
    state = BitriseState()
    added_apps = [state.add_app(f"App {number}", "acme", f"app-{number}") for number in range(apps)]
    for number in range(builds):
        add_build(state, added_apps[number % apps], BEGAN + timedelta(minutes=number))
    return state, added_apps


def add_build(state: BitriseState, app: App, at: datetime) -> Build:
    """Add a finished build."""
    params: dict[str, Any] = {
        "branch": "main",
        "commit_hash": "0123456789abcdef0123456789abcdef01234567",
        "commit_message": "Make the login stricter\n\nand explain why",
    }
    build = state.start_build(app, params, at, triggered_by="webhook")
    build.finish("success", at + timedelta(minutes=5))
    return build


def builds_page(state: BitriseState, builds: int = 50) -> bytes:
    """Return the newest builds of all apps, as in `GET /builds`."""
    items = [
        serialize_build(build) | {"repository": serialize_app(build.app)}
        for build in state.builds_newest_first()[:builds]
    ]
    paging = {"page_item_limit": 50, "total_item_count": len(state.builds)}
    return json.dumps({"data": items, "paging": paging}).encode()
