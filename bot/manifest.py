"""Manifest of the Slack app (manifest.yml)."""

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
    """Return the manifest that is shipped with the program."""
    content = yaml.safe_load(manifest_file().read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError(f"{NAME} is not a manifest")
    return content


def manifest_file() -> Traversable:
    """Return the manifest in the package, where a wheel has it, or at the top of the checkout."""
    packaged = files("bot").joinpath(NAME)
    return packaged if packaged.is_file() else Path(__file__).resolve().parent.parent / NAME


def bot_scopes() -> frozenset[str]:
    """Return the scopes that the bot's token needs."""
    return frozenset(manifest()["oauth_config"]["scopes"]["bot"])


def http_manifest(url: str) -> dict[str, Any]:
    """Return the manifest for HTTP mode, in which Slack calls the bot at `url` instead of using Socket Mode."""
    address = url.rstrip("/") + "/slack/events"
    content = deepcopy(manifest())
    for command in content["features"]["slash_commands"]:
        command["url"] = address
    # Redirect URL for workspaces that install the app themselves (SLACK_CLIENT_ID).
    content["oauth_config"]["redirect_urls"] = [url.rstrip("/") + "/slack/oauth_redirect"]
    settings = content["settings"]
    settings["event_subscriptions"]["request_url"] = address
    settings["interactivity"]["request_url"] = address
    settings["interactivity"]["message_menu_options_url"] = address  # lists with search
    settings["socket_mode_enabled"] = False
    return content


def find_url_problem(url: str) -> str | None:
    """Return why Slack can't call a bot at this URL; None if it can. Slack calls only https ("Request URLs")."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return f"{url[:100]} is not a URL such as https://bot.example.com"
    del port  # reading it raises ValueError if it is invalid
    if parts.scheme != "https" or not host or not _HOST.fullmatch(host):
        return f"{url[:100]} is not a URL such as https://bot.example.com; Slack calls only https"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "the URL must end with its host or a path, without user name, password, query or fragment"
    return None


def to_yaml(content: dict[str, Any]) -> str:
    """Return the manifest as YAML, in its own order."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
