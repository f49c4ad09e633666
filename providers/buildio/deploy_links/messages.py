"""Messages about deploy links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from domain.build import App, Build, FrozenModel
from domain.message import Block, Message, RunNote
from domain.notifications.deploy_link import DeployLink
from messages import build_text
from messages.kit.blocks import button, confirm, context, more_note, row, section, text_message
from messages.kit.mrkdwn import code, cut_markup, link, mention, plain
from providers.buildio import action_ids
from providers.buildio.api.models import StartedBuild
from providers.buildio.shared.blocks import COMMAND, app_name, fit_rows

MAX_BELOW_SUBSCRIPTIONS = 5
LONGEST_TITLE = 100
HOW = f"`{COMMAND} link APP to bitrise:APP branch:main` adds one."


class SourceBuild(FrozenModel):
    """The Bitrise build whose commit is deployed; stored with the action that deploys it."""

    app: str
    title: str
    slug: str
    label: str
    url: str

    @classmethod
    def of(cls, build: Build, app: App) -> Self:
        """Return the source for this build."""
        title = app.title[:LONGEST_TITLE]
        return cls(app=app.slug, title=title, slug=build.slug, label=build.label, url=build.url)

    @property
    def display_text(self) -> str:
        """Return the display text."""
        return f"Bitrise build {self.label} of {self.title}"


def deploy_link_added(deploy_link: DeployLink, *, by: str) -> Message:
    """Channel message: Bitrise builds can be deployed from now on."""
    text = f"{mention(by)} linked {_describe_link(deploy_link)}"
    note = context(
        "Successful builds here now have a Deploy button; press *Refresh* on earlier ones."
        " Nothing is deployed automatically."
    )
    return text_message(text, note, symbol="🔗")


def deploy_links_removed(links: Sequence[DeployLink], *, by: str) -> Message:
    """Channel message: deploy links were removed; `links` holds at least one."""
    return text_message(f"{mention(by)} removed {_describe_links(links)}", symbol="✂️")


def remove_links_question(links: Sequence[DeployLink]) -> Message:
    """The confirmation before named deploy links are removed: what will be removed, and the button."""
    text = f"Remove {_describe_links(links)}? Builds here will no longer have its Deploy button."
    numbers = " ".join(str(deploy_link.number) for deploy_link in links)
    remove = button("Remove", action_ids.DEPLOY_LINK_REMOVE, numbers, style="danger")
    return text_message(text, row(remove))


def deploy_link_list(links: Sequence[DeployLink]) -> Message:
    """The deploy links of this channel, each with a button that removes it."""
    if not links:
        return text_message("No deploy links in this channel.", context(HOW))
    summary = "; ".join(_describe_link(deploy_link) for deploy_link in links)
    return Message(cut_markup(f"Deploy links: {summary}", 3000), [*deploy_link_rows(links), context(HOW)])


def list_below_subscriptions(links: Sequence[DeployLink]) -> list[Block]:
    """List a channel's deploy links below its subscriptions."""
    rest = more_note(len(links) - MAX_BELOW_SUBSCRIPTIONS, f": `{COMMAND} link`")
    return [*deploy_link_rows(links[:MAX_BELOW_SUBSCRIPTIONS]), *rest]


def deploy_link_rows(links: Sequence[DeployLink]) -> list[Block]:
    """The deploy links of this channel as blocks; empty if there are none."""
    if not links:
        return []
    return [
        section("*Deploy links in this channel*"),
        *fit_rows([[_row(deploy_link)] for deploy_link in links]),
    ]


def deployed_build(app: App, built: SourceBuild, started: StartedBuild, commit: str, *, by: str) -> RunNote:
    """Run note: a Bitrise build is deployed."""
    version = f" v{started.version}" if started.version is not None else ""
    at = code(build_text.short_hash(commit))
    app_link = f"*{link(started.url, app.title, 150)}*"
    said = f"started deploying {app_link}{version} at {at} from {link(built.url, built.display_text, 200)}"
    return RunNote(by=by, symbol="🚀", said=said)


def _row(deploy_link: DeployLink) -> Block:
    title = plain(deploy_link.app.title, 80)
    question = confirm(
        "Remove this deploy link?",
        f"Builds here will no longer have a button that deploys to {title}.",
        "Remove",
    )
    remove = button(
        "Remove",
        action_ids.DEPLOY_LINK_REMOVE,
        str(deploy_link.number),
        confirm=question,
        label=f"Remove the deploy link to {title}",
    )
    return section(f"🔗 {_describe_link(deploy_link)} · added by {mention(deploy_link.set_by)}", remove)


def _describe_links(links: Sequence[DeployLink]) -> str:
    more = f" and {len(links) - 5} more" if len(links) > 5 else ""
    described = "; ".join(_describe_link(deploy_link) for deploy_link in links[:5])
    return f"the deploy link{'s' if len(links) != 1 else ''} {described}{more}"


def _describe_link(deploy_link: DeployLink) -> str:
    globs = " or ".join(code(branch, 60) for branch in deploy_link.branches[:5])
    more = f" and {len(deploy_link.branches) - 5} more" if len(deploy_link.branches) > 5 else ""
    branch = f", branch {globs}{more}" if globs else ""
    return f"*{app_name(deploy_link.app, 100)}* to Bitrise's *{app_name(deploy_link.bitrise, 100)}*{branch}"
