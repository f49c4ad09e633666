"""What many tests start from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage import Database, Storage


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    """Storage over a real SQLite file."""
    database = await Database.open(tmp_path / "buildbell.db")
    yield Storage(database)
    await database.close()
