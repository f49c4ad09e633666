"""What people see at the end of an installation: what became of it, and what to do now. Pure; no I/O."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType
from urllib.parse import quote

_STYLE = (
    ":root{color-scheme:light dark;font:16px/1.55 system-ui,sans-serif}"
    "main{max-width:34rem;margin:10vh auto;padding:0 1.25rem}h1{font-size:1.5rem;line-height:1.25}"
    "code{padding:.1rem .3rem;border-radius:4px;background:#8883}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# No scripts, no pictures, no forms, in nobody's frame; kept by no cache and told to nobody, since the address that led
# here holds a code.
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

# What went wrong, and what to do, by the word that Slack or Bolt's flow has for it.
_FAILURES = {
    "access_denied": (
        "Nothing was installed",
        "You pressed Cancel on Slack's page. If that was a mistake, begin again.",
    ),
    "invalid_browser": (
        "Begin again, please",
        (
            "This page was reached in another browser than the one in which the installation was begun, or was loaded"
            " twice. Nothing was installed just now. Stay in one browser, and let it take cookies of this page."
        ),
    ),
    "invalid_state": (
        "Begin again, please",
        "This installation was begun too long ago, or has been finished already. Nothing was installed just now.",
    ),
    "missing_code": (
        "Begin again, please",
        "Slack's answer was not complete. Nothing was installed.",
    ),
    "code_already_used": (
        "Begin again, please",
        "This installation has been finished already. Nothing was installed just now.",
    ),
    "invalid_code": (
        "Begin again, please",
        "Slack did not take its own code any more. Nothing was installed.",
    ),
    "unreachable": (
        "Slack gave no answer",
        "Nothing was installed. Wait a minute, then begin again.",
    ),
    "broken": (
        "Something broke on my side",
        (
            "It is in my log. Nothing that could be used was installed: begin again, and if that does not help, tell"
            " whoever runs this Buildbell."
        ),
    ),
}
_OTHERWISE = (
    "Nothing was installed",
    (
        "Slack did not allow it. Begin again; if that does not help, ask an admin of your workspace, or whoever runs"
        " this Buildbell."
    ),
)


def installed(name: str, *, team: str | None, organisation: str | None, app: str | None) -> str:
    """The page after an installation in a workspace, or in a whole organisation where there is no `team`."""
    first = (
        "Type <code>/bitrise help</code> in any channel to see what I can do, and <code>/bitrise connect</code> to"
        " link your Bitrise account. In private channels type <code>/invite @buildbell</code> first."
    )
    title = f"Buildbell is installed in {escape(name)}"
    if team is not None:
        return _page(title, [first], ("Open Slack", f"https://app.slack.com/client/{quote(team, safe='')}"))
    # An organisation's app is in none of its workspaces until it was added to them (docs.slack.dev, "Organization-ready
    # apps").
    add = (
        f"https://app.slack.com/manage/{quote(organisation or '', safe='')}/integrations/profile/"
        f"{quote(app or '', safe='')}/workspaces/add"
    )
    more = "One more step: an admin of the organisation adds it to the workspaces that it is for."
    return _page(title, [more, first], ("Add it to workspaces", add))


def failed(reason: str, *, again: str) -> str:
    """The page after one that came to nothing; `again` is where to begin anew."""
    title, words = _FAILURES.get(reason, _OTHERWISE)
    return _page(escape(title), [escape(words)], ("Begin again", again))


def _page(title: str, sentences: Sequence[str], link: tuple[str, str]) -> str:
    words, address = link
    paragraphs = "".join(f"<p>{one}</p>" for one in sentences)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>{paragraphs}"
        f'<p><a href="{escape(address)}">{escape(words)}</a></p></main></body></html>'
    )
