"""Generator of the sections of README and docs that come from the code, so that they can't go stale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic_core import PydanticUndefined

from bot.providers_setup import SPECS
from bot.settings import Settings
from domain.commands.parser import CommandParser

ROOT = Path(__file__).resolve().parent.parent


def write_pages() -> Iterator[Path]:
    """Rewrite all generated sections; yield the pages that changed."""
    for path, sections in _sections_by_page().items():
        text = path.read_text(encoding="utf-8")
        if (new_text := _replace_sections(text, sections)) != text:
            path.write_text(new_text, encoding="utf-8")
            yield path.relative_to(ROOT)


def stale_pages() -> list[Path]:
    """Return the pages whose generated sections differ from the code."""
    return [
        path.relative_to(ROOT)
        for path, sections in _sections_by_page().items()
        if _replace_sections(text := path.read_text(encoding="utf-8"), sections) != text
    ]


def help_table(parser: CommandParser) -> str:
    """Render the commands as a Markdown table."""
    slash_command = parser.provider.command
    rows = ["| type | and you get | for example |", "| --- | --- | --- |"]
    for command in parser.catalogue:
        usage = command.usage.replace("|", "\\|")
        examples = "<br>".join(
            f"`{slash_command} {example}`".replace("|", "\\|") for example in command.examples
        )
        rows.append(f"| `{slash_command} {usage}` | {command.summary} | {examples} |")
    return "\n".join(rows)


def settings_table() -> str:
    """Return all settings with their defaults and descriptions, as a Markdown table."""
    rows = ["| variable | default | what it does |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = field.default
        default_text = "" if default in (None, PydanticUndefined, ()) else f"`{_format_default(default)}`"
        rows.append(f"| `{name.upper()}` | {default_text} | {field.description} |")
    return "\n".join(rows)


def _format_default(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return (
        str(int(default)) if isinstance(default, bool | float) and default == int(default) else str(default)
    )


def _sections_by_page() -> dict[Path, dict[str, str]]:
    return {
        ROOT / "README.md": {f"{spec.provider} commands": help_table(spec.parser) for spec in SPECS},
        ROOT / "docs" / "operations.md": {"settings": settings_table()},
    }


def _replace_sections(text: str, sections: Mapping[str, str]) -> str:
    for name, section in sections.items():
        begin, end = f"<!-- made: {name} -->", f"<!-- end: {name} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"the marks {begin} and {end} are missing")
        text = f"{before}{begin}\n{section}\n{end}{after}"
    return text
