"""Checks that URLs from Slack's requests and responses are Slack's own. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Callable

from domain.url import read_address

_SLACK = "slack.com"


class SlackUrls:
    """Slack's own hosts, and that of SLACK_API_URL: a gateway's, another Slack's, the sandbox's.

    The content posted to such a URL is for the people of one channel, and the URL allows writing there. So nothing is
    posted to any other host, wherever the URL came from.
    """

    def __init__(self, api_url: str) -> None:
        self._api = read_address(api_url)

    def is_response_url(self, url: str) -> bool:
        """Check for a `response_url`: `https://hooks.slack.com/…` (docs.slack.dev, "Handling interaction")."""
        return self._is_on(url, lambda host, slack: host == f"hooks.{slack}")

    def is_upload_url(self, url: str) -> bool:
        """Check for an `upload_url`: `https://files.slack.com/…` (docs.slack.dev, "Uploading files")."""
        return self._is_on(url, lambda host, slack: host.endswith(f".{slack}"))

    def describe_foreign(self, url: str) -> dict[str, str]:
        """Return the log fields for a URL that is not Slack's: its host only, and the cure."""
        address = read_address(url)
        host = self._api.host if self._api is not None else _SLACK
        return {
            "host": f"{address.host}:{address.port}" if address is not None else "none that can be read",
            "cure": f"Slack is reached at {host} (SLACK_API_URL); set it to the host that Slack hands out",
        }

    def _is_on(self, url: str, matches: Callable[[str, str], bool]) -> bool:
        address = read_address(url)
        if address is None:
            return False
        if self._api is not None and address.origin == self._api.origin:
            return True
        hosts = (_SLACK,) if self._api is None else (_SLACK, self._api.host)
        encrypted = address.scheme == "https" and address.has_default_port
        return encrypted and any(matches(address.host, slack) for slack in hosts)
