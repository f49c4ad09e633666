"""A worker process of the bot's: does what it is sent, one thing after the other, and ends when its input does.

Started by `services.worker_processes.pool` only. It knows no setting and no token, only the texts that it is sent.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
from contextlib import suppress
from typing import BinaryIO

# Of the processor's time, for one call: a piece takes a tenth of a second, the largest bitrise.yml two.
MOST_SECONDS = 5.0
LENGTH = struct.Struct(">Q")
# Whoever waits for an acknowledgement comes first.
NICENESS = 10
# Some hundred times what the largest text needs; a few kilobytes of YAML can ask for all memory that there is.
MOST_MEMORY = 2 * 1024**3


def main() -> None:
    """Work until the bot has closed the pipe, on purpose or by its own end. Ctrl-C and SIGTERM are the bot's affair."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(NICENESS)
    _limit_memory()
    # Whatever a library prints must not get between the replies.
    orders, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(nowhere, standard)
    with suppress(BrokenPipeError):
        while (order := _read(orders)) is not None:
            reply = _do(order)
            replies.write(LENGTH.pack(len(reply)))
            replies.write(reply)
            replies.flush()


def _do(order: bytes) -> bytes:
    try:
        function, arguments = pickle.loads(order)  # noqa: S301 - from the bot, over a pipe of its own
        signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)  # its signal ends the process
        try:
            return pickle.dumps((True, function(*arguments)))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except Exception as error:  # noqa: BLE001 - the bot hears of whatever it is, by its name alone: words may be secret
        return pickle.dumps((False, type(error).__name__))


def _read(orders: BinaryIO) -> bytes | None:
    """The next message; None at the end."""
    head = orders.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    order = orders.read(length)
    return order if len(order) == length else None


def _limit_memory() -> None:
    try:
        import resource  # noqa: PLC0415 - not every system has it

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    except (ImportError, OSError, ValueError):
        return


if __name__ == "__main__":
    main()
