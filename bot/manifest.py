"""manifest.yml: what the Slack app is and may do."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

NAME = "manifest.yml"
_HOST = re.compile(r"[A-Za-z0-9_.:-]+")


@cache
def manifest() -> dict[str, Any]:
    """The manifest as it comes with the program."""
    content = yaml.safe_load(manifest_file().read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError(f"{NAME} is not a manifest")
    return content


def manifest_file() -> Traversable:
    """Return the manifest in the package, where a wheel has it, or at the top of the checkout."""
    packaged = files("bot").joinpath(NAME)
    return packaged if packaged.is_file() else Path(__file__).resolve().parent.parent / NAME


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


def why_no_address(url: str) -> str | None:
    """Why Slack can't reach a bot at this address; None where it can: it calls https alone ("Request URLs")."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return f"{url[:100]} is no address such as https://bot.example.com"
    del port  # asking for it finds one that is none
    if parts.scheme != "https" or not host or not _HOST.fullmatch(host):
        return f"{url[:100]} is no address such as https://bot.example.com; Slack calls https alone"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "an address ends with its host or a path, and carries no name, password, query or fragment"
    return None


def as_yaml(content: dict[str, Any]) -> str:
    """The manifest as YAML, in its own order."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
