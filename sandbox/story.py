"""The story of `buildbell sandbox --story`: a day with the bot, played automatically."""

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

Step = Callable[["Story"], Awaitable[None]]


WAIT_SECONDS = 30.0


class StoryFailed(Exception):
    """A step of the story did not behave as expected."""


class Story:
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
            raise StoryFailed(f"{text} was not acknowledged")
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
        """Raise StoryFailed if the condition is false."""
        if not condition:
            raise StoryFailed(what)


async def play_story(manifest: Mapping[str, Any], *, database_url: str | None = None) -> int:
    """Run all steps and print the channel as a user sees it; returns the exit code."""
    async with SandboxEnvironment(manifest) as environment:
        await environment.start(database_url=database_url)
        await environment.connect_accounts("anna", "ben")
        story = Story(environment)
        try:
            for step in STEPS:
                _say(f"• {(step.__doc__ or '').strip()}")
                await step(story)
            story.check(
                not environment.slack.violations,
                f"violations of the rules of Slack: {environment.slack.violations}",
            )
        except (StoryFailed, TimeoutError) as problem:
            _say(
                f"\nThe story failed: {problem}\n\nThe channel:\n{environment.slack.transcript('builds', 'anna')}"
            )
            _say(f"\nThe last lines of the bot's log:\n{environment.bot.recent_log()}")
            return 1
        except Exception:  # noqa: BLE001 - whatever broke, the story reports it and fails
            _say(
                f"\nThe story raised an exception:\n{traceback.format_exc()}"
                f"\nThe last lines of the bot's log:\n{environment.bot.recent_log()}"
            )
            return 1
        _say(f"\n#builds, as Anna sees it\n{'─' * 60}\n{environment.slack.transcript('builds', 'anna')}")
        _say(f"{'─' * 60}\nThe story passed without violations of the rules of Slack.")
        return 0


async def _subscribe(story: Story) -> None:
    """Anna subscribes #builds to an app."""
    await story.users.command("anna", "builds", "/bitrise subscribe android")
    await story.wait_for_notification("anna subscribed to Sample Android: all finished builds")


async def _a_build_fails(story: Story) -> None:
    """A push starts a build, and it fails."""
    story.bitrise.start_build(
        story.bitrise.android,
        params={"commit_message": "Make login <stricter>", "commit_hash": "b1709" * 8},
        ends_as="error",
    )
    story.pass_time(minutes=2)
    await story.send_command("ben", "/bitrise status android", "1 running")
    story.pass_time(minutes=4)
    post = await story.wait_for_notification("Sample Android #1 failed")
    message = story.slack.message_text(post)
    for part in (
        "main",
        "primary",
        "b1709b17",
        "Make login <stricter>",
        "on hold",
        "40s preparing",
        "4m building",
    ):
        story.check(part in message, f"the notification of the failure lacks {part}:\n{message}")


async def _the_log(story: Story) -> None:
    """The notification names the failing step; Ben requests the log, and only he can see it."""
    post = await story.wait_for_notification("#1 failed")
    story.pass_time(seconds=15)
    await story.wait_for_edit(post, "Failed in `gradle-unit-test@1.0.7`")
    await story.users.click("ben", post, "View log")
    log = await story.wait_for_notification("118 tests completed, 1 failed", viewer="ben", after=post)
    story.check(log.only_for == "U0BEN", "the log was shown to everyone")
    story.check("\x1b" not in story.slack.message_text(log), "the log still contains colours")


async def _a_user_without_account(story: Story) -> None:
    """Carla has no connected account: she sees the builds of the channel, but cannot change anything."""
    await story.send_command("carla", "/bitrise status android", "Sample Android")
    await story.send_command("carla", "/bitrise trigger android branch:develop", "`/bitrise connect`")
    story.check(len(story.bitrise.state.builds) == 1, "a user without an account started a build")


async def _abort_with_a_reason(story: Story) -> None:
    """Ben triggers a build and aborts it with a reason; Bitrise records him."""
    await story.users.command("ben", "builds", "/bitrise trigger android branch:develop")
    await story.wait_for_notification("ben started Sample Android #2")
    card = await story.send_command("ben", "/bitrise build android #2", "Sample Android #2")
    await story.users.click("ben", card, "Abort…")
    await story.slack.wait_for_modal("ben", "at once and posts your name")
    await story.users.submit(
        "ben",
        {"suggestion": "Wrong branch or commit", "reason": "meant main", "options": ["No Git status"]},
    )
    await story.slack.wait_until_closed("ben")
    await story.wait_for_notification("ben aborted Sample Android #2: Wrong branch or commit: meant main")
    notification = await story.wait_for_notification("Sample Android #2 was aborted")
    story.check(
        "meant main" in story.slack.message_text(notification)
        and "ben-okafor" in story.slack.message_text(notification),
        f"the notification of the abort lacks its reason, or Ben: {story.slack.message_text(notification)}",
    )
    aborted = next(build for build in story.bitrise.state.builds if build.number == 2)
    story.check(aborted.result == "aborted", "the build continues at Bitrise")


async def _an_artifact(story: Story) -> None:
    """A third build succeeds, and Anna downloads an artifact."""
    story.bitrise.start_build(story.bitrise.android)
    story.pass_time(minutes=6)
    post = await story.wait_for_notification("Sample Android #3 passed")
    await story.users.click("anna", post, "View artifacts")
    listed = await story.wait_for_notification("sample-android.apk", viewer="anna", after=post)
    await story.users.click("anna", listed, "Get link")
    link_message = await story.wait_for_notification(
        "Anyone with the download link can use it", viewer="anna", after=listed
    )
    _, button = find_element(link_message.blocks, "Download")
    async with aiohttp.ClientSession() as session, session.get(button["url"]) as response:
        size = len(await response.read())
        story.check(response.status == 200 and size > 1000, f"the link gives {response.status}, {size} bytes")


async def _a_crash(story: Story) -> None:
    """The bot is killed while a build finishes; after a restart it notifies once."""
    story.bitrise.start_build(story.bitrise.android, params={"branch": "release/2.1"})
    story.pass_time(minutes=2)
    await story.send_command("ben", "/bitrise status android", "release/2.1")
    await story.environment.bot.kill()
    story.pass_time(minutes=5)
    await story.environment.start_bot()
    await story.wait_for_notification("Sample Android #4 passed")
    await story.send_command("ben", "/bitrise builds android branch:main,develop", "Sample Android #2")
    times = [post for post in story.slack.posts("builds") if "#4 passed" in story.slack.message_text(post)]
    story.check(len(times) == 1, f"the build was notified {len(times)} times")


async def _a_failure_streak(story: Story) -> None:
    """#random gets a card for a failure streak; Carla claims it, and the branch is fixed."""
    await story.users.command("ben", "random", "/bitrise subscribe android branch:main style:card")
    await story.slack.wait_for_post("random", "one card per failure streak", seconds=WAIT_SECONDS)
    failing = story.bitrise.start_build(story.bitrise.android, ends_as="error")
    story.pass_time(minutes=7)
    card = await story.slack.wait_for_post("random", "is failing", seconds=WAIT_SECONDS)
    await story.users.click("carla", card, "I'm on it")
    await story.wait_for_edit(card, "@carla is on it")
    story.pass_time(seconds=30)
    await story.wait_for_edit(card, "Failed in `gradle-unit-test@1.0.7`")
    story.bitrise.start_build(story.bitrise.android)
    story.pass_time(minutes=7)
    await story.wait_for_edit(card, "is fixed after")
    about = f"/bitrise why android #{failing.number - 1}"
    await story.users.command("carla", "random", about)
    await story.slack.wait_for_post("random", "branch is `release/2.1`, not `main`", viewer="carla")


async def _a_second_approver(story: Story) -> None:
    """Anna protects the branch main; Ben can build it once Anna approves."""
    await story.send_command("anna", "/bitrise policy android", "Who can do what")
    rules = await story.wait_for_notification("Who can do what", viewer="anna")
    await story.users.click("anna", rules, "Add a rule…")
    await story.slack.wait_for_modal("anna", "Add a rule")
    # The fields of this kind of rule appear after it is selected.
    await story.users.set_value("anna", "policy_kind", "Require approval")
    await story.slack.wait_for_modal("anna", "Request expires after")
    filled = {"acts": ["Start builds"], "who": "Anyone with a connected account"}
    await story.users.submit("anna", {**filled, "branches": "main", "minutes": "30"})
    await story.wait_for_notification("New access rule: Approval")
    before = len(story.bitrise.state.builds)
    await story.users.command("ben", "builds", "/bitrise trigger android branch:main")
    pending = await story.wait_for_notification("ben requests approval to start Sample Android")
    await story.users.click("ben", pending, "Approve")
    await story.wait_for_notification("You can't decide your own request", viewer="ben")
    story.check(len(story.bitrise.state.builds) == before, "a user approved their own request")
    await story.users.click("anna", pending, "Approve")
    await story.wait_for_notification("ben started Sample Android")
    await story.send_command("anna", "/bitrise audit", "requested approval to")


async def _unsubscribe(story: Story) -> None:
    """Anna unsubscribes by mention."""
    story.users.invite("builds")
    story.users.say("anna", "builds", "@buildbell unsubscribe android")
    await story.wait_for_notification("anna removed a subscription to Sample Android")


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
