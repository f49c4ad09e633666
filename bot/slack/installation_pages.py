"""What people see at the end of an installation: what became of it, and what to do now. Pure; no I/O."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from bot.html_page import page

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
    "not_allowed_here": (
        "This Buildbell is for other workspaces",
        (
            "Whoever runs this Buildbell has named the workspaces that may install it, and yours is not one of them."
            " Nothing was installed. If it should be, ask them to add your workspace, then begin again."
        ),
    ),
    "unreachable": (
        "Slack gave no answer",
        "Nothing was installed. Wait a minute, then begin again.",
    ),
    "too_many": (
        "Too many install me just now",
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
        return page(title, [first], ("Open Slack", f"https://app.slack.com/client/{quote(team, safe='')}"))
    # An organisation's app is in none of its workspaces until it was added to them (docs.slack.dev, "Organization-ready
    # apps").
    add = (
        f"https://app.slack.com/manage/{quote(organisation or '', safe='')}/integrations/profile/"
        f"{quote(app or '', safe='')}/workspaces/add"
    )
    more = "One more step: an admin of the organisation adds it to the workspaces that it is for."
    return page(title, [more, first], ("Add it to workspaces", add))


def failed(reason: str, *, again: str) -> str:
    """The page after one that came to nothing; `again` is where to begin anew."""
    title, words = _FAILURES.get(reason, _OTHERWISE)
    return page(escape(title), [escape(words)], ("Begin again", again))
