"""The table of Build.io's endpoints in docs/buildio-api.md: each with its client method, command, permission and test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "buildio-api.md"
HEAD = "| resource | endpoint | client | command | guard | test |"


@dataclass(frozen=True)
class Endpoint:
    """One line of the table: `asks` as in the reference, and the client's method."""

    resource: str
    asks: str
    method: str
    command: str
    guard: str
    test: str


def _read_endpoints(page: str) -> list[Endpoint]:
    _, _, table = page.partition(f"{HEAD}\n")
    _line, *rows = table.partition("\n\n")[0].splitlines()
    cells = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows)
    return [
        Endpoint(
            resource=resource,
            asks=asks.strip("`"),
            method=client.strip("`").removeprefix("BuildioClient."),
            command=command.strip("`").removeprefix("/buildio "),
            guard=guard,
            test=test.strip("`"),
        )
        for resource, asks, client, command, guard, test in cells
    ]


ENDPOINTS = _read_endpoints(PAGE.read_text(encoding="utf-8"))
