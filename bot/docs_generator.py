"""The parts of README and docs that are made from the code, so that they can't go stale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic_core import PydanticUndefined

from bot.providers_setup import SPECS
from bot.settings import Settings
from domain.commands.parser import help_table
from providers.buildio.api.coverage import contract_table

ROOT = Path(__file__).resolve().parent.parent


def write_pages() -> Iterator[Path]:
    """Write every made part anew; yields the pages that changed."""
    for path, made in _pages().items():
        text = path.read_text(encoding="utf-8")
        if (new := _with_parts(text, made)) != text:
            path.write_text(new, encoding="utf-8")
            yield path.relative_to(ROOT)


def stale_pages() -> list[Path]:
    """The pages whose made parts differ from the code."""
    return [
        path.relative_to(ROOT)
        for path, made in _pages().items()
        if _with_parts(text := path.read_text(encoding="utf-8"), made) != text
    ]


def settings_table() -> str:
    """Every setting with its default and what it does, as a Markdown table."""
    rows = ["| variable | default | what it does |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "" if default in (None, PydanticUndefined, ()) else f"`{_shown(default)}`"
        rows.append(f"| `{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows)


def _shown(default: object) -> str:
    return (
        str(int(default)) if isinstance(default, bool | float) and default == int(default) else str(default)
    )


def _pages() -> dict[Path, dict[str, str]]:
    return {
        ROOT / "README.md": {f"{spec.provider} commands": help_table(spec.parser) for spec in SPECS},
        ROOT / "docs" / "operations.md": {"settings": settings_table()},
        ROOT / "docs" / "buildio-api.md": {"contract": contract_table()},
    }


def _with_parts(text: str, parts: Mapping[str, str]) -> str:
    for name, made in parts.items():
        begin, end = f"<!-- made: {name} -->", f"<!-- end: {name} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"the marks {begin} and {end} are missing")
        text = f"{before}{begin}\n{made}\n{end}{after}"
    return text
