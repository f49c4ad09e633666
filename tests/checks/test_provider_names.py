"""Only `providers/` and the assembly name a provider: to the rest of the bot, all of them are the same."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.providers_setup import SPECS

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("bot", "handlers", "services", "storage", "messages", "domain")
ASSEMBLY = Path("bot/providers_setup.py")
# The names of this table's columns fix which providers' apps are linked.
NAMED_BY_COLUMNS = Path("storage/deploy_links.py")
NAMES = frozenset(str(spec.provider) for spec in SPECS)
# Modules of a provider that hold its constant; a table by provider needs one of them, or the name itself, as a key.
CONSTANTS = frozenset(f"providers.{name}.{module}" for name in NAMES for module in ("provider", "spec"))


def find_provider_names(source: str) -> Iterator[str]:
    """Yield the line and the name of each provider that a module names, by its constant or its stored name."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str() as text) if text in NAMES:
                yield f"{node.lineno}: {text!r}"
            case ast.ImportFrom(module=str() as module):
                imported = {module, *(f"{module}.{alias.name}" for alias in node.names)}
                yield from (f"{node.lineno}: {name}" for name in imported & CONSTANTS)
            case ast.Import():
                yield from (f"{node.lineno}: {alias.name}" for alias in node.names if alias.name in CONSTANTS)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("from providers.bitrise.provider import BITRISE", ["1: providers.bitrise.provider"]),
        ("from providers.bitrise import provider", ["1: providers.bitrise.provider"]),
        ("from providers.buildio import spec as buildio_spec", ["1: providers.buildio.spec"]),
        ("import providers.buildio.provider", ["1: providers.buildio.provider"]),
        (
            'WORDS = {\n    "bitrise": "build",\n    "buildio": "deployment",\n}',
            ["2: 'bitrise'", "3: 'buildio'"],
        ),
        ('Provider.named("bitrise")', ["1: 'bitrise'"]),
        ("from providers.http.transport import HttpTransport", []),
        ('"""Read what bitrise and buildio report."""', []),
    ],
)
def test_a_provider_is_found_by_its_constant_and_by_its_name(source: str, named: list[str]) -> None:
    assert list(find_provider_names(source)) == named


def test_only_the_assembly_names_a_provider() -> None:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    modules = {path.relative_to(ROOT): list(find_provider_names(path.read_text())) for path in paths}
    naming = {path: found for path, found in modules.items() if found}
    assert naming.keys() == {ASSEMBLY, NAMED_BY_COLUMNS}, naming
