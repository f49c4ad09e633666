"""Somebody with a browser: from an app's own page to a page that asks for consent, and back.

Cookies are carried by hand, whatever their `Secure` says: here everything is http, on loopback.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urljoin

import aiohttp
from yarl import URL

MOST_REDIRECTS = 10


class OAuthBrowser:
    """One visit: it follows redirects, and remembers cookies by host and port."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._cookies: dict[str, dict[str, str]] = {}

    async def open(
        self, url: str, *, until: str | None = None, form: dict[str, str] | None = None
    ) -> BrowserResponse:
        """The page at the end of all redirects, or the first address that begins with `until`, not opened."""
        for _ in range(MOST_REDIRECTS):
            kept = self._cookies.setdefault(URL(url).authority, {})
            headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())} if kept else {}
            async with self._session.request(
                "GET" if form is None else "POST", url, data=form, headers=headers, allow_redirects=False
            ) as response:
                kept |= {name: one.value for name, one in response.cookies.items()}
                text = await response.text()
                status, location = response.status, response.headers.get("Location")
            if location is None or not 300 <= status < 400:
                return BrowserResponse(url, status, text)
            url, form = urljoin(url, location), None
            if until is not None and url.startswith(until):
                return BrowserResponse(url, status, text)
        raise ValueError(f"{url} redirects without end")


class BrowserResponse:
    """A page, and where it was found."""

    def __init__(self, url: str, status: int, text: str) -> None:
        self.url, self.status, self.text = url, status, text


async def consent(
    begin: str, asks_at: str, *, query: Mapping[str, str], chosen: Mapping[str, str]
) -> tuple[int, str]:
    """Answer the page at `asks_at` with what is chosen; the HTTP status and the text of the last page.

    `begin` is that page, redirects to it, or has a link to it; `query` is added to its address. Raises ValueError
    where redirects do not end.
    """
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        browser = OAuthBrowser(session)
        came = await browser.open(begin, until=asks_at)
        address = came.url if came.url.startswith(asks_at) else _link(came, asks_at)
        if address is None:
            return came.status, came.text
        page = await browser.open(str(URL(address).update_query(query)))
        if page.status != 200 or not page.url.startswith(asks_at):
            return page.status, page.text
        form = _Form()
        form.feed(page.text)
        back = await browser.open(asks_at, form=form.hidden | dict(chosen))
        return back.status, back.text


def _link(page: BrowserResponse, wanted: str) -> str | None:
    """The page's link to this address, if it has one."""
    found = [unescape(one) for one in re.findall(r"""href=["']([^"']+)""", page.text)]
    return next((one for one in found if one.startswith(wanted)), None)


class _Form(HTMLParser):
    """What a form sends without being asked."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a hidden field."""
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden":
            self.hidden[given.get("name") or ""] = given.get("value") or ""
