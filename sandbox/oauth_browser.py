"""A minimal browser for OAuth flows: from an app's page to the consent page and back.

Cookies are handled here, whatever their `Secure` attribute says, since everything is HTTP on loopback.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urljoin

import aiohttp
from yarl import URL

MAX_REDIRECTS = 10


class OAuthBrowser:
    """A browser session: follows redirects, and stores cookies by host and port."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._cookies: dict[str, dict[str, str]] = {}

    async def open(
        self, url: str, *, until: str | None = None, form: dict[str, str] | None = None
    ) -> BrowserResponse:
        """Return the page after all redirects, or the first address that starts with `until`, without opening it."""
        for _ in range(MAX_REDIRECTS):
            cookies = self._cookies.setdefault(URL(url).authority, {})
            headers = (
                {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}
            )
            async with self._session.request(
                "GET" if form is None else "POST", url, data=form, headers=headers, allow_redirects=False
            ) as response:
                cookies |= {name: one.value for name, one in response.cookies.items()}
                text = await response.text()
                status, location = response.status, response.headers.get("Location")
            if location is None or not 300 <= status < 400:
                return BrowserResponse(url, status, text)
            url, form = urljoin(url, location), None
            if until is not None and url.startswith(until):
                return BrowserResponse(url, status, text)
        raise ValueError(f"{url} redirects without end")


class BrowserResponse:
    """A page and its address."""

    def __init__(self, url: str, status: int, text: str) -> None:
        self.url, self.status, self.text = url, status, text


async def give_consent(
    start_url: str, consent_url: str, *, query: Mapping[str, str], form: Mapping[str, str]
) -> tuple[int, str]:
    """Answer the page at `consent_url` with this form; returns the HTTP status and the text of the last page.

    `start_url` is that page, redirects to it, or links to it; `query` is added to its address. Raises ValueError for
    endless redirects.
    """
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        browser = OAuthBrowser(session)
        first = await browser.open(start_url, until=consent_url)
        address = first.url if first.url.startswith(consent_url) else _link(first, consent_url)
        if address is None:
            return first.status, first.text
        page = await browser.open(str(URL(address).update_query(query)))
        if page.status != 200 or not page.url.startswith(consent_url):
            return page.status, page.text
        parser = _FormParser()
        parser.feed(page.text)
        last = await browser.open(consent_url, form=parser.hidden_fields | dict(form))
        return last.status, last.text


def _link(page: BrowserResponse, address: str) -> str | None:
    """Return the page's link to this address; None without one."""
    found = [unescape(match) for match in re.findall(r"""href=["']([^"']+)""", page.text)]
    return next((match for match in found if match.startswith(address)), None)


class _FormParser(HTMLParser):
    """The hidden fields of a form."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden_fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect a hidden field."""
        attributes = dict(attrs)
        if tag == "input" and attributes.get("type") == "hidden":
            self.hidden_fields[attributes.get("name") or ""] = attributes.get("value") or ""
