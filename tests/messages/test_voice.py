"""Texts for people keep to the voice and the glossary of `docs/style-guide.md`.

Two views of the same texts: what the renderers make of any content, and every text in the source, so that no branch is
missed. Texts of builds and users are checked by neither: single words only in the source.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bot.cli import cli
from bot.manifest import manifest
from bot.providers_setup import SPECS
from bot.settings import Settings
from domain.credentials import TokenOwner
from domain.message import Message
from domain.provider_errors import Forbidden, ProviderError
from messages import notices
from services.accounts.user_tokens import AccountNotConnected
from tests.messages.test_renderers import CASES
from tests.support.commands import PARSERS
from tests.support.examples import examples

ROOT = Path(__file__).resolve().parents[2]
# What simulators say in place of Slack, Bitrise and Build.io is not the product's voice.
SIMULATED = ("sandbox/slack/", "sandbox/bitrise/", "sandbox/buildio/", "sandbox/example_data.py")
PACKAGES = ("messages", "providers", "services", "handlers", "domain", "storage", "bot", "sandbox")
MODULES = sorted(
    path
    for package in PACKAGES
    for path in (str(file.relative_to(ROOT)) for file in (ROOT / package).rglob("*.py"))
    if not path.startswith(SIMULATED)
)
# Labels that a user presses or ticks may be in the user's own voice.
LABELS_OF_USERS = (
    "I'm on it",
    "Notify me",
    "Mention me",
    "DM me",
    "Send me",
    "Resume as me",
    "Start as me",
    "Abort as me",
)


@dataclass(frozen=True)
class Refused:
    """A word or phrase of the glossary's last column, and what to write instead."""

    pattern: str
    instead: str

    def find(self, text: str, *, is_ours: bool) -> str | None:
        """Return the first occurrence, what to write instead, and what is around it.

        In a text that may not be `ours`, a single word is not counted: hypothesis also makes texts of words in the source.
        """
        occurrences = re.finditer(self.pattern, text)
        found = next((match for match in occurrences if is_ours or " " in match[0].strip()), None)
        if found is None:
            return None
        around = text[max(found.start() - 60, 0) : found.end() + 60]
        return f"{found[0]!r} → {self.instead}: {around!r}"


def _words(*words: str) -> str:
    """Return a pattern for whole words, also at the beginning of a sentence."""
    return rf"(?i:(?<![\w-])(?:{'|'.join(words)})(?![\w-]))"


REFUSED = (
    Refused(r"(?<![\w/@.:-])(?:I|I'm|I'll|I've|I'd)(?![\w/:-])", "no first person: Buildbell, or no subject"),
    Refused(_words(r"(?<!^)(?<!, )(?<!@)me", "my", "(?<!, )mine", "myself"), "no first person"),
    Refused(_words("we", "we're", "we've", "us", "our", "ours"), "no first person"),
    Refused(_words("told", "tells?", "telling"), "notify, post"),
    Refused(_words("hears?", "heard"), "notify"),
    Refused(_words("(?:keep|keeps|kept|stays?|is|are) silent", "silenced?"), "pause; not posted"),
    Refused(_words("terms"), "subscription"),
    Refused(
        _words(r"(?:channels?|someone)(?: here)? follows?", r"follow(?:s|ed)? (?:an?|the|this|every) apps?"),
        "subscribe",
    ),
    Refused(
        _words("end (?:it|them|all|this)(?=[?.]?$)", "end (?:it|them|the subscription|this subscription)"),
        "unsubscribe",
    ),
    Refused(
        r"(?i)\b(?:un)?link(?:s|ed|ing)?\b[^.]{0,25}\baccounts?\b|\baccounts?\b[^.]{0,15}\b(?:un)?linked\b"
        r"|\b(?:not|are|be|is) (?:un)?linked\b(?! to (?:an? |the )?(?:Bitrise|Build\.io) apps?)|\b(?:un)?link(?:ed)? (?:it )?again\b",
        "connect, connected account",
    ),
    Refused(_words("(?:un)?ties?", "(?:un)?tied", "(?:un)?tying"), "deploy link; link, unlink"),
    Refused(_words("wipes?", "wiped", "wiping"), "delete, disconnect"),
    Refused(_words("ended"), "finished"),
    Refused(
        _words(
            r"(?:builds?|deployments?|pipelines?|runs?) ends?",
            r"(?:how|when|once|until|after) (?:it|they) ends?",
            r"all that ends?",
            r"has not ended",
            "(?:is|are|be) over",
        ),
        "finish",
    ),
    Refused(_words("green", "red", "(?<!something )(?:goes|went) wrong"), "passed, failed"),
    Refused(_words("series"), "failing since, failure streak"),
    Refused(
        _words(
            "(?<!line )breaks",
            "broke(?! on)",
            "(?:is|are|was|stays?) broken",
            "broken (?:again|series|branch|with|by)",
        ),
        "failing since, first failure",
    ),
    Refused(_words("agrees?", "agreed", "agreement", "consents?"), "approve, approval"),
    Refused(_words("somebody", "anybody", "nobody", "everybody"), "someone, anyone, no one, everyone"),
    Refused(_words("rulings?") + r"|(?<!^)(?<!, )\bpolic(?:y|ies)\b|\bPolic(?:y|ies)\b", "access rule"),
    Refused(_words("grants?", "granting"), "allow"),
    Refused(r"(?i)(?<!may or )\bmay not\b(?! be\b)", "not allowed, can't"),
    Refused(_words("forbidden"), "not allowed"),
    Refused(
        _words(
            "lives?(?= (?:for|ten|\\d))",
            "that lives?",
            "runs? out",
            "(?:is|are|stays?) good(?: for)?",
            "for good",
        ),
        "expires",
    ),
    Refused(
        _words("strangers?", "foreign", "(?:requests?|comes?) from outside", "outside of the project"), "fork"
    ),
    Refused(r"(?i)\b(?:don't|do not|doesn't|does not) know\b|\bknows? (?:no|of)\b", "unknown"),
    Refused(r"(?i)(?<!\bthere )\bis no (?!longer\b|one\b)[a-z]", "isn't valid, isn't a"),
    Refused(
        r"(?i)\bthe words? (?:`|\{|behind|you)|\bneeds? (?:\S+ ){1,3}behind\b|\bwithout a word\b",
        "argument, option, value",
    ),
    Refused(
        _words("looks? again", "asks? again", "how it stands", "how things stand", "while you look"),
        "refresh, view",
    ),
    Refused(
        _words(r"t(?:ake|akes|aken|aking|ook) (?:\S+ ){0,2}away", r"t(?:akes|aken|ook) out"),
        "delete, remove; redacted",
    ),
    Refused(_words("of about", "takes about"), "usually takes"),
    Refused(_words("your eyes only"), "only visible to you"),
    Refused(
        r"(?i)\b(?:does not|doesn't|do not|don't) take (?:it|(?:this|your|the|my) token)\b|\btoken (?:is|was) not taken\b",
        "rejected",
    ),
    Refused(_words("please", "sorry", "oops"), "no politeness that says nothing"),
    Refused(_words("anew", "in the midst"), "plain English"),
)
# No prose: code, quoted input, markup, options such as status:broken and addresses, commands, and labels of users.
NO_PROSE = re.compile(
    r"`[^`]*(?:`|$)|\"[^\"]*\"|\[/?[a-z ]*\]|<[^>]*>|(?<!\w)-?[\w-]+:[^\s:*]\S*|(?<!\S)/(?:bitrise|buildio)(?: [a-z-]+)?"
    + "".join(rf"|{re.escape(label)}(?![\w'])[^.?!,;*]*" for label in LABELS_OF_USERS)
)
SQL = re.compile(
    r"\b(?:SELECT|INSERT|UPDATE|DELETE|WHERE|COALESCE|ALTER TABLE|CREATE (?:UNIQUE )?INDEX|NOT NULL|IS NULL|LIKE|NOT LIKE|ORDER BY|PRIMARY KEY|CASE WHEN)\b"
    r"|(?:=|<|>|IN) (?:\?|'|\()|\) AND|^\s*LEFT JOIN"
)
COLUMNS = re.compile(r"(?=.*_)\w+(?:,?\s+\w+)*")
PATTERN = re.compile(r"\\[bdswSWZ*.]|\(\?|^\^")
SHOWN_KEYS = ("text", "alt_text", "fallback", "accessibility_label", "title", "name")


def refused_words(text: str, *, is_ours: bool = True) -> list[str]:
    """Return what the glossary refuses in a text, with what to write instead."""
    prose = NO_PROSE.sub(" … ", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    return [found for refused in REFUSED if (found := refused.find(prose, is_ours=is_ours)) is not None]


def assert_refused_nowhere(texts: Mapping[str, str]) -> None:
    """Assert that the glossary refuses nothing in texts, each of which has the name of its place."""
    found = [f"{place}: {word}" for place, text in texts.items() for word in refused_words(text)]
    assert not found, "\n".join(found)


def visible_texts(value: Any) -> Iterator[str]:
    """Yield all texts that people see in a message, a view, options or blocks, also with a screen reader."""
    match value:
        case Message():
            yield value.text
            yield from visible_texts(value.blocks)
        case str():
            yield value
        case list() | tuple():
            for part in value:
                yield from visible_texts(part) if not isinstance(part, str) else ()
        case dict():
            for key, part in value.items():
                if isinstance(part, str):
                    if key in SHOWN_KEYS:
                        yield part
                else:
                    yield from visible_texts(part)


# Without smaller examples of a failure: the text is the same, and there may be many failures.
@settings(examples(4), phases=(Phase.explicit, Phase.generate))
@pytest.mark.parametrize("name", sorted(CASES))
@given(data=st.data())
def test_what_is_rendered_keeps_to_the_glossary(name: str, data: st.DataObject) -> None:
    rendered = data.draw(CASES[name])
    found = [word for text in visible_texts(rendered) for word in refused_words(text, is_ours=False)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("module", MODULES)
def test_texts_in_the_source_keep_to_the_glossary(module: str) -> None:
    found = [f"{line}: {word}" for line, text in texts_in_source(module) for word in refused_words(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: str(parser.provider))
def test_the_help_of_every_command_keeps_to_the_glossary(parser: Any) -> None:
    for name in (None, *(entry.name for entry in parser.catalogue)):
        shown = "\n".join(visible_texts(notices.help_message(name, parser)))
        assert_refused_nowhere({f"help {name or ''}": shown})


def test_errors_of_providers_keep_to_the_glossary() -> None:
    errors = [
        error(provider=spec.provider)
        for spec in SPECS
        for error in _subclasses(ProviderError)
        if error is not AccountNotConnected  # its sentence is in the source
    ]
    for spec in SPECS:
        for owner in TokenOwner:
            forbidden = Forbidden(provider=spec.provider)
            forbidden.owner = owner
            errors.append(forbidden)
    assert len(errors) > 20
    assert_refused_nowhere({f"{type(error).__name__}: {error}": str(error) for error in errors})


def test_the_command_line_and_the_settings_keep_to_the_glossary() -> None:
    program = typer.main.get_command(cli)
    texts = {"buildbell": program.help or ""}
    for name, command in program.commands.items():  # type: ignore[attr-defined]
        texts[name] = command.help or ""
        for parameter in command.params:
            texts[f"{name} {parameter.name}"] = getattr(parameter, "help", None) or ""
    assert len(texts) > 20
    assert_refused_nowhere(texts)
    assert_refused_nowhere({name: field.description or "" for name, field in Settings.model_fields.items()})


def test_the_manifest_keeps_to_the_glossary() -> None:
    assert_refused_nowhere(dict(_texts_of_manifest(manifest(), "manifest")))


@pytest.mark.parametrize(
    "script", sorted(path.name for path in (ROOT / "sandbox/page/static").glob("*.js")), ids=str
)
def test_the_sandbox_page_keeps_to_the_glossary(script: str) -> None:
    source = (ROOT / "sandbox/page/static" / script).read_text(encoding="utf-8")
    code = re.sub(r"(?m)^\s*(?://|/?\*).*$|\s//\s.*$", "", source)
    strings = re.findall(r"(?m)\"((?:[^\"\\\n]|\\.)*)\"|`([^`\n]*)`", code)
    texts = [re.sub(r"\$\{[^}]*\}", "…", quoted or template) for quoted, template in strings]
    # What is between two strings is code.
    assert_refused_nowhere(
        {text: text for text in texts if _is_text(text) and not re.search(r"[(){}=;]", text)}
    )


@pytest.mark.parametrize(
    "text",
    [
        "I don't know `foo`.",
        "The log is in our direct messages.",
        "I see and do there what you may, with your own token.",
        "This channel is told of nothing yet.",
        "The channel hears which keys change, and no values.",
        "Which subscription told a build, or what kept it silent",
        "I have wiped your token",
        "Type `/bitrise connect` to link your account.",
        "You are not linked to anna-berg.",
        "Everyone with a linked account",
        "Tie an app to one of Bitrise's",
        "the build has not ended yet",
        "Fixes the series",
        "one card a broken series, edited until it is green again",
        "needs somebody's agreement",
        "Nobody gets an e-mail about it",
        "that is off, and you may not do it",
        "A link is fetched when you press, and lives ten minutes.",
        "it runs out today",
        "its link stays good, for whoever has it",
        "Builds of pull requests from outside",
        "Builds of strangers",
        "builds knows no `foo:`",
        "`yesterday` is no time that can be read",
        "`branch:` needs something behind it",
        "How it stands",
        "Take the rule away?",
        "Secrets are taken out.",
        "running for 1 of about 5 min",
        "The steps, for your eyes only",
        "Bitrise does not take this token.",
        "Please start again",
        "*primary* went wrong",
        "End it?",
        "What ended: somebody’s build",
    ],
)
def test_the_old_voice_is_refused(text: str) -> None:
    assert refused_words(text)


@pytest.mark.parametrize(
    "text",
    [
        "Approve this build?",
        "Build #4 already finished.",
        "This may or may not have happened.",
        "Something went wrong, so the file may not be there.",
        "Region: us-east-1",
        "`/bitrise me mention:on` mentions you.",
        "Only your own builds: `by:@me`",
        "Use the command `unlink`, or press *Unlink*.",
        "Link a Bitrise app, so that its builds can be deployed.",
        "I'm on it",
        "Press *Resume as me* to continue.",
        "Notify me",
        '`who` must be "everyone", "nobody", or a list',
        "There is no app named `andriod`.",
        "It is no longer updated.",
        "the last lines of the log, and where it ends",
        "Expires in 10 minutes",
        "POLICY_FILE is not set",
        "runs in a copy outside the database",
        "all 17 scopes granted",
        "The I/O of the machine is slow",
        "redacted, then hidden",
        "Anna paused notifications for *Sample Android*.",
        "Workflow steps: https://example.com/tell/me",
    ],
)
def test_ordinary_sentences_are_not_refused(text: str) -> None:
    assert refused_words(text) == []


def test_every_visible_text_of_a_view_is_found() -> None:
    view = {
        "type": "modal",
        "title": {"type": "plain_text", "text": "title"},
        "submit": {"type": "plain_text", "text": "submit"},
        "blocks": [
            {
                "type": "input",
                "block_id": "not shown",
                "label": {"type": "plain_text", "text": "label"},
                "hint": {"type": "plain_text", "text": "hint"},
                "element": {
                    "type": "static_select",
                    "action_id": "not shown",
                    "placeholder": {"type": "plain_text", "text": "placeholder"},
                    "options": [
                        {
                            "value": "not shown",
                            "text": {"type": "plain_text", "text": "option"},
                            "description": {"type": "plain_text", "text": "description"},
                        }
                    ],
                    "confirm": {"confirm": {"type": "plain_text", "text": "confirm"}},
                },
            },
            {"type": "rich_text", "elements": [{"elements": [{"type": "text", "text": "rich"}]}]},
            {"type": "image", "alt_text": "image", "image_url": "not shown"},
        ],
    }
    message = Message("fallback", [{"type": "actions", "elements": [{"accessibility_label": "for readers"}]}])
    shown = "title submit label hint placeholder option description confirm rich image"
    assert set(visible_texts(view)) == set(shown.split())
    assert set(visible_texts(message)) == {"fallback", "for readers"}


def texts_in_source(module: str) -> Sequence[tuple[int, str]]:
    """Return the texts that may be shown, with their lines: f-strings with their parts in braces, no docstrings."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    skipped = _not_shown(tree)
    texts = []
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        text = _literal(node)
        if text is not None and _is_text(text):
            texts.append((getattr(node, "lineno", 0), text))
    return texts


def _literal(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in values)
        case _:
            return None


def _not_shown(tree: ast.Module) -> set[int]:
    """Return the nodes that are no texts: docstrings that are not an error's message, parts of f-strings, patterns."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case (
                ast.Module(body=[ast.Expr(value=docstring), *_])
                | ast.FunctionDef(body=[ast.Expr(value=docstring), *_])
                | ast.AsyncFunctionDef(body=[ast.Expr(value=docstring), *_])
            ):
                skipped.add(id(docstring))
            case ast.ClassDef(body=[ast.Expr(value=docstring), *rest]):
                if not any("self.__doc__" in ast.unparse(statement) for statement in rest):
                    skipped.add(id(docstring))
            case ast.JoinedStr(values=parts):
                skipped.update(id(part) for part in parts)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re")), args=arguments):
                skipped.update(id(part) for argument in arguments for part in ast.walk(argument))
    return skipped


def _is_text(text: str) -> bool:
    """Return whether a literal reads like a text: several words, or a capitalized one, as on a button."""
    if SQL.search(text) or COLUMNS.fullmatch(text.strip()) or PATTERN.search(text):
        return False
    return bool(
        re.search(r"[A-Za-z]\S*\s+\S*[A-Za-z…{]|\s[a-z]{2,}|[a-z]{2,}\s", text)
        or re.match(r"[A-Z][a-z']+$", text)
    )


def _subclasses(error: type[ProviderError]) -> Iterator[type[ProviderError]]:
    yield error
    for subclass in error.__subclasses__():
        if subclass.__module__.startswith(PACKAGES):
            yield from _subclasses(subclass)


def _texts_of_manifest(value: Any, place: str) -> Iterator[tuple[str, str]]:
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    elif isinstance(value, str) and place.rpartition(".")[2].endswith(
        ("name", "title", "usage_hint", "description")
    ):
        yield place, value
    for key, part in items:
        yield from _texts_of_manifest(part, f"{place}.{key}")
