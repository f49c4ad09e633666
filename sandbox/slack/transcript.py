"""A channel as a user sees it, in plain text. Pure; no I/O."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.slack.models import Channel, OpenView, Post
from sandbox.slack.users import User

_DATE = re.compile(r"<!date\^(\d+)\^[^|>]*\|([^>]*)>")
_MENTION = re.compile(r"<@(\w+)>")
# Bold text loses its asterisks; code keeps them.
_BOLD = re.compile(r"(`[^`]*`)|\*(.*?)\*")
_GROUP = re.compile(r"<!subteam\^(\w+)(?:\|[^>]*)?>")
_CHANNEL = re.compile(r"<#(\w+)>")
_LINK = re.compile(r"<((?:https?|mailto):[^|>]+)(?:\|([^>]*))?>")


def transcript(channel: Channel, viewer: User, names: Mapping[str, str]) -> str:
    """Return the visible messages of a channel, oldest first."""
    visible = [post for post in channel.posts if post.only_for in (None, viewer.id)]
    return "\n\n".join("\n".join(_post(post, names)) for post in visible)


def message_text(post: Post, names: Mapping[str, str]) -> str:
    """Return the text of a message, with buttons in square brackets."""
    lines = [line for block in post.blocks for line in _block(block)] if post.blocks else [post.text]
    below = [block for attachment in post.attachments for block in attachment.get("blocks") or []]
    lines += [f"▏ {line}" for block in below for text in _block(block) for line in text.split("\n")]
    lines += [f"(file: {file['title']})" for file in post.files]
    return "\n".join(_plain_text(line, names) for line in lines)


def modal_text(opened: OpenView, names: Mapping[str, str]) -> str:
    """Return the text of a modal."""
    lines = [f"┌─ {opened.view['title']['text']}"]
    for block in opened.view["blocks"]:
        lines += [f"│ {_plain_text(line, names)}" for text in _block(block) for line in text.split("\n")]
        if block.get("block_id") in opened.errors:
            lines.append(f"│   ! {opened.errors[block['block_id']]}")
    if "" in opened.errors:
        lines.append(f"│ ! {opened.errors['']}")
    buttons = [opened.view[name]["text"] for name in ("close", "submit") if name in opened.view]
    return "\n".join([*lines, f"└─ {'   '.join(f'[{text}]' for text in buttons)}"])


def home_text(view: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return the text of a Home view."""
    return "\n".join(_plain_text(line, names) for block in view["blocks"] for line in _block(block))


def _post(post: Post, names: Mapping[str, str]) -> Iterator[str]:
    author = names.get(post.user, "Slackbot")
    clock = datetime.fromtimestamp(float(post.ts), UTC).strftime("%H:%M")
    notes = [
        note for note, is_so in (("only visible to you", post.only_for), ("edited", post.edited)) if is_so
    ]
    thread = "  ↳ " if post.thread_ts and post.thread_ts != post.ts else ""
    noted = f"  ({', '.join(notes)})" if notes else ""
    yield f"{thread}{author}  {clock}{noted}"
    for line in message_text(post, names).split("\n"):
        yield f"{thread and '    '}  {line}"


def _block(block: Mapping[str, Any]) -> Iterator[str]:
    match block["type"]:
        case "section":
            text = block["text"]["text"] if block.get("text") else ""
            pressed = f"  {_element(block['accessory'])}" if "accessory" in block else ""
            yield text + pressed
            for field in block.get("fields") or []:
                yield field["text"]
        case "header":
            yield block["text"]["text"].upper()
        case "context":
            yield "  ".join(
                element.get("text") or element.get("alt_text", "") for element in block["elements"]
            )
        case "divider":
            yield "─" * 20
        case "actions":
            yield " ".join(_element(element) for element in block["elements"])
        case "image":
            yield f"(picture: {block['alt_text']})"
        case "input":
            yield f"{block['label']['text']}: {_element(block['element'])}"
        case other:
            yield f"({other}) {block}"


def _element(element: Mapping[str, Any]) -> str:
    if "text" in element:
        return f"[{element['text']['text']}]"
    if "options" in element:
        return " / ".join(option["text"]["text"] for option in element["options"])
    if element["type"] == "plain_text_input":
        return f"‹{element.get('initial_value') or ''}›"
    selected = (
        [element["initial_option"]] if "initial_option" in element else element.get("initial_options") or []
    )
    return f"‹{', '.join(item['text']['text'] for item in selected)}›" if selected else f"[{element['type']}]"


def _plain_text(text: str, names: Mapping[str, str]) -> str:
    text = _DATE.sub(r"\2", text)
    text = _MENTION.sub(lambda match: f"@{names.get(match[1], match[1])}", text)
    text = _GROUP.sub(lambda match: f"@{names.get(match[1], match[1])}", text)
    text = _CHANNEL.sub(lambda match: f"#{names.get(match[1], match[1])}", text)
    text = _LINK.sub(lambda match: match[2] or match[1], text)
    text = _BOLD.sub(lambda match: match[1] or match[2] or "", text)
    return html.unescape(text).replace("```\n", "").replace("\n```", "")
