"""Hostile text as it may come from outside, and assertions about what renderers make of it."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from domain.message import Message
from sandbox.slack.validation import validate_blocks, validate_options, validate_view

NASTY = (
    "<!channel> <!here> <@U123> <#C1>",
    "<!everyone|everyone> <!subteam^S1|@team> <@W0OTHER|anna> <@U0ASKER>",
    "<!date^1392734382^{date_num}|today>",
    # Typed by people who know Slack's escapes: unescaped once more it would be a mention.
    "&lt;!subteam^S77&gt; &lt;@U0TYPED&gt; &amp;lt;!here&amp;gt;",
    "<<!channel>> <https://a.example|<!here>>",
    "<https://evil.example|innocent>",
    "https://evil.example/|<!here>",
    "javascript:alert(1)",
    "&" * 4000,
    "<" * 4000,
    "```" * 50,
    "\u202egnp.exe\u202c\u2066x\u2069\u061c\u200f",
    "a\u200bb\u200d\u2060\ufeffc\u00add",
    "a\x00b\x07c\x1b[31md\x7fe\x9bf\x85g\u2028h\u2029i",
    # Invisible: Hangul fillers, the grapheme joiner, tag characters that spell words for machines.
    "\u115f\u1160\u3164\uffa0\u034f\ufff9\ufffb\U000e0041\U000e007f",
    "Z" + "\u0335\u0358\u036f" * 500,
    "\u0e01" + "\u0e49" * 500,
    # Possible in JSON, but not in a file or database.
    "half \ud83d of a pair \udc00",
    "*bold* _it_ ~no~ `code`",
    "\n\n\n> quote\n\n" * 30,
    "😀" * 3000,
    "",
    " ",
)
UNTRUSTED_TEXT = (
    st.sampled_from(NASTY)
    | st.text(max_size=30)
    | st.text(min_size=1, max_size=5).map(lambda text: text * 700)
    | st.tuples(st.sampled_from(NASTY), st.sampled_from(NASTY)).map("".join)
)
OPTIONAL_UNTRUSTED_TEXT = st.none() | UNTRUSTED_TEXT

# The markup that renderers make themselves: links, times and ids.
_OURS = re.compile(r"<(?:https?://[^\s|<>\"`]+\|[^\n|<>]+|!date\^\d+\^[^|<>]*\|[^|<>]*|@U0ASKER|#C1(?:23)?)>")
# Slack accepts URLs with unescaped ampersands, but not with entities.
_OUR_ADDRESSES = re.compile(r"<https?://(?:(?!&(?:lt|gt);)[^\s|<>])+\|")
_NO_ENTITY = re.compile(r"&(?!(?:amp|lt|gt);)")
_TYPED = re.compile(r"&lt;(?:!subteam\^S77|@U0TYPED)|&amp;lt;!here")
_QUOTE = re.compile(r"^>", re.MULTILINE)
# Control characters except the newline, direction changes, invisible characters and noncharacters.
_INVISIBLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_STACKED_MARKS = re.compile(
    "[\u0300-\u036f\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{5}"
)
# A person's own input is returned unchanged; machine-readable fields are not displayed.
_NOT_SHOWN = ("initial_value", "value", "private_metadata", "action_id", "block_id", "callback_id", "url")


def assert_message(message: Message) -> None:
    """Assert that Slack accepts the message, that it is not empty, and that all markup in it is ours."""
    validate_blocks(message.blocks)
    assert message.text.strip()
    assert len(message.text) <= 4000
    assert_mrkdwn(message.text)
    assert_shown(message.blocks)
    message.encode().encode()


def assert_view(view: dict[str, Any], *, home: bool = False) -> None:
    """Assert that Slack accepts the view and that all markup in it is ours."""
    validate_view(view, home=home)
    assert_shown(view)


def assert_options(options: list[dict[str, Any]]) -> None:
    """Assert that Slack accepts the options and that their texts deceive nobody."""
    validate_options({"option_groups" if options and "label" in options[0] else "options": options})
    assert_shown(options)


def assert_mrkdwn(text: str) -> None:
    """Assert that all markup in the text is ours."""
    left = _QUOTE.sub("", _OURS.sub("", text))
    assert "<" not in left, left
    assert ">" not in left, left
    assert not _NO_ENTITY.search(_OUR_ADDRESSES.sub("|", text)), text
    assert not _TYPED.search(text), text
    _assert_visible(text)


def assert_shown(value: Any, name: str = "") -> None:
    """Assert that no text in the value hides characters, and that all markup in it is ours."""
    if isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            assert value.get("verbatim") is True
            assert_mrkdwn(value["text"])
        if "url" in value:
            assert re.fullmatch(r"https?://[\x21-\x7e]+", value["url"]), value["url"]
        for inner_name, inner in value.items():
            assert_shown(inner, inner_name)
    elif isinstance(value, list):
        for inner in value:
            assert_shown(inner, name)
    elif isinstance(value, str) and name not in _NOT_SHOWN:
        _assert_visible(value)


def _assert_visible(text: str) -> None:
    assert not _INVISIBLE.search(text), ascii(text)
    assert not _STACKED_MARKS.search(text), ascii(text)
