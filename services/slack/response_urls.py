"""Which addresses are Slack's: those that come along with what people do, or in Slack's answers. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Callable

from domain.url import read_address

_SLACK = "slack.com"


class SlackUrls:
    """Slack's own hosts, and those of SLACK_API_URL: a gateway's, another Slack's, the sandbox's.

    What is posted to such an address is for the people of one channel, and whoever has it may write there. So nothing
    is posted to another one, whoever names it.
    """

    def __init__(self, api_url: str) -> None:
        self._api = read_address(api_url)

    def is_response_url(self, url: str) -> bool:
        """Whether it is a `response_url`: `https://hooks.slack.com/…` (docs.slack.dev, "Handling interaction")."""
        return self._is_on(url, lambda host, slack: host == f"hooks.{slack}")

    def is_upload_url(self, url: str) -> bool:
        """Whether it is an `upload_url`: `https://files.slack.com/…` (docs.slack.dev, "Uploading files")."""
        return self._is_on(url, lambda host, slack: host.endswith(f".{slack}"))

    def describe_foreign(self, url: str) -> dict[str, str]:
        """What the log says of an address that is not Slack's: its host alone, and what to do about it."""
        address = read_address(url)
        mine = self._api.host if self._api is not None else _SLACK
        return {
            "host": f"{address.host}:{address.port}" if address is not None else "none that can be read",
            "cure": f"Slack is reached at {mine} (SLACK_API_URL); set it to the host that Slack hands out",
        }

    def _is_on(self, url: str, fits: Callable[[str, str], bool]) -> bool:
        address = read_address(url)
        if address is None:
            return False
        if self._api is not None and address.origin == self._api.origin:
            return True
        slacks = (_SLACK,) if self._api is None else (_SLACK, self._api.host)
        encrypted = address.scheme == "https" and address.has_default_port
        return encrypted and any(fits(address.host, slack) for slack in slacks)
