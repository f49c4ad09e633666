"""Several bots on one PostgreSQL database, each a process of its own, behind a balancer."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import struct
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sandbox.bot_process import BotProcess
from tests.support.balancer import Balancer
from tests.support.forked_bot import ForkedBot

ROOT = Path(__file__).parents[2]
PROGRAM = "tests.crash_recovery.skewed_clock_bot"
# A time service keeps the clocks of several machines this close together, in seconds.
CLOCK_SKEW = 2.0
# The balancer's checks notice a bot that does not answer after this time, in seconds (deploy/haproxy.cfg).
NOTICED_AFTER = 4.0
# Between the end of a bot that nobody has ended, and its next start.
OWN_RESTART = 0.5
MOST_REMEMBERED = 30


@dataclass(eq=False)
class Member:
    """One of the bots: what its machine would start again and again."""

    number: int
    process: BotProcess
    settings: dict[str, str]
    # The port of its HTTP server, or of the last one.
    port: int = 0
    # Of its process, also of the last one that has ended.
    pid: int = 0
    is_serving: bool = False
    is_ready: bool = False
    paused_at: float | None = None
    # Why the process is about to end, how long it stays away, and how long its next start may last, in seconds.
    end: str = ""
    away: float = 0.0
    cut_short: float | None = None
    # The process ids that were killed, and those that may have lost what they had acknowledged.
    killed: set[int] = field(default_factory=set)
    lossy: set[int] = field(default_factory=set)
    is_earlier: bool = False

    @property
    def name(self) -> str:
        """Return the `application_name` of its connections to the database."""
        return f"bot-{self.number}"


class BotGroup(BotProcess):
    """The bots as one, with the balancer's address. Each one that ends is started again.

    `earlier`: the code of an earlier release, which the last of them runs.
    """

    def __init__(
        self, settings: Mapping[str, str], folder: Path, count: int, *, seed: int, earlier: Path | None = None
    ) -> None:
        super().__init__(settings, folder)
        self._chance = random.Random(seed)
        self.balancer = Balancer(self._ports, answered=self._note_answer)
        self.answered: Callable[[bytes, int, int], None] = lambda _body, _bot, _status: None
        self._clock_file = folder / "clock"
        self._set_up_clock()
        self.members = [self._add(number, None) for number in range(1, count + 1)]
        if earlier is not None:
            self.members[-1] = self._add(count, earlier)
        self._keepers: list[asyncio.Task[None]] = []
        self._resuming: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()
        self.logged: Counter[str] = Counter()
        # The last words of bots that ended by themselves, and log lines of errors.
        self.last_words: list[str] = []
        self.errors: list[dict[str, Any]] = []
        # Where all log lines are kept, a file for each bot.
        self.logs: Path | None = None

    def _add(self, number: int, earlier: Path | None) -> Member:
        settings: dict[str, str] = {}
        folder = self._folder / f"bot-{number}"
        folder.mkdir(exist_ok=True)
        if earlier is None:
            process: BotProcess = ForkedBot(settings, folder, program=("-m", PROGRAM))
        else:
            # Nothing of today's code may be imported already.
            file = Path(__file__).with_name("skewed_clock_bot.py")
            process = BotProcess(settings, folder, program=(str(file),))
        settings["PYTHONPATH"] = str(earlier or ROOT)
        return Member(number, process, settings, is_earlier=earlier is not None)

    def _set_up_clock(self) -> None:
        self._clock_file.write_bytes(struct.pack("d", 0.0))

    def set_clock(self, seconds: float) -> None:
        """Set all bots' clocks this many seconds ahead."""
        with self._clock_file.open("r+b", buffering=0) as file:
            file.write(struct.pack("d", seconds))

    async def start(self) -> Self:
        """Start all bots, or those that do not run."""
        if not self._keepers:
            await self.balancer.start()
            separator = "&" if "?" in self._settings["DATABASE_URL"] else "?"
            for member in self.members:
                member.settings |= {
                    **self._settings,
                    "PYTHONPATH": member.settings["PYTHONPATH"],
                    "DATABASE_URL": f"{self._settings['DATABASE_URL']}{separator}application_name={member.name}",
                    "TORTURE_CLOCK_FILE": str(self._clock_file),
                }
            self._keepers = [asyncio.create_task(self._keep(member)) for member in self.members]
        return self

    async def wait_for(self, event: str, *, seconds: float = 120) -> dict[str, Any]:
        """Wait until each bot is ready; return the balancer's port."""
        async with asyncio.timeout(seconds):
            while not all(member.is_ready for member in self.members):
                if ended := [keeper for keeper in self._keepers if keeper.done()]:
                    ended[0].result()
                await asyncio.sleep(0.05)
        return {"event": event, "port": int(self.balancer.url.rsplit(":", 1)[1])}

    async def stop(self, *, seconds: float = 30) -> int:
        """Terminate all; returns 0."""
        for keeper in (*self._keepers, *self._resuming):
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for member in self.members:
            self.resume(member)
        await asyncio.gather(*(member.process.stop(seconds=seconds) for member in self.members))
        for member in self.members:
            self._collect(member)
        await self.balancer.close()
        return 0

    @property
    def running(self) -> list[Member]:
        """Return the bots whose process runs, paused ones too."""
        return [member for member in self.members if member.process.pid is not None]

    def find_sender(self, port: int) -> Member | None:
        """Return the bot that has a connection from this port of its machine."""
        inode = _inode_of(port)
        return next((member for member in self.running if inode in _sockets_of(member.process.pid)), None)

    def kill_member(self, member: Member, *, away: float = 0.0, cut_short: float | None = None) -> None:
        """Kill one of the bots; it is started again after this time, and with `cut_short` killed again soon."""
        self._signal(member, signal.SIGKILL, "killed", away)
        member.cut_short = cut_short

    def terminate(self, member: Member, *, away: float = 0.0) -> None:
        """Let one of the bots end in order; it is started again after this time."""
        self._signal(member, signal.SIGTERM, "terminated", away)

    def pause(self, member: Member, seconds: float) -> bool:
        """Pause a bot with SIGSTOP for this time; False if it is paused already."""
        pid = member.process.pid
        if pid is None or member.paused_at is not None:
            return False
        _send(pid, signal.SIGSTOP)
        member.paused_at = time.monotonic()
        task = asyncio.create_task(self._resume_later(member, pid, seconds))
        self._resuming.add(task)
        task.add_done_callback(self._resuming.discard)
        return True

    def resume(self, member: Member) -> None:
        """Let a paused bot go on."""
        if (pid := member.process.pid) is not None:
            _send(pid, signal.SIGCONT)
        member.paused_at = None

    async def _resume_later(self, member: Member, pid: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if member.process.pid == pid:
            self.resume(member)

    def _signal(self, member: Member, number: int, end: str, away: float) -> None:
        pid = member.process.pid
        if pid is None or pid in member.killed:
            return
        if number == signal.SIGKILL:
            member.killed.add(pid)
        # The earlier release may still accept requests while it stops, and lose them.
        if number == signal.SIGKILL or member.is_earlier:
            member.lossy.add(pid)
        member.end, member.away, member.cut_short = end, away, None
        _send(pid, number)

    async def _keep(self, member: Member) -> None:
        while True:
            await self._run_once(member)
            await asyncio.sleep(member.away)

    async def _run_once(self, member: Member) -> None:
        member.settings["TORTURE_CLOCK_OFF"] = str(self._chance.uniform(-CLOCK_SKEW, CLOCK_SKEW))
        member.end, member.away, member.paused_at = "", OWN_RESTART, None
        cut_short, member.cut_short = member.cut_short, None
        await member.process.start()
        member.pid = member.process.pid or member.pid
        if cut_short is not None:
            killing = asyncio.get_running_loop().call_later(
                cut_short, lambda: self._signal(member, signal.SIGKILL, "killed while starting", 0.0)
            )
        with suppress(RuntimeError, TimeoutError):
            member.port = int((await member.process.wait_for("serving"))["port"])
            member.is_serving = True
            await member.process.wait_for("ready")
            member.is_ready = True
        code = await member.process.wait()
        if cut_short is not None:
            killing.cancel()
        # Without its handler of SIGTERM yet, a starting process ends at once.
        is_expected = member.end != "terminated" or code == 0 or not member.is_ready
        # The port may soon be another program's.
        member.is_serving, member.is_ready, member.paused_at = False, False, None
        self.counts[member.end or f"ended by itself with {code}"] += 1
        if not member.end or not is_expected:
            self.last_words.append(f"{member.name} ended with {code}:\n{member.process.recent_log()}")
        self._collect(member)

    def _collect(self, member: Member) -> None:
        if self.logs is not None:
            with (self.logs / f"{member.name}.jsonl").open("a") as file:
                file.writelines(f"{json.dumps(line)}\n" for line in member.process.lines)
        for line in member.process.lines:
            if line.get("level") in ("error", "critical"):
                self.logged[str(line.get("event"))] += 1
                if self.logged[str(line.get("event"))] <= MOST_REMEMBERED:
                    self.errors.append({"bot": member.name} | line)
        member.process.lines = []

    def _ports(self) -> list[int]:
        now = time.monotonic()
        return [
            member.port
            for member in self.members
            if member.is_serving and (member.paused_at is None or now - member.paused_at < NOTICED_AFTER)
        ]

    def _note_answer(self, body: bytes, port: int, status: int) -> None:
        number = next((member.number for member in self.members if member.port == port), 0)
        self.answered(body, number, status)


def _send(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended just now."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _inode_of(port: int) -> str:
    """Return the inode of the socket that is connected from this port on loopback (proc(5), /proc/net/tcp)."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[9] != "0":
            return fields[9]
    return ""


def _sockets_of(pid: int | None) -> set[str]:
    """Return the inodes of a process's sockets."""
    found = set()
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(file.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
