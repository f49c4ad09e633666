"""Result pages of an installation, with the next step. Pure; no I/O."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from bot.html_page import render_page

# Title and text for each error code of Slack, of Bolt's flow, or of InstallationFlow.
_FAILURES = {
    "access_denied": (
        "Nothing was installed",
        "You pressed Cancel on Slack's page. If that was a mistake, start again.",
    ),
    "invalid_browser": (
        "Start again",
        (
            "This page was opened in another browser than the one in which you started the installation, or was loaded"
            " twice. Nothing was installed. Stay in one browser, and allow cookies for this page."
        ),
    ),
    "invalid_state": (
        "Start again",
        "This installation has expired, or is already complete. Nothing was installed.",
    ),
    "missing_code": (
        "Start again",
        "Slack's response was incomplete. Nothing was installed.",
    ),
    "code_already_used": (
        "Start again",
        "This installation is already complete. Nothing was installed.",
    ),
    "invalid_code": (
        "Start again",
        "Slack no longer accepted its own code. Nothing was installed.",
    ),
    "not_allowed_here": (
        "This Buildbell is for other workspaces",
        (
            "The operator of this Buildbell allows only certain workspaces, and yours is not one of them."
            " Nothing was installed. Ask the operator to add your workspace, then start again."
        ),
    ),
    "unreachable": (
        "Slack did not respond",
        "Nothing was installed. Wait a minute, then start again.",
    ),
    "too_many": (
        "Too many installations at the moment",
        "Nothing was installed. Wait a minute, then start again.",
    ),
    "broken": (
        "The installation failed",
        (
            "The error is in the bot's log. Nothing usable was installed: start again, and if it fails again,"
            " contact the operator of this Buildbell."
        ),
    ),
}
_UNKNOWN_FAILURE = (
    "Nothing was installed",
    (
        "Slack did not allow it. Start again; if it fails again, ask an admin of your workspace, or the operator of"
        " this Buildbell."
    ),
)


def render_installed(name: str, *, team: str | None, organisation: str | None, app: str | None) -> str:
    """Render the page after an installation in a workspace, or in a whole organisation if `team` is None."""
    next_step = (
        "Type <code>/bitrise help</code> in any channel to see all commands, and <code>/bitrise connect</code> to"
        " connect your Bitrise account. In private channels type <code>/invite @buildbell</code> first."
    )
    title = f"Buildbell is installed in {escape(name)}"
    if team is not None:
        return render_page(
            title, [next_step], ("Open Slack", f"https://app.slack.com/client/{quote(team, safe='')}")
        )
    # An app that an organisation installs must be added to each workspace (docs.slack.dev, "Organization-ready apps").
    add = (
        f"https://app.slack.com/manage/{quote(organisation or '', safe='')}/integrations/profile/"
        f"{quote(app or '', safe='')}/workspaces/add"
    )
    organisation_step = "One more step: an admin of the organisation must add it to workspaces."
    return render_page(title, [organisation_step, next_step], ("Add it to workspaces", add))


def render_failed(reason: str, *, retry_url: str) -> str:
    """Render the page after a failed installation; `retry_url` is the link to start again."""
    title, text = _FAILURES.get(reason, _UNKNOWN_FAILURE)
    return render_page(escape(title), [escape(text)], ("Start again", retry_url))
