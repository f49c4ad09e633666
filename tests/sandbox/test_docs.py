"""docs/sandbox.md lists what the simulators have: no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

from sandbox.slack.events import EVENTS
from sandbox.slack.web_api_methods import METHODS

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
# Methods that the Web API server handles itself, outside of any workspace.
OUTSIDE = {"apps.connections.open", "auth.revoke", "oauth.v2.access"}


def test_the_docs_list_every_method_and_every_event() -> None:
    part = PAGE.partition("It has these Web API methods")[2]
    methods, _, events = part.partition("It sends these events")
    assert set(re.findall(r"`([\w.]+\.[\w.]+)`", methods)) == {*METHODS, *OUTSIDE}
    assert set(re.findall(r"`([\w.]+)`", events.partition("`message.…`")[0])) == set(EVENTS)
