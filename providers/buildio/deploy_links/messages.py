"""Apps of Build.io that are tied to apps of Bitrise, whose builds can be deployed there."""

from __future__ import annotations

from collections.abc import Sequence

from domain.build import App
from domain.message import Block, Message
from domain.message_state import RunNote
from domain.notifications.deploy_link import DeployLink
from messages import build_text
from messages.kit import action_ids
from messages.kit.blocks import button, confirm, context, row, section
from messages.kit.mrkdwn import code, cut_markup, link, mention, plain
from providers.buildio.actions import SourceBuild
from providers.buildio.api.models import StartedBuild
from providers.buildio.shared.blocks import COMMAND, app_name, fit_rows

MOST_BELOW_SUBSCRIPTIONS = 5
HOW = f"`{COMMAND} link APP to bitrise:APP branch:main` ties one."


def deploy_link_added(one: DeployLink, *, by: str) -> Message:
    """To the channel: builds of Bitrise offer to be deployed from now on."""
    text = f"{mention(by)} tied {_words(one)}"
    note = context(
        "Its successful builds offer it on their cards here, once *Refresh* is pressed on those that are here already."
        " Nothing is deployed by itself."
    )
    return Message(text, [section(f"🔗 {text}"), note])


def deploy_links_removed(ties: Sequence[DeployLink], *, by: str) -> Message:
    """To the channel: builds offer it no longer; `ties` are those that there were, at least one."""
    text = f"{mention(by)} untied {'; '.join(_words(one) for one in ties[:5])}"
    more = f" and {len(ties) - 5} more" if len(ties) > 5 else ""
    return Message(f"{text}{more}", [section(f"✂️ {text}{more}")])


def remove_links_question(ties: Sequence[DeployLink]) -> Message:
    """Before ties are ended that somebody has named: what will be gone, and the button for it."""
    text = f"Untie {'; '.join(_words(one) for one in ties[:5])}"
    more = f" and {len(ties) - 5} more" if len(ties) > 5 else ""
    text = f"{text}{more}? Builds are offered there no longer."
    numbers = " ".join(str(one.number) for one in ties)
    untie = button("Untie", action_ids.BUILDIO_UNTIE, numbers, style="danger")
    return Message(text, [section(text), row(untie)])


def deploy_link_list(ties: Sequence[DeployLink]) -> Message:
    """What is tied in this channel, each with a button that unties it."""
    if not ties:
        text = "No app of Build.io is tied to one of Bitrise's here."
        return Message(text, [section(text), context(HOW)])
    spoken = "; ".join(_words(one) for one in ties)
    return Message(cut_markup(f"Tied here: {spoken}", 3000), [*deploy_link_rows(ties), context(HOW)])


def list_below_subscriptions(links: Sequence[DeployLink]) -> list[Block]:
    """List a channel's deploy links below its subscriptions."""
    more = len(links) - MOST_BELOW_SUBSCRIPTIONS
    rest = [context(f"and {more} more: `{COMMAND} link`")] if more > 0 else []
    return [*deploy_link_rows(links[:MOST_BELOW_SUBSCRIPTIONS]), *rest]


def deploy_link_rows(ties: Sequence[DeployLink]) -> list[Block]:
    """What is tied in this channel, as blocks; none where nothing is."""
    if not ties:
        return []
    return [section("*Tied in this channel*"), *fit_rows([[_row(one)] for one in ties])]


def deployed_build(app: App, built: SourceBuild, started: StartedBuild, commit: str, *, by: str) -> RunNote:
    """What Bitrise built goes live."""
    version = f" v{started.version}" if started.version is not None else ""
    at = code(build_text.short_hash(commit))
    named = f"*{link(started.url, app.title, 150)}*"
    said = f"deploys {named}{version} at {at}, {link(built.url, built.display_text, 200)}"
    return RunNote(by=by, symbol="🚀", said=said)


def _row(one: DeployLink) -> Block:
    title = plain(one.app.title, 80)
    question = confirm("Untie it?", f"Builds of Bitrise are offered to {title} no longer.", "Untie it")
    untie = button(
        "Untie", action_ids.BUILDIO_UNTIE, str(one.number), confirm=question, label=f"Untie {title}"
    )
    return section(f"🔗 {_words(one)}, by {mention(one.set_by)}", untie)


def _words(one: DeployLink) -> str:
    globs = " or ".join(code(branch, 60) for branch in one.branches[:5])
    more = f" and {len(one.branches) - 5} more" if len(one.branches) > 5 else ""
    branch = f", branch {globs}{more}" if globs else ""
    return f"{app_name(one.app, 100)} to Bitrise's {app_name(one.bitrise, 100)}{branch}"
