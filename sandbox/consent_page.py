"""The consent pages of simulated services."""

from __future__ import annotations

from html import escape

from aiohttp import web
from yarl import URL

EXPIRED_MESSAGE = "This page has expired. Start again."
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


def render_page(title: str, body: str, *, instead_of: str, status: int = 200) -> web.Response:
    """Return an HTML page with this body; `instead_of` names the simulated service."""
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>{body}"
        f"<footer>This is the sandbox, not {escape(instead_of)}.</footer></main></body></html>"
    )
    return web.Response(text=text, content_type="text/html", status=status, headers=_HEADERS)


def render_error(message: str) -> str:
    """Return the body of an error page."""
    return f"<h1>This request isn't valid</h1><p>{escape(message)}</p>"


def redirect_back(address: str, **given: str) -> web.Response:
    """Redirect to the app with these query parameters."""
    location = str(URL(address).update_query(given))
    return web.Response(status=302, headers={"Location": location, **_HEADERS})


_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; background: #8882; }
main { max-width: 32rem; margin: 6vh auto; padding: 1.5rem 2rem; background: Canvas; border-radius: 12px; }
h1 { font-size: 1.4rem; line-height: 1.25; }
nav { display: flex; flex-wrap: wrap; gap: .5rem; }
nav a { padding: .15rem .7rem; border: 1px solid #8886; border-radius: 1rem; text-decoration: none; }
nav a[aria-current] { background: #5b3fa0; border-color: #5b3fa0; color: #fff; }
ul { columns: 2; padding-left: 1.2rem; }
select, button { font: inherit; padding: .35rem .9rem; border-radius: 8px; border: 1px solid #8888; }
.press { display: flex; justify-content: flex-end; gap: .7rem; }
.allow { background: #007a5a; border-color: #007a5a; color: #fff; }
footer { margin-top: 1.5rem; font-size: .85rem; opacity: .7; }
"""
