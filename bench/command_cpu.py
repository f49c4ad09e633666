"""CPU of the bot's process: per command, to its acknowledgement and to its answer, and per poll with ten changes.

Compared with an earlier commit in a virtual environment of its own, and with the least that a Bolt app can do: it
acknowledges, reads the same page of builds with aiohttp, and answers the same.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import median

from bench.earlier_version import VersionNotAvailable, prepare_version
from bench.environment import PROGRAM, running_environment
from bench.result import BenchmarkResult, scale_count
from bot.manifest import manifest
from sandbox.bitrise.members import TOKEN
from sandbox.environment import SandboxEnvironment
from sandbox.slack.models import Post

COMMANDS = ("/bitrise help", "/bitrise status android", "/bitrise builds android")
TIMES = 60
POLLS = 12
CHANGES = 10
SETTINGS = {"POLL_INTERVAL": "1", "POLL_INTERVAL_ACTIVE": "1", "SERVICE_TOKEN_ACTS": "1"}
# What a process still does after its answer has arrived.
SETTLE_SECONDS = 0.02
# A process is idle if it used less CPU than this in the time.
IDLE_CPU_SECONDS, IDLE_SECONDS = 0.0005, 0.1


@dataclass(frozen=True)
class Reference:
    """An earlier commit, and how much CPU the present one may use in proportion."""

    commit: str
    goal: float


REFERENCE = Reference("1391b6b", 0.8)


@dataclass(frozen=True)
class Subject:
    """A process that answers commands in an environment of its own."""

    environment: SandboxEnvironment
    pid: int

    def cpu(self) -> float:
        """Return the CPU seconds of all the process's threads so far."""
        # The CPU clock of a process (Linux, clock_getcpuclockid).
        return time.clock_gettime((~self.pid << 3) | 2)

    async def send_command(self, command: str) -> tuple[float, float]:
        """Return the CPU seconds to the acknowledgement and to the answer."""
        slack = self.environment.slack
        posts = len(slack.posts("builds", "anna"))
        before = self.cpu()
        await slack.users.command("anna", "builds", command)
        acknowledged = self.cpu()
        async with asyncio.timeout(60):
            while len(slack.posts("builds", "anna")) == posts:  # noqa: ASYNC110 - changed by the simulator
                await asyncio.sleep(0.001)
        await asyncio.sleep(SETTLE_SECONDS)
        return acknowledged - before, self.cpu() - before

    def answer(self) -> Post:
        """Return the latest answer."""
        return self.environment.slack.posts("builds", "anna")[-1]

    async def poll_changes(self) -> float:
        """Return the CPU seconds of a poll that finds ten builds which ended."""
        bitrise = self.environment.bitrise
        await self._wait_for_poll()
        builds = [bitrise.start_build(bitrise.android) for _ in range(CHANGES)]
        for build in builds:
            bitrise.finish(build)
        before = self.cpu()
        await self._wait_for_poll()
        return self.cpu() - before

    async def _wait_for_poll(self) -> None:
        """Wait for the next poll, and until it is done."""
        requests = self.environment.bitrise.requests
        count = len(requests)
        async with asyncio.timeout(60):
            while len(requests) == count:  # noqa: ASYNC110 - changed by the simulator
                await asyncio.sleep(0.002)
            used = -1.0
            while self.cpu() - used > IDLE_CPU_SECONDS:
                used = self.cpu()
                await asyncio.sleep(IDLE_SECONDS)


async def measure(scale: float = 1) -> list[BenchmarkResult]:
    if sys.platform != "linux":
        print("CPU of commands: only Linux tells the CPU time of another process.")
        return []
    earlier = earlier_program(REFERENCE) if scale else None
    results = []
    for http in (True, False) if scale else (True,):
        async with AsyncExitStack() as stack:
            ours = await stack.enter_async_context(running_bot(PROGRAM, http=http))
            old = await stack.enter_async_context(running_bot(earlier, http=http)) if earlier else None
            await ours.send_command(COMMANDS[1])
            floor = await stack.enter_async_context(_bolt_app(ours)) if http else None
            mode = "HTTP" if http else "socket"
            results += await compare_commands(ours, old, floor, scale, mode, REFERENCE)
            if http:
                results.append(
                    await compare_polls(ours, old, scale_count(POLLS, scale, minimum=1), REFERENCE)
                )
    return results


def earlier_program(reference: Reference) -> Sequence[str] | None:
    """Return the program of the earlier commit; None, and one sentence, if it can't be run here."""
    try:
        return prepare_version(reference.commit).program
    except VersionNotAvailable as problem:
        print(f"Not compared with {reference.commit}: {problem}.")
        return None


async def compare_commands(
    ours: Subject,
    old: Subject | None,
    floor: Subject | None,
    scale: float,
    mode: str,
    reference: Reference,
) -> list[BenchmarkResult]:
    """Compare the CPU of commands, which all get in turn."""
    subjects = [subject for subject in (ours, old, floor) if subject is not None]
    seconds: dict[int, list[tuple[float, float]]] = {subject.pid: [] for subject in subjects}
    for command in COMMANDS:
        rounds = [
            {subject.pid: await subject.send_command(command) for subject in subjects}
            for _ in range(scale_count(TIMES, scale, minimum=1) + 5)
        ]
        for subject in subjects:
            # The first ones fill caches.
            measured = [one[subject.pid] for one in rounds][5:]
            seconds[subject.pid].append(
                (median(ack for ack, _ in measured), median(whole for _, whole in measured))
            )
    return [
        compare(
            f"CPU of a command to its {name}, {mode}",
            reference,
            *(
                sum(command[index] for command in seconds[subject.pid]) / len(COMMANDS) if subject else None
                for subject in (ours, old, floor)
            ),
        )
        for index, name in enumerate(("acknowledgement", "answer"))
    ]


async def compare_polls(
    ours: Subject, old: Subject | None, polls: int, reference: Reference
) -> BenchmarkResult:
    """Compare the CPU of polls with changes, in turn."""
    subjects = [subject for subject in (ours, old) if subject is not None]
    for subject in subjects:
        subject.environment.slack.users.invite("builds")
        # Sent tomorrow, so that nothing is delivered meanwhile.
        await subject.send_command("/bitrise subscribe android style:daily")
    rounds = [[await subject.poll_changes() for subject in subjects] for _ in range(polls)]
    medians = [median(column) for column in zip(*rounds, strict=True)]
    return compare(
        f"CPU of a poll with {CHANGES} changes", reference, medians[0], medians[1] if old else None
    )


def compare(
    name: str, reference: Reference, ours: float | None, old: float | None = None, floor: float | None = None
) -> BenchmarkResult:
    """Return the comparison of CPU seconds."""
    assert ours is not None
    references = [
        f"{label} {seconds * 1000:.2f} ms"
        for label, seconds in ((reference.commit, old), ("Bolt", floor))
        if seconds
    ]
    ratio = f", {ours / old:.2f} times" if old else ""
    return BenchmarkResult(
        name,
        f"{ours * 1000:.2f} ms{ratio}",
        ", ".join(references) or "none in this run",
        f"at most {reference.goal} times {reference.commit}" if old else f"none without {reference.commit}",
        old is None or ours / old <= reference.goal,
    )


@asynccontextmanager
async def running_bot(program: Sequence[str], *, http: bool) -> AsyncIterator[Subject]:
    """Yield a bot that is not slowed down by Slack's limits."""
    async with running_environment(None, SETTINGS, program=program, http=http) as environment:
        assert environment.bot.pid is not None
        environment.slack.rate_limits.disabled = True
        yield Subject(environment, environment.bot.pid)


@asynccontextmanager
async def _bolt_app(answered: Subject) -> AsyncIterator[Subject]:
    """Yield the minimal Bolt app, which gives the subject's latest answer to each command."""
    async with SandboxEnvironment(manifest()) as environment:
        await environment.start_simulators()
        environment.slack.rate_limits.disabled = True
        bitrise, post = environment.bitrise, answered.answer()
        answer = {
            "message": {"text": post.text, "blocks": post.blocks},
            "builds": f"{bitrise.api_url}/apps/{bitrise.android.slug}/builds?limit=50",
            "token": TOKEN,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.bolt_baseline",
            json.dumps(answer),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            environment.slack.use_http(
                f"http://127.0.0.1:{int(await process.stdout.readline())}/slack/events"
            )
            yield Subject(environment, process.pid)
        finally:
            process.stdin.close()
            await process.wait()
