"""An end-to-end scenario: `buildbell sandbox --story`. Exits non-zero on failure."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import aiohttp

from sandbox.environment import SandboxEnvironment
from sandbox.slack.input_values import find_element
from sandbox.slack.models import Post

Step = Callable[["Scenario"], Awaitable[None]]


WAIT_SECONDS = 30.0


class ScenarioFailed(Exception):
    """A step of the scenario did not behave as expected."""


class Scenario:
    """The environment, and what later steps need from earlier ones."""

    def __init__(self, environment: SandboxEnvironment) -> None:
        self.environment = environment
        self.slack, self.bitrise = environment.slack, environment.bitrise
        self.users = environment.slack.users

    async def wait_for_notification(
        self, text: str, *, viewer: str | None = None, after: Post | None = None
    ) -> Post:
        """Return the message in #builds that contains this text."""
        return await self.slack.wait_for_post(
            "builds", text, viewer=viewer, after=after, seconds=WAIT_SECONDS
        )

    async def send_command(self, user: str, text: str, expected: str) -> Post:
        """Send a command and wait for its reply."""
        before = next(reversed(self.slack.posts("builds", user)), None)
        if await self.users.command(user, "builds", text) is None:
            raise ScenarioFailed(f"{text} was not acknowledged")
        return await self.wait_for_notification(expected, viewer=user, after=before)

    async def wait_for_edit(self, post: Post, text: str) -> None:
        """Wait until an edited message contains this text."""
        await self.slack.workspace.wait_for(
            lambda: text in self.slack.message_text(post) or None,
            WAIT_SECONDS,
            f"{text!r} in {self.slack.message_text(post)!r}",
        )

    def pass_time(self, **span: float) -> None:
        """Advance the simulated time."""
        self.environment.clock.skip(timedelta(**span))

    def check(self, condition: object, what: str) -> None:
        """Raise ScenarioFailed if the condition is false."""
        if not condition:
            raise ScenarioFailed(what)


async def run_scenario(manifest: Mapping[str, Any]) -> int:
    """Run all steps and print the channel as a user sees it; returns the exit code."""
    async with SandboxEnvironment(manifest) as environment:
        await environment.start()
        await environment.connect_accounts("anna", "ben")
        scenario = Scenario(environment)
        try:
            for step in STEPS:
                _say(f"• {(step.__doc__ or '').strip()}")
                await step(scenario)
            scenario.check(
                not environment.slack.violations,
                f"violations of the rules of Slack: {environment.slack.violations}",
            )
        except (ScenarioFailed, TimeoutError) as problem:
            _say(
                f"\nThe scenario failed: {problem}\n\nThe channel:\n{environment.slack.transcript('builds', 'anna')}"
            )
            _say(f"\nThe last lines of the bot's log:\n{environment.bot.recent_log()}")
            return 1
        except Exception:  # noqa: BLE001 - whatever broke, the scenario reports it and fails
            _say(
                f"\nThe scenario raised an exception:\n{traceback.format_exc()}"
                f"\nThe last lines of the bot's log:\n{environment.bot.recent_log()}"
            )
            return 1
        _say(f"\n#builds, as Anna sees it\n{'─' * 60}\n{environment.slack.transcript('builds', 'anna')}")
        _say(f"{'─' * 60}\nThe scenario passed without violations of the rules of Slack.")
        return 0


async def _subscribe(scenario: Scenario) -> None:
    """Anna subscribes #builds to an app."""
    await scenario.users.command("anna", "builds", "/bitrise subscribe android")
    await scenario.wait_for_notification(
        "anna subscribed this channel to every build's end in Sample Android"
    )


async def _a_build_fails(scenario: Scenario) -> None:
    """A push starts a build, and it fails."""
    scenario.bitrise.start_build(
        scenario.bitrise.android,
        params={"commit_message": "Make login <stricter>", "commit_hash": "b1709" * 8},
        ends_as="error",
    )
    scenario.pass_time(minutes=2)
    await scenario.send_command("ben", "/bitrise status android", "1 running")
    scenario.pass_time(minutes=4)
    post = await scenario.wait_for_notification("Sample Android #1 failed")
    message = scenario.slack.message_text(post)
    for part in (
        "main",
        "primary",
        "b1709b17",
        "Make login <stricter>",
        "on hold",
        "40 s preparing",
        "4 min building",
    ):
        scenario.check(part in message, f"the failure is told without {part}:\n{message}")


async def _the_log(scenario: Scenario) -> None:
    """The notification names the failing step; Ben requests the log, and only he can see it."""
    post = await scenario.wait_for_notification("#1 failed")
    scenario.pass_time(seconds=15)
    await scenario.wait_for_edit(post, "Failed in `gradle-unit-test@1.0.7`")
    await scenario.users.click("ben", post, "Log")
    log = await scenario.wait_for_notification("118 tests completed, 1 failed", viewer="ben", after=post)
    scenario.check(log.only_for == "U0BEN", "the log was shown to everybody")
    scenario.check("\x1b" not in scenario.slack.message_text(log), "colours were left in the log")


async def _a_user_without_account(scenario: Scenario) -> None:
    """Carla has no connected account: she sees the builds of the channel, but cannot change anything."""
    await scenario.send_command("carla", "/bitrise status android", "Sample Android")
    await scenario.send_command("carla", "/bitrise trigger android branch:develop", "`/bitrise connect`")
    scenario.check(len(scenario.bitrise.state.builds) == 1, "somebody without an account has started a build")


async def _abort_with_a_reason(scenario: Scenario) -> None:
    """Ben triggers a build and aborts it with a reason; Bitrise records him."""
    await scenario.users.command("ben", "builds", "/bitrise trigger android branch:develop")
    await scenario.wait_for_notification("ben started Sample Android #2")
    card = await scenario.send_command("ben", "/bitrise build android #2", "Sample Android #2")
    await scenario.users.click("ben", card, "Abort")
    await scenario.slack.wait_for_modal("ben", "stops at once")
    await scenario.users.submit(
        "ben",
        {"suggestion": "Wrong branch or commit", "reason": "meant main", "options": ["No Git status"]},
    )
    await scenario.slack.wait_until_closed("ben")
    await scenario.wait_for_notification("ben aborted Sample Android #2: Wrong branch or commit: meant main")
    notification = await scenario.wait_for_notification("Sample Android #2 was aborted")
    scenario.check(
        "meant main" in scenario.slack.message_text(notification)
        and "ben-okafor" in scenario.slack.message_text(notification),
        f"the abort is told without its reason, or not as Ben's: {scenario.slack.message_text(notification)}",
    )
    aborted = next(build for build in scenario.bitrise.state.builds if build.number == 2)
    scenario.check(aborted.result == "aborted", "the build goes on at Bitrise")


async def _an_artifact(scenario: Scenario) -> None:
    """A third build succeeds, and Anna downloads an artifact."""
    scenario.bitrise.start_build(scenario.bitrise.android)
    scenario.pass_time(minutes=6)
    post = await scenario.wait_for_notification("Sample Android #3 succeeded")
    await scenario.users.click("anna", post, "Artifacts")
    listed = await scenario.wait_for_notification("sample-android.apk", viewer="anna", after=post)
    await scenario.users.click("anna", listed, "Get link")
    link_message = await scenario.wait_for_notification(
        "lives ten minutes, and works", viewer="anna", after=listed
    )
    _, button = find_element(link_message.blocks, "Download")
    async with aiohttp.ClientSession() as session, session.get(button["url"]) as response:
        size = len(await response.read())
        scenario.check(
            response.status == 200 and size > 1000, f"the link gives {response.status}, {size} bytes"
        )


async def _a_crash(scenario: Scenario) -> None:
    """The bot is killed while a build finishes; after a restart it notifies once."""
    scenario.bitrise.start_build(scenario.bitrise.android, params={"branch": "release/2.1"})
    scenario.pass_time(minutes=2)
    await scenario.send_command("ben", "/bitrise status android", "release/2.1")
    await scenario.environment.bot.kill()
    scenario.pass_time(minutes=5)
    await scenario.environment.start_bot()
    await scenario.wait_for_notification("Sample Android #4 succeeded")
    await scenario.send_command("ben", "/bitrise builds android branch:main,develop", "Sample Android #2")
    times = [
        post for post in scenario.slack.posts("builds") if "#4 succeeded" in scenario.slack.message_text(post)
    ]
    scenario.check(len(times) == 1, f"the build was told {len(times)} times")


async def _a_failure_streak(scenario: Scenario) -> None:
    """#random gets a card for a failure streak; Carla claims it, and the branch is fixed."""
    await scenario.users.command("ben", "random", "/bitrise subscribe android branch:main style:card")
    await scenario.slack.wait_for_post("random", "one card a broken series", seconds=WAIT_SECONDS)
    failing = scenario.bitrise.start_build(scenario.bitrise.android, ends_as="error")
    scenario.pass_time(minutes=7)
    card = await scenario.slack.wait_for_post("random", "is broken", seconds=WAIT_SECONDS)
    await scenario.users.click("carla", card, "I'm on it")
    await scenario.wait_for_edit(card, "@carla is on it")
    scenario.pass_time(seconds=30)
    await scenario.wait_for_edit(card, "Failed in `gradle-unit-test@1.0.7`")
    scenario.bitrise.start_build(scenario.bitrise.android)
    scenario.pass_time(minutes=7)
    await scenario.wait_for_edit(card, "is green again after")
    about = f"/bitrise why android #{failing.number - 1}"
    await scenario.users.command("carla", "random", about)
    await scenario.slack.wait_for_post("random", "its branch `release/2.1` is not `main`", viewer="carla")


async def _a_second_approver(scenario: Scenario) -> None:
    """Anna protects the branch main; Ben can build it once Anna approves."""
    await scenario.send_command("anna", "/bitrise policy android", "Who may do what")
    rules = await scenario.wait_for_notification("Who may do what", viewer="anna")
    await scenario.users.click("anna", rules, "Add a rule…")
    await scenario.slack.wait_for_modal("anna", "Add a rule")
    # The fields of this kind of rule appear after it is selected.
    await scenario.users.set_value("anna", "policy_kind", "Needs a second person")
    await scenario.slack.wait_for_modal("anna", "Minutes to agree within")
    filled = {"acts": ["Start builds"], "who": "Everyone with a linked account"}
    await scenario.users.submit("anna", {**filled, "branches": "main", "minutes": "30"})
    await scenario.wait_for_notification("A new rule: Starting builds")
    before = len(scenario.bitrise.state.builds)
    await scenario.users.command("ben", "builds", "/bitrise trigger android branch:main")
    pending = await scenario.wait_for_notification("ben wants to start Sample Android")
    await scenario.users.click("ben", pending, "Agree")
    await scenario.wait_for_notification("a second person is the point of it", viewer="ben")
    scenario.check(len(scenario.bitrise.state.builds) == before, "somebody has agreed with himself")
    await scenario.users.click("anna", pending, "Agree")
    await scenario.wait_for_notification("ben started Sample Android")
    await scenario.send_command("anna", "/bitrise audit", "asked for agreement")


async def _unsubscribe(scenario: Scenario) -> None:
    """Anna unsubscribes by mention."""
    scenario.users.invite("builds")
    scenario.users.say("anna", "builds", "@buildbell unsubscribe android")
    await scenario.wait_for_notification("anna ended the subscription to Sample Android")


STEPS: tuple[Step, ...] = (
    _subscribe,
    _a_build_fails,
    _the_log,
    _a_user_without_account,
    _abort_with_a_reason,
    _an_artifact,
    _a_crash,
    _a_failure_streak,
    _a_second_approver,
    _unsubscribe,
)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
