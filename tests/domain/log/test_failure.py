"""The cause of a failure, found in logs of common build tools."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.control_characters import plain_text
from domain.log.failure import MAX_LINES, find_failure
from sandbox.bitrise.log_text import render_log

EDGE = f"+{'-' * 78}+"


def make_step(title: str, output: str, *, code: int | None = None) -> str:
    """Make a step in the box that Bitrise's command line draws."""
    mark, name = ("x", f"{title} (exit code: {code})") if code is not None else ("✓", title)
    head = [EDGE, f"| {f'(0) {title}':<76} |", EDGE, f"| {'id: some-step':<76} |", EDGE, f"|{'':<78}|"]
    foot = [f"+---+{'-' * 60}+{'-' * 13}+", f"| {mark} | {name:<58} | {'27.40 sec':<11} |"]
    return "\n".join([*head, output, *foot, f"+---+{'-' * 60}+{'-' * 13}+"])


def make_log(output: str, *, title: str = "some-step@1") -> str:
    """Make a complete log whose second step fails."""
    return "\n".join(
        [
            make_step("git-clone@8", "error: this was only a warning of an earlier step"),
            make_step(title, output, code=65),
            f"{EDGE}\n| {'bitrise summary':^76} |\n{EDGE}",
            "Bitrise build failed",
        ]
    )


GRADLE = """> Task :app:compileDebugKotlin
e: file:///src/Login.kt:42:13 Unresolved reference: passwort
> Task :app:compileDebugKotlin FAILED

FAILURE: Build failed with an exception.

* What went wrong:
Execution failed for task ':app:compileDebugKotlin'.
> Compilation error. See log for more details

* Try:
> Run with --stacktrace option to get the stack trace.

BUILD FAILED in 27s"""
XCODE = """CompileSwift normal arm64 /src/Login.swift
/src/Login.swift:12:9: error: cannot find 'passwort' in scope
        passwort.check()
        ^~~~~~~~
/src/Old.swift:3:1: warning: 'old' is deprecated
Test Case '-[LoginTests testEmpty]' failed (0.004 seconds).

** TEST FAILED **

The following build commands failed:
	CompileSwift normal arm64 (in target 'App')
(1 failure)"""
FLUTTER = """00:04 +3: loading /src/test/login_test.dart
══╡ EXCEPTION CAUGHT BY FLUTTER TEST FRAMEWORK ╞═════════════
The following TestFailure was thrown running a test:
Expected: exactly one matching candidate

00:05 +3 -1: rejects an empty password [E]
  Test failed. See exception logs above.
00:06 +4 -1: Some tests failed.
lib/login.dart:10:5: Error: Undefined name 'passwort'."""
NPM = """> shop@1.0.0 test
FAIL src/cart.test.js
  ● cart › adds an item

    expect(received).toBe(expected)
Tests:       1 failed, 11 passed, 12 total
npm ERR! code ELIFECYCLE
npm ERR! shop@1.0.0 test: `jest`
npm ERR! A complete log of this run can be found in: /root/.npm/_logs/x.log"""


@pytest.mark.parametrize(
    ("output", "expected", "unexpected"),
    [
        (
            GRADLE,
            ["e: file:///src/Login.kt:42:13 Unresolved reference: passwort", "* What went wrong:"],
            "--stacktrace",
        ),
        (
            XCODE,
            ["/src/Login.swift:12:9: error: cannot find 'passwort' in scope", "** TEST FAILED **"],
            "deprecated",
        ),
        (
            FLUTTER,
            ["00:05 +3 -1: rejects an empty password [E]", "Expected: exactly one matching candidate"],
            "loading",
        ),
        (NPM, ["  ● cart › adds an item", "npm ERR! shop@1.0.0 test: `jest`"], "A complete log"),
        ("make: all is well\nsh: line 1: foo: not found\nbye", ["sh: line 1: foo: not found"], "all is well"),
        ("one\ntwo\nthree", ["one", "two", "three"], "Bitrise"),
    ],
)
def test_the_relevant_lines_of_the_failing_step_are_found(
    output: str, expected: list[str], unexpected: str
) -> None:
    failure = find_failure(make_log(output))
    assert (failure.step, failure.exit_code) == ("some-step@1", 65)
    for line in expected:
        assert line in failure.lines
    assert unexpected not in "\n".join(failure.lines)
    assert "only a warning of an earlier step" not in "\n".join(failure.lines)
    assert len(failure.lines) <= MAX_LINES


def test_the_failure_in_a_simulated_log_is_found() -> None:
    text = render_log("primary", "main", datetime(2026, 11, 21, tzinfo=UTC), share=1, result="error")
    failure = find_failure(plain_text(text))
    assert (failure.step, failure.exit_code) == ("gradle-unit-test@1.0.7", 1)
    assert "LoginTest > rejects an empty password FAILED" in failure.lines
    assert "118 tests completed, 1 failed" in failure.lines


def test_the_failure_is_found_in_a_log_that_begins_within_a_step() -> None:
    failure = find_failure(make_log(GRADLE).split("compileDebugKotlin\n", 1)[1])
    assert failure.step == "some-step@1"
    assert "* What went wrong:" in failure.lines


def test_an_empty_log_has_no_failure() -> None:
    assert find_failure("").lines == ()
    assert find_failure("").step is None
