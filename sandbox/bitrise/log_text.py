"""The text of a build log, as Bitrise's command line writes it: step boxes, colours and a summary. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

CHUNK_SIZE = 1_500
WIDTH = 78
STEPS = (
    ("activate-ssh-key@4.1.1", ("\x1b[34;1mConfigs:\x1b[0m", "SSH key is added to the agent")),
    (
        "git-clone@8.4.0",
        ('$ git "init"', '$ git "fetch" "--depth=1" "origin"', "\x1b[32;1mSuccess\x1b[0m"),
    ),
    (
        "gradle-unit-test@1.0.7",
        (
            "$ ./gradlew test",
            "> Task :app:compileDebugKotlin",
            "> Task :app:testDebugUnitTest",
            "Downloading 10%\rDownloading 60%\rDownloading 100%",
        ),
    ),
    ("deploy-to-bitrise-io@2.10.0", ("Uploading file", "\x1b[32;1mDone\x1b[0m")),
)
FAILING_STEP = 2
FAILURE = (
    "LoginTest > rejects an empty password FAILED",
    "    java.lang.AssertionError at LoginTest.kt:42",
    "\x1b[31;1m118 tests completed, 1 failed\x1b[0m",
    "\x1b[31;1mFAILURE: Build failed with an exception.\x1b[0m",
)


CRASH = (
    "\x1b[31;1mUnhandled exception\x1b[0m: signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x0",
    "    #00 pc 00000000000a1b2c  /system/lib64/libapp.so (Session::restore()+64)",
    "    #01 pc 00000000000a2f10  /system/lib64/libapp.so (Session::open(char const*)+212)",
    "    #02 pc 000000000003c0de  /system/lib64/libapp.so (main+88)",
)


def render_log(
    workflow: str, branch: str, started_at: datetime, *, share: float, result: str | None, crash: bool = False
) -> str:
    """Render the log as far as it is written; `share` is the fraction from 0 to 1."""
    failure = () if result != "error" else CRASH if crash else FAILURE
    text = "\n".join(_lines(workflow, branch, started_at, failure))
    if result is None or result.startswith("aborted"):
        return text[: int(len(text) * share)]
    return text


def split_chunks(text: str) -> list[str]:
    """Split the log into the chunks that the API returns."""
    return [text[start : start + CHUNK_SIZE] for start in range(0, len(text), CHUNK_SIZE)]


def log_summary(text: str, build_slug: str, started_at: datetime | None) -> dict[str, Any]:
    """Return the summary of the log's steps so far (Bitrise's MCP server, `get_build_steps`)."""
    found = []
    for index, (step, _) in enumerate(STEPS):
        if f"({index}) {step}" not in text:
            break
        name, _, version = step.partition("@")
        failed, ended = f"{step} (exit code: 1)" in text, f"{step:<58}" in text
        started = started_at + timedelta(seconds=30 * index) if started_at else None
        duration = timedelta(seconds=27.4 + index)
        found.append(
            {
                "uuid": f"{build_slug}-{index}",
                "step_id": name,
                "title": name,
                "version": version,
                "status": "failed" if failed else "success" if ended else "in_progress",
                "started_at": f"{started:%Y-%m-%dT%H:%M:%SZ}" if started else None,
                "finished_at": f"{started + duration:%Y-%m-%dT%H:%M:%SZ}"
                if started and (failed or ended)
                else None,
                "errors": [{"code": 1, "message": "118 tests completed, 1 failed"}] if failed else None,
            }
        )
    return {"build_id": build_slug, "execution": {"workflows": [{"uuid": build_slug, "steps": found}]}}


def step_output(text: str, build_slug: str, uuid: str) -> list[str] | None:
    """Return the output lines of a step; None for an unknown step."""
    index = uuid.removeprefix(f"{build_slug}-")
    if not index.isdigit() or f"| ({index}) " not in text:
        return None
    return text.split(f"| ({index}) ", 1)[1].split("\n")[6:-1][:40]


def _lines(workflow: str, branch: str, started_at: datetime, failure: Sequence[str]) -> Iterator[str]:
    yield f"\x1b[36;1m  Bitrise\x1b[0m  workflow {workflow}, branch {branch}"
    yield ""
    for index, (step, output) in enumerate(STEPS):
        at = started_at + timedelta(seconds=30 * index)
        fails = bool(failure) and index == FAILING_STEP
        yield from _box(
            f"({index}) {step}", f"id: {step.partition('@')[0]}", f"time: {at:%Y-%m-%dT%H:%M:%SZ}"
        )
        yield from output
        if fails:
            yield from failure
        yield from _result(step, 27.4 + index, fails=fails)
        if fails:
            break
    yield from _summary(failing=bool(failure))


def _box(title: str, *facts: str) -> Iterator[str]:
    edge = f"+{'-' * WIDTH}+"
    yield edge
    yield f"| {title:<{WIDTH - 2}} |"
    yield edge
    for fact in facts:
        yield f"| {fact:<{WIDTH - 2}} |"
    yield edge
    yield f"|{'':<{WIDTH}}|"


def _result(step: str, seconds: float, *, fails: bool) -> Iterator[str]:
    mark, colour = ("x", "31;1") if fails else ("✓", "32;1")
    name = f"{step} (exit code: 1)" if fails else step
    edge = f"+---+{'-' * 60}+{'-' * 13}+"
    yield edge
    yield f"| \x1b[{colour}m{mark}\x1b[0m | \x1b[{colour}m{name:<58}\x1b[0m | {f'{seconds:.2f} sec':<11} |"
    yield edge
    yield ""


def _summary(*, failing: bool) -> Iterator[str]:
    yield f"+{'-' * WIDTH}+"
    yield f"| {'bitrise summary':^{WIDTH - 2}} |"
    yield f"+{'-' * WIDTH}+"
    yield "\x1b[31;1mBitrise build failed\x1b[0m" if failing else "\x1b[32;1mBitrise build successful\x1b[0m"
