"""SECURITY.md and the tests agree: each line has a test named after it, and each such test has a line."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_each_line_of_the_threat_model_has_a_test_of_its_name_and_each_test_a_line() -> None:
    lines = re.findall(r"^\| ([A-I]\d+) \|", (ROOT / "SECURITY.md").read_text(), re.MULTILINE)
    sources = "\n".join(path.read_text() for path in (ROOT / "tests" / "security").glob("test_*.py"))
    tests = [name.upper() for name in re.findall(r"^(?:async )?def test_([a-i]\d+)_", sources, re.MULTILINE)]
    assert len(lines) == len(set(lines)) > 30
    assert sorted(tests) == sorted(lines)
