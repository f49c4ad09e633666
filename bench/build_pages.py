"""Pages of builds as Bitrise sends them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.bitrise.serializers import build_item, serialize_app
from sandbox.bitrise.state import App, BitriseState, Build

BEGAN = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def make_bitrise_state(builds: int, apps: int = 5) -> tuple[BitriseState, list[App]]:
    """A farm with so many ended builds, one a minute."""
    farm = BitriseState()
    found = [farm.add_app(f"App {number}", "acme", f"app-{number}") for number in range(apps)]
    for number in range(builds):
        add_build(farm, found[number % apps], BEGAN + timedelta(minutes=number))
    return farm, found


def add_build(farm: BitriseState, app: App, at: datetime) -> Build:
    """One more ended build."""
    params: dict[str, Any] = {
        "branch": "main",
        "commit_hash": "0123456789abcdef0123456789abcdef01234567",
        "commit_message": "Make the login stricter\n\nand explain why",
    }
    build = farm.start_build(app, params, at, triggered_by="webhook")
    build.finish("success", at + timedelta(minutes=5))
    return build


def page(farm: BitriseState, builds: int = 50) -> bytes:
    """The newest builds of all apps, as `GET /builds` has them."""
    items = [
        build_item(build) | {"repository": serialize_app(build.app)} for build in farm.newest_first()[:builds]
    ]
    paging = {"page_item_limit": 50, "total_item_count": len(farm.builds)}
    return json.dumps({"data": items, "paging": paging}).encode()
