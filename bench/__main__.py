"""`make bench`: everything, or what is named: `python -m bench look record`."""

from __future__ import annotations

import asyncio
import sys

from bench import ack, backlog, growth, held, lists, log, look, memory, record, start, telling, unsigned

ALL = {
    "ack": ack.measure,
    "look": look.measure,
    "lists": lists.measure,
    "log": log.measure,
    "held": held.measure,
    "record": record.measure,
    "start": start.measure,
    "memory": memory.measure,
    "unsigned": unsigned.measure,
    "telling": telling.measure,
    "backlog": backlog.measure,
    "growth": growth.measure,
}


def main() -> None:
    for name in sys.argv[1:] or ALL:
        for figure in asyncio.run(ALL[name]()):
            print(figure)


if __name__ == "__main__":
    main()
