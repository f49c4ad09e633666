"""Messages about a build's artifacts: the list by type, and their links."""

from __future__ import annotations

from collections.abc import Sequence

from domain.build import App, Build
from domain.message import Block, Message
from messages import build_text
from messages.kit import action_ids as shared_action_ids
from messages.kit.blocks import button, confirm, context, link_button, row, section
from messages.kit.button_values import ArtifactButton, BuildButton, InvalidButtonValue
from messages.kit.mrkdwn import escape, join_facts, link, mention, plain, size
from messages.kit.views import is_pickable, multi_select, option
from providers.bitrise import action_ids
from providers.bitrise.api.models import Artifact, ArtifactLinks

MINUTES = "10 minutes"
MAX_SELECTED_ARTIFACTS = 10
# This many rows leave room for the other blocks (Slack's rules: 50 blocks a message).
MAX_ROWS = 35
_TYPES = {
    "android-apk": "Android apps",
    "android-aab": "Android app bundles",
    "ios-ipa": "iOS apps",
    "ios-xcarchive": "Xcode archives",
    "macos-dmg": "macOS apps",
    "file": "Files",
}
_OTHERS = "Other files"
_ORDER = [*_TYPES.values(), _OTHERS]


def artifacts(build: Build, app: App, lines: Sequence[Artifact], *, total: int) -> Message:
    """Render a build's artifacts by type, each with a button that fetches its link, and a menu to fetch several."""
    name = build_text.build_link(build, app)
    plain_name = f"{app.title} {build.label}"
    if not lines:
        note = "no artifacts." if build.ended else "no artifacts yet; the build hasn't finished."
        return Message(f"{escape(plain_name)}: {note}", [section(f"{name}: {note}")])
    sizes = [line.size for line in lines if line.size is not None]
    total_size = f" ({size(sum(sizes))})" if len(sizes) == total and total > 1 else ""
    blocks = [section(f"{_count(total)} from {name}{total_size}")]
    shown = sorted(lines, key=lambda line: _ORDER.index(_type(line)))[:MAX_ROWS]
    kind = None
    for line in shown:
        if _type(line) != kind:
            kind = _type(line)
            blocks.append(context(f"*{kind}*"))
        blocks.append(_row(build, line))
    if len(lines) > 1:
        blocks.append(_picker_row(build, lines))
    note = f"Links expire after {MINUTES}."
    if total > len(shown):
        note += f" {total - len(shown)} more {link(f'{build.url}?tab=artifacts', 'on the build’s page')}."
    titles = ", ".join(plain(line.title, 80) for line in shown[:20])
    return Message(escape(f"{_count(total)} from {plain_name}: {titles}", 2000), [*blocks, context(note)])


def artifact_link(artifact: ArtifactLinks, button_value: ArtifactButton, *, may_act: bool) -> Message:
    """Render a new link to one artifact, and its other buttons, for one user."""
    name = escape(artifact.title, 200)
    lines = [f"*{name}*{_format_facts(artifact.kind, artifact.size, before=' · ')}"]
    if artifact.download_url:
        lines.append(f"Anyone with the download link can use it. It expires in {MINUTES}.")
    if artifact.install_page_url:
        lines.append("Anyone with the link to the install page can use it. It doesn't expire.")
    if not artifact.download_url and not artifact.install_page_url:
        lines.append(
            "Bitrise has no link to it. It may have been deleted: artifacts are kept for a limited time."
        )
    download = link_button("Download", artifact.download_url, shared_action_ids.OPEN_LINK)
    # A signed link can be longer than Slack allows for a button's URL.
    if artifact.download_url and download is None:
        lines.append("The link is too long for Slack. Open the build in Bitrise to download it.")
    value = button_value.encode()
    buttons = row(
        download,
        link_button("Install page", artifact.install_page_url, f"{shared_action_ids.OPEN_LINK}_page"),
        button(
            "Show QR code",
            action_ids.ARTIFACT_QR,
            value,
            label=f"Show QR code of the install page of {artifact.title}",
        )
        if artifact.install_page_url
        else None,
        button("Renew link", action_ids.ARTIFACT_RENEW, value),
        _visibility_button(artifact, value) if may_act else None,
    )
    return Message(f"{name}: the link expires in {MINUTES}.", [section("\n".join(lines)), buttons])


def artifact_links(build: Build, app: App, links: Sequence[ArtifactLinks]) -> Message:
    """Render new links to several artifacts, for one user."""
    blocks = [
        section(
            f"Links to {_count(len(links))} of {build_text.build_link(build, app)}."
            f" Anyone with a link can use it. They expire in {MINUTES}."
        )
    ]
    for number, artifact in enumerate(links):
        download = link_button("Download", artifact.download_url, f"{shared_action_ids.OPEN_LINK}_{number}")
        note = "" if download else "\n_No link, or one too long for Slack. Open the build in Bitrise._"
        facts = _format_facts(artifact.kind, artifact.size, before=" · ")
        blocks.append(section(f"*{escape(artifact.title, 200)}*{facts}{note}", download))
    titles = ", ".join(plain(artifact.title, 80) for artifact in links)
    return Message(escape(f"Links to {titles}", 1000), blocks)


def page_changed(artifact: ArtifactLinks, build: Build, app: App, *, by: str) -> Message:
    """Render the message that an install page was made public or private."""
    is_public = artifact.public_page
    page = (
        f": {link(artifact.install_page_url, 'open page')}" if is_public and artifact.install_page_url else ""
    )
    visibility = "public" if is_public else "private"
    name = build_text.build_link(build, app)
    title = escape(artifact.title, 200)
    text = f"{'🌐' if is_public else '🔒'} {mention(by)} made the install page of {title} {visibility}"
    return Message(f"{text}.", [section(f"{text} ({name}){page}")])


def qr_comment(artifact: ArtifactLinks, build: Build, app: App) -> str:
    """Render the text above a QR code, with the link for users who can't scan."""
    page = link(artifact.install_page_url, "open the install page")
    return f"Scan to install *{escape(artifact.title, 200)}* from {build_text.build_link(build, app)}, or {page}."


def artifacts_of_block(block_id: str) -> BuildButton:
    """Return the build whose artifacts the block lists. Raises InvalidButtonValue."""
    parts = block_id.split(" ")
    if len(parts) != 3 or parts[0] != "artifacts":
        raise InvalidButtonValue
    return BuildButton.read({"app": parts[1], "build": parts[2]})


def _picker_row(build: Build, lines: Sequence[Artifact]) -> Block:
    options = [
        option(line.title, line.slug) for line in lines if is_pickable(line.title) and is_pickable(line.slug)
    ]
    menu = multi_select(options, "Pick several") | {
        "action_id": action_ids.ARTIFACTS_PICK,
        "max_selected_items": MAX_SELECTED_ARTIFACTS,
    }
    value = BuildButton(app=build.app_slug, build=build.slug).encode()
    block = row(menu if options else None, button("Get links", action_ids.ARTIFACT_LINKS, value))
    return block | {"block_id": f"artifacts {build.app_slug} {build.slug}"}


def _row(build: Build, line: Artifact) -> Block:
    value = ArtifactButton(app=build.app_slug, build=build.slug, artifact=line.slug).encode()
    get_link = button("Get link", action_ids.ARTIFACT_LINK, value, label=f"Get a link to {line.title}")
    return section(f"*{escape(line.title, 200)}*\n{_format_facts(line.kind, line.size) or 'file'}", get_link)


def _count(number: int) -> str:
    return f"{number} artifact{'s' if number != 1 else ''}"


def _format_facts(kind: str | None, bytes_: int | None, *, before: str = "") -> str:
    facts = join_facts(escape(kind or "", 60), size(bytes_) if bytes_ is not None else None)
    return before + facts if facts else ""


def _type(line: Artifact) -> str:
    return _TYPES.get(line.kind or "", _OTHERS)


def _visibility_button(artifact: ArtifactLinks, value: str) -> Block:
    title = plain(artifact.title, 100)
    if artifact.public_page:
        question = confirm(
            "Make it private?", f"The install page of {title} will stop working.", "Make private"
        )
        return button("Make private", action_ids.ARTIFACT_PRIVATE, value, confirm=question)
    question = confirm(
        "Make it public?", f"Anyone with the link will be able to install {title}.", "Make public"
    )
    return button("Make public", action_ids.ARTIFACT_PUBLIC, value, style="danger", confirm=question)
