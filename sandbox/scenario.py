"""A whole day in the sandbox, without hands: `buildbell sandbox --story`. Exits non-zero where anything is amiss."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import aiohttp

from sandbox.environment import SandboxEnvironment
from sandbox.slack.input_values import find_element
from sandbox.slack.workspace import Post

Scene = Callable[["Scenario"], Awaitable[None]]


WAIT = 30.0


class ScenarioFailed(Exception):
    """Something is not as it should be."""


class Scenario:
    """The stage, and what later scenes need from earlier ones."""

    def __init__(self, stage: SandboxEnvironment) -> None:
        self.stage = stage
        self.slack, self.bitrise = stage.slack, stage.bitrise
        self.people = stage.slack.people

    async def wait_for_notification(
        self, text: str, *, viewer: str | None = None, after: Post | None = None
    ) -> Post:
        """The message in #builds that says this."""
        return await self.slack.wait_for_post("builds", text, viewer=viewer, after=after, seconds=WAIT)

    async def ask(self, person: str, text: str, expected: str) -> Post:
        """Type a command, and wait for its answer."""
        before = next(reversed(self.slack.posts("builds", person)), None)
        if await self.people.command(person, "builds", text) is None:
            raise ScenarioFailed(f"{text} was not acknowledged")
        return await self.wait_for_notification(expected, viewer=person, after=before)

    async def until(self, post: Post, text: str) -> None:
        """Wait until the message, which is edited, says this."""
        await self.slack.workspace.wait_for(
            lambda: text in self.slack.message_text(post) or None,
            WAIT,
            f"{text!r} in {self.slack.message_text(post)!r}",
        )

    def pass_time(self, **span: float) -> None:
        """Let the builds live on for so long."""
        self.stage.clock.skip(timedelta(**span))

    def expect(self, condition: object, what: str) -> None:
        """Raises ScenarioFailed where it is not so."""
        if not condition:
            raise ScenarioFailed(what)


async def run_scenario(manifest: Mapping[str, Any]) -> int:
    """Play the day, print the channel as a person sees it; returns the exit code."""
    async with SandboxEnvironment(manifest) as stage:
        await stage.start()
        await stage.connect_accounts("anna", "ben")
        day = Scenario(stage)
        try:
            for scene in SCENES:
                _say(f"• {(scene.__doc__ or '').strip()}")
                await scene(day)
            day.expect(not stage.slack.violations, f"rules of Slack were broken: {stage.slack.violations}")
        except (ScenarioFailed, TimeoutError) as problem:
            _say(
                f"\nNot as it should be: {problem}\n\nThe channel:\n{stage.slack.transcript('builds', 'anna')}"
            )
            _say(f"\nThe bot's last words:\n{stage.bot.recent_log()}")
            return 1
        except Exception:  # noqa: BLE001 - whatever broke, the story says so and fails
            _say(
                f"\nThe story broke:\n{traceback.format_exc()}\nThe bot's last words:\n{stage.bot.recent_log()}"
            )
            return 1
        _say(f"\n#builds, as Anna sees it\n{'─' * 60}\n{stage.slack.transcript('builds', 'anna')}")
        _say(f"{'─' * 60}\nThe day went as it should, and no rule of Slack was broken.")
        return 0


async def _subscribe(day: Scenario) -> None:
    """Anna subscribes #builds to an app."""
    await day.people.command("anna", "builds", "/bitrise subscribe android")
    await day.wait_for_notification("anna subscribed this channel to every build's end in Sample Android")


async def _a_build_fails(day: Scenario) -> None:
    """A push starts a build, and it fails."""
    day.bitrise.start_build(
        day.bitrise.android,
        params={"commit_message": "Make login <stricter>", "commit_hash": "b1709" * 8},
        ends_as="error",
    )
    day.pass_time(minutes=2)
    await day.ask("ben", "/bitrise status android", "1 running")
    day.pass_time(minutes=4)
    post = await day.wait_for_notification("Sample Android #1 failed")
    said = day.slack.message_text(post)
    for part in (
        "main",
        "primary",
        "b1709b17",
        "Make login <stricter>",
        "on hold",
        "40 s preparing",
        "4 min building",
    ):
        day.expect(part in said, f"the failure is told without {part}:\n{said}")


async def _its_log(day: Scenario) -> None:
    """Its message names the failing step; Ben asks for the log, and he alone sees it."""
    post = await day.wait_for_notification("#1 failed")
    day.pass_time(seconds=15)
    await day.until(post, "Failed in `gradle-unit-test@1.0.7`")
    await day.people.click("ben", post, "Log")
    log = await day.wait_for_notification("118 tests completed, 1 failed", viewer="ben", after=post)
    day.expect(log.only_for == "U0BEN", "the log was shown to everybody")
    day.expect("\x1b" not in day.slack.message_text(log), "colours were left in the log")


async def _somebody_who_may_not(day: Scenario) -> None:
    """Carla has linked no account: she sees what the channel follows, and can change nothing."""
    await day.ask("carla", "/bitrise status android", "Sample Android")
    await day.ask("carla", "/bitrise trigger android branch:develop", "`/bitrise connect`")
    day.expect(len(day.bitrise.farm.builds) == 1, "somebody without an account has started a build")


async def _abort_with_a_reason(day: Scenario) -> None:
    """Ben starts a build, presses Abort and gives a reason; Bitrise knows that it was him."""
    await day.people.command("ben", "builds", "/bitrise trigger android branch:develop")
    await day.wait_for_notification("ben started Sample Android #2")
    card = await day.ask("ben", "/bitrise build android #2", "Sample Android #2")
    await day.people.click("ben", card, "Abort")
    await day.slack.wait_for_modal("ben", "stops at once")
    await day.people.submit(
        "ben",
        {"suggestion": "Wrong branch or commit", "reason": "meant main", "options": ["No Git status"]},
    )
    await day.slack.wait_until_closed("ben")
    await day.wait_for_notification("ben aborted Sample Android #2: Wrong branch or commit: meant main")
    told = await day.wait_for_notification("Sample Android #2 was aborted")
    day.expect(
        "meant main" in day.slack.message_text(told) and "ben-okafor" in day.slack.message_text(told),
        f"the abort is told without its reason, or not as Ben's: {day.slack.message_text(told)}",
    )
    aborted = next(build for build in day.bitrise.farm.builds if build.number == 2)
    day.expect(aborted.result == "aborted", "the build goes on at Bitrise")


async def _an_artifact(day: Scenario) -> None:
    """A third build succeeds, and Anna fetches an artifact."""
    day.bitrise.start_build(day.bitrise.android)
    day.pass_time(minutes=6)
    post = await day.wait_for_notification("Sample Android #3 succeeded")
    await day.people.click("anna", post, "Artifacts")
    listed = await day.wait_for_notification("sample-android.apk", viewer="anna", after=post)
    await day.people.click("anna", listed, "Get link")
    given = await day.wait_for_notification("lives ten minutes, and works", viewer="anna", after=listed)
    _, button = find_element(given.blocks, "Download")
    async with aiohttp.ClientSession() as session, session.get(button["url"]) as response:
        size = len(await response.read())
        day.expect(response.status == 200 and size > 1000, f"the link gives {response.status}, {size} bytes")


async def _a_power_cut(day: Scenario) -> None:
    """The bot is killed; a build ends meanwhile; started again, the bot tells it once."""
    day.bitrise.start_build(day.bitrise.android, params={"branch": "release/2.1"})
    day.pass_time(minutes=2)
    await day.ask("ben", "/bitrise status android", "release/2.1")
    await day.stage.bot.kill()
    day.pass_time(minutes=5)
    await day.stage.start_bot()
    await day.wait_for_notification("Sample Android #4 succeeded")
    await day.ask("ben", "/bitrise builds android branch:main,develop", "Sample Android #2")
    times = [post for post in day.slack.posts("builds") if "#4 succeeded" in day.slack.message_text(post)]
    day.expect(len(times) == 1, f"the build was told {len(times)} times")


async def _a_broken_branch(day: Scenario) -> None:
    """#random has a card of what is broken: Carla takes it, the branch is mended, and why says what was silent."""
    await day.people.command("ben", "random", "/bitrise subscribe android branch:main style:card")
    await day.slack.wait_for_post("random", "one card a broken series", seconds=WAIT)
    failing = day.bitrise.start_build(day.bitrise.android, ends_as="error")
    day.pass_time(minutes=7)
    card = await day.slack.wait_for_post("random", "is broken", seconds=WAIT)
    await day.people.click("carla", card, "I'm on it")
    await day.until(card, "@carla is on it")
    day.pass_time(seconds=30)
    await day.until(card, "Failed in `gradle-unit-test@1.0.7`")
    day.bitrise.start_build(day.bitrise.android)
    day.pass_time(minutes=7)
    await day.until(card, "is green again after")
    about = f"/bitrise why android #{failing.number - 1}"
    await day.people.command("carla", "random", about)
    await day.slack.wait_for_post("random", "its branch `release/2.1` is not `main`", viewer="carla")


async def _a_second_person(day: Scenario) -> None:
    """Anna protects the branch main; Ben wants to build it, and may once Anna agrees."""
    await day.ask("anna", "/bitrise policy android", "Who may do what")
    shown = await day.wait_for_notification("Who may do what", viewer="anna")
    await day.people.click("anna", shown, "Add a rule…")
    await day.slack.wait_for_modal("anna", "Add a rule")
    # The fields of this kind of rule are there once it is picked.
    await day.people.set_value("anna", "policy_kind", "Needs a second person")
    await day.slack.wait_for_modal("anna", "Minutes to agree within")
    filled = {"acts": ["Start builds"], "who": "Everyone with a linked account"}
    await day.people.submit("anna", {**filled, "branches": "main", "minutes": "30"})
    await day.wait_for_notification("A new rule: Starting builds")
    before = len(day.bitrise.farm.builds)
    await day.people.command("ben", "builds", "/bitrise trigger android branch:main")
    asked = await day.wait_for_notification("ben wants to start Sample Android")
    await day.people.click("ben", asked, "Agree")
    await day.wait_for_notification("a second person is the point of it", viewer="ben")
    day.expect(len(day.bitrise.farm.builds) == before, "somebody has agreed with himself")
    await day.people.click("anna", asked, "Agree")
    await day.wait_for_notification("ben started Sample Android")
    await day.ask("anna", "/bitrise audit", "asked for agreement")


async def _evening(day: Scenario) -> None:
    """In the evening Anna ends the subscription, by mention."""
    day.people.invite("builds")
    day.people.say("anna", "builds", "@buildbell unsubscribe android")
    await day.wait_for_notification("anna ended the subscription to Sample Android")


SCENES: tuple[Scene, ...] = (
    _subscribe,
    _a_build_fails,
    _its_log,
    _somebody_who_may_not,
    _abort_with_a_reason,
    _an_artifact,
    _a_power_cut,
    _a_broken_branch,
    _a_second_person,
    _evening,
)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
