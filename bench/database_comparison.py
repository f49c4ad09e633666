"""SQLite and PostgreSQL in one run: commands, polls, and the delivery of a backlog.

Both are measured in turn, so that load affects them alike.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from statistics import median

from bench.build_pages import builds_page, make_bitrise_state
from bench.databases import POSTGRES, SQLITE, NewDatabase, new_databases
from bench.dispatcher_throughput import deliver, slack_process
from bench.environment import running_environment
from bench.idle_poll import prepared_poll
from bench.poll_recorder import CHANGES, make_pages, prepared_recorder
from bench.result import BenchmarkResult, measure_seconds, scale_count
from bench.threaded_server import serve_body
from services.outbox.rate_limits import BURST

COMMANDS = 100
APPS = 100
POLLS = 300
PAGES = 60
CHANNELS = 100
ROUNDS = 3
# PostgreSQL answers each statement through a socket, so a single process may be slower on it.
GOAL = 6.0

Act = Callable[[], Awaitable[object]]
# Prepares a database, and yields what is measured, by name.
Prepare = Callable[[str], AbstractAsyncContextManager[Mapping[str, Act]]]


async def measure(scale: float = 1) -> list[BenchmarkResult]:
    pages = scale_count(PAGES, scale, minimum=2)
    parts: list[tuple[Prepare, int]] = [
        (_prepare_commands, scale_count(COMMANDS, scale, minimum=2)),
        (
            partial(_prepare_idle_poll, scale_count(APPS, scale, minimum=1)),
            scale_count(POLLS, scale, minimum=2),
        ),
        (partial(_prepare_pages, pages), pages),
    ]
    with new_databases() as databases:
        results = []
        for prepare, times in parts:
            async with AsyncExitStack() as stack:
                acts = {
                    kind: await stack.enter_async_context(prepare(new_url()))
                    for kind, new_url in databases.items()
                }
                results += [
                    _compare(name, await _measure_alternately(name, acts, times)) for name in acts[SQLITE]
                ]
        channels, rounds = scale_count(CHANNELS, scale, minimum=2), scale_count(ROUNDS, scale, minimum=1)
        results.append(
            _compare(
                f"a message of a backlog in {channels} channels",
                await _measure_backlogs(databases, channels, rounds),
            )
        )
    return results


def _compare(name: str, seconds: Mapping[str, float]) -> BenchmarkResult:
    sqlite = seconds[SQLITE]
    if POSTGRES not in seconds:
        return BenchmarkResult(
            f"SQLite, {name}", f"{sqlite * 1000:.2f} ms", "no PostgreSQL", "none", is_met=True
        )
    ratio = seconds[POSTGRES] / sqlite
    return BenchmarkResult(
        f"PostgreSQL, {name}",
        f"{seconds[POSTGRES] * 1000:.2f} ms, {ratio:.2f} times",
        f"SQLite {sqlite * 1000:.2f} ms",
        f"under {GOAL:.0f} times",
        ratio < GOAL,
    )


def _in_turn(kinds: Iterable[str], number: int) -> list[str]:
    """Return the kinds of databases; none is always the first."""
    return sorted(kinds, reverse=number % 2 == 0)


async def _measure_alternately(
    name: str, acts: Mapping[str, Mapping[str, Act]], times: int
) -> dict[str, float]:
    """Return the median seconds of the act of this name, by kind of database."""
    seconds: dict[str, list[float]] = {kind: [] for kind in acts}
    for number in range(times):
        for kind in _in_turn(acts, number):
            seconds[kind].append(await measure_seconds(acts[kind][name]))
    return {kind: median(measured) for kind, measured in seconds.items()}


@asynccontextmanager
async def _prepare_commands(url: str) -> AsyncIterator[Mapping[str, Act]]:
    """Start a bot; its replies are for one person, since Slack takes only one message a second in a channel."""
    settings = {"POLL_INTERVAL": "3600", "SERVICE_TOKEN_ACTS": "1", "DATABASE_URL": url}
    async with running_environment(None, settings) as environment:
        slack = environment.slack

        async def ask(text: str) -> None:
            last = next(reversed(slack.posts("builds", "anna")), None)
            await slack.users.command("anna", "builds", text)
            await slack.wait_for_post("builds", "", viewer="anna", after=last)

        await ask(f"/bitrise subscribe {environment.bitrise.android.repo}")
        yield {
            "a command that lists subscriptions": partial(ask, "/bitrise subscriptions"),
            "a command that stores a profile": partial(ask, "/bitrise me mention:yes"),
        }


@asynccontextmanager
async def _prepare_idle_poll(apps: int, url: str) -> AsyncIterator[Mapping[str, Act]]:
    state, _ = make_bitrise_state(50)
    with serve_body(builds_page(state)) as (provider_url, _):
        async with prepared_poll(url, apps, provider_url) as (poll, _):
            yield {f"an idle poll of {apps} apps": poll}


@asynccontextmanager
async def _prepare_pages(count: int, url: str) -> AsyncIterator[Mapping[str, Act]]:
    bodies, apps = make_pages(count)
    following = iter(bodies)
    async with prepared_recorder(url, apps) as record_page:
        yield {f"recording {CHANGES} changes": lambda: record_page(next(following))}


async def _measure_backlogs(
    databases: Mapping[str, NewDatabase], channels: int, rounds: int
) -> dict[str, float]:
    """Return the seconds per message; in each channel there are as many as Slack takes at once."""
    seconds: dict[str, list[float]] = {kind: [] for kind in databases}
    for number in range(rounds):
        for kind in _in_turn(databases, number):
            async with slack_process(channels) as (slack_url, _):
                seconds[kind].append(await deliver(databases[kind](), slack_url, channels, BURST, 0))
    return {kind: median(measured) / (channels * BURST) for kind, measured in seconds.items()}
