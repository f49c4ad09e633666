"""What a build left behind: its log and its artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.build import App, Build
from bot.messages import actions, wording
from bot.messages.blocks import button, context, link_button, row, section
from bot.messages.buttons import ArtifactButton
from bot.messages.message import Message
from bot.messages.text import escape, link, plain, size

MINUTES = "ten minutes"


@dataclass(frozen=True)
class ArtifactLine:
    """An artifact in a list."""

    slug: str
    title: str
    kind: str | None
    size: int | None


def artifacts(build: Build, app: App, lines: Sequence[ArtifactLine], *, total: int) -> Message:
    """A build's artifacts, each with a button that fetches its link."""
    name = wording.name(build, app)
    spoken = f"{app.title} {build.label}"
    if not lines:
        more = "It left no artifacts behind." if build.ended else "It has no artifacts yet; it has not ended."
        return Message(f"{escape(spoken)}: {more}", [section(f"{name}: {more}")])
    blocks = [section(f"{name} left {total} artifact{'s' if total != 1 else ''} behind")]
    for line in lines:
        facts = " · ".join(
            fact for fact in (escape(line.kind or ""), size(line.size) if line.size is not None else "")
        )
        value = ArtifactButton(app=build.app_slug, build=build.slug, artifact=line.slug).encode()
        fetch = button("Get link", actions.ARTIFACT_LINK, value, label=f"Get a link to {line.title}")
        blocks.append(section(f"*{escape(line.title, 200)}*\n{facts.strip(' ·') or 'file'}", fetch))
    note = f"A link is fetched when you press, and lives {MINUTES}."
    if total > len(lines):
        note += f" {total - len(lines)} more are {link(f'{build.url}?tab=artifacts', 'on the build’s page')}."
    titles = ", ".join(plain(line.title, 80) for line in lines[:20])
    return Message(
        escape(f"{spoken} left {total} artifacts behind: {titles}", 2000), [*blocks, context(note)]
    )


def artifact_link(*, title: str, download_url: str | None, install_page_url: str | None) -> Message:
    """A fresh link to one artifact, for one person."""
    name = escape(title, 200)
    lines = [f"*{name}*"]
    if download_url:
        lines.append(f"The download link lives {MINUTES}, and works for whoever has it.")
    if install_page_url:
        lines.append("The install page's link stays good.")
    if not download_url and not install_page_url:
        lines.append(
            "Bitrise gives no link for it. It may have been deleted: artifacts are kept for a time only."
        )
    # A signed link can be longer than a button's address may be; as text it then still fits, and if not, it says so.
    buttons = [
        link_button("Download", download_url, actions.OPEN_LINK),
        link_button("Install page", install_page_url, f"{actions.OPEN_LINK}_page"),
    ]
    shown = [one for one in buttons if one is not None]
    if download_url and buttons[0] is None:
        lines.append("The link is too long for Slack: open the build in Bitrise to download it.")
    return Message(
        f"{name}: the link lives {MINUTES}.", [section("\n".join(lines)), *([row(*shown)] if shown else [])]
    )
