"""manifest.yml: what the Slack app is and may do."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).resolve().parent.parent / "manifest.yml"


@cache
def manifest() -> dict[str, Any]:
    """The manifest as it lies beside the program."""
    content = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError(f"{PATH} is not a manifest")
    return content


def bot_scopes() -> frozenset[str]:
    """The scopes that the bot's token needs."""
    return frozenset(manifest()["oauth_config"]["scopes"]["bot"])


def for_http(url: str) -> dict[str, Any]:
    """The manifest for HTTP mode, where Slack reaches the bot at `url` instead of over Socket Mode."""
    address = url.rstrip("/") + "/slack/events"
    content = deepcopy(manifest())
    for command in content["features"]["slash_commands"]:
        command["url"] = address
    # Where Slack leads people back to who install the app themselves (SLACK_CLIENT_ID).
    content["oauth_config"]["redirect_urls"] = [url.rstrip("/") + "/slack/oauth_redirect"]
    settings = content["settings"]
    settings["event_subscriptions"]["request_url"] = address
    settings["interactivity"]["request_url"] = address
    settings["interactivity"]["message_menu_options_url"] = address  # lists that are searched by typing
    settings["socket_mode_enabled"] = False
    return content


def as_yaml(content: dict[str, Any]) -> str:
    """The manifest as YAML, in its own order."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
