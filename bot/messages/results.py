"""What a build left behind: its log and its artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.build import App, Build
from bot.messages import actions, wording
from bot.messages.blocks import SECTION_TEXT, button, context, link_button, row, section
from bot.messages.buttons import ArtifactButton, BuildButton
from bot.messages.message import Message
from bot.messages.text import block_of_code, escape, link, plain, size

LOG_LINES = 40
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


def no_log(build: Build, app: App, *, now: datetime) -> Message:
    """There is no log, which is no failure."""
    if build.ended:
        why = "It has no log: it ended before it began to write one."
    else:
        why = f"It has no log yet ({wording.so_far(build, now) or 'not begun'}). Ask again in a moment."
    return Message(
        f"{escape(app.title)} {build.label}: {why}", [section(f"{wording.name(build, app)}\n{why}")]
    )


def log_tail(
    build: Build, app: App, *, text: str, whole_url: str | None, still_growing: bool, complete: bool
) -> Message:
    """The end of a log, for one person."""
    lines = text.split("\n")
    shown = "\n".join(lines[-LOG_LINES:])
    what = "The whole log" if complete and len(lines) <= LOG_LINES else "The end of the log"
    head = f"{what} of {wording.name(build, app)}"
    if still_growing and not build.ended:
        head += ", which is still being written"
    elif still_growing:
        head += ", which Bitrise is still putting together"
    if not text.strip():
        return Message(
            f"{escape(app.title)} {build.label}: the log is still empty.",
            [section(f"{head}\nIt is still empty.")],
        )
    value = BuildButton.of(build, app).encode()
    buttons = row(
        link_button("Whole log", whole_url, actions.OPEN_LINK)
        or link_button("Log in Bitrise", f"{build.url}?tab=log", actions.OPEN_LINK),
        button("Show the end again", actions.BUILD_LOG, value) if still_growing else None,
    )
    note = "Only you see this. Secrets that I recognise are taken out."
    if whole_url is not None:
        note += f" The link to the whole log lives {MINUTES}."
    return Message(
        f"{what} of {escape(app.title)} {build.label}: {escape(lines[-1], 500)}",
        [section(head), section(block_of_code(shown, SECTION_TEXT)), buttons, context(note)],
    )
