"""Renderer of a small self-contained HTML page with a text and one link. Pure; no I/O."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType

_STYLE = (
    ":root{color-scheme:light dark;font:16px/1.55 system-ui,sans-serif}"
    "main{max-width:34rem;margin:10vh auto;padding:0 1.25rem}h1{font-size:1.5rem;line-height:1.25}"
    "code{padding:.1rem .3rem;border-radius:4px;background:#8883}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# No scripts, images, forms or framing. No caching and no referrer, because the URL of the page contains a code.
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none';"
            " frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }
)


def render_page(title: str, sentences: Sequence[str], link: tuple[str, str]) -> str:
    """Render the page. `title` and `sentences` are escaped HTML; `link` is a plain label and a URL, escaped here."""
    label, url = link
    paragraphs = "".join(f"<p>{sentence}</p>" for sentence in sentences)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>{paragraphs}"
        f'<p><a href="{escape(url)}">{escape(label)}</a></p></main></body></html>'
    )
