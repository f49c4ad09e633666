"""A worker process of the bot: it runs the calls that it is sent, one at a time, and ends when its input ends.

Started by `services.worker_processes.pool` only. It has no settings and no tokens, only the texts that it is sent.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
from contextlib import suppress
from typing import BinaryIO

# Processor time of one call: a piece takes a tenth of a second, the largest bitrise.yml two seconds.
MAX_SECONDS = 5.0
LENGTH = struct.Struct(">Q")
# Acknowledgements in the bot's process come first.
NICENESS = 10
# Some hundred times the need of the largest text; a few kilobytes of YAML can expand to fill all memory.
MAX_MEMORY_BYTES = 2 * 1024**3


def main() -> None:
    """Work until the bot closes the pipe, on purpose or by its own end. Ctrl-C and SIGTERM are left to the bot."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(NICENESS)
    _limit_memory()
    # Output that a library prints must not get between the replies.
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null_device = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(null_device, standard)
    with suppress(BrokenPipeError):
        while (request := _read_message(requests)) is not None:
            reply = _execute(request)
            replies.write(LENGTH.pack(len(reply)))
            replies.write(reply)
            replies.flush()


def _execute(request: bytes) -> bytes:
    try:
        function, arguments = pickle.loads(request)  # noqa: S301 - from the bot, over a pipe of its own
        signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)  # its signal ends the process
        try:
            return pickle.dumps((True, function(*arguments)))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except Exception as error:  # noqa: BLE001 - only the error's name is returned: its text may hold a secret
        return pickle.dumps((False, type(error).__name__))


def _read_message(requests: BinaryIO) -> bytes | None:
    """Read the next message; None at the end."""
    header = requests.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(header)
    request = requests.read(length)
    return request if len(request) == length else None


def _limit_memory() -> None:
    try:
        import resource  # noqa: PLC0415 - not every system has it

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    except (ImportError, OSError, ValueError):
        return


if __name__ == "__main__":
    main()
