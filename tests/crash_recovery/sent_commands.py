"""Commands of users that have an effect which can be counted: each starts a build of its own branch."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sandbox.bitrise.state import App, Build
from sandbox.environment import SandboxEnvironment
from sandbox.slack.models import BOT_USER, Post

TITLE = "Commands"
_BRANCH = re.compile(rb"command-(\d+)")


@dataclass(eq=False)
class SentCommand:
    """A command in a channel of its own. `accepted_by`: the bots and process ids that have acknowledged it.

    For Slack, an acknowledgement after the deadline is none, and what it says is not shown.
    """

    number: int
    kind: Literal["command", "mention"]
    accepted_by: list[tuple[int, int]] = field(default_factory=list)
    was_late: bool = False

    @property
    def is_acknowledged(self) -> bool:
        """Return whether somebody has acknowledged it in time."""
        return bool(self.accepted_by) and not self.was_late

    @property
    def branch(self) -> str:
        """Return the branch that it builds, and the name of its channel."""
        return f"command-{self.number}"


@dataclass
class CommandReport:
    """What became of the commands."""

    outcomes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class SentCommands:
    """Sends commands, and counts what they have done. Shares no code with the bot."""

    def __init__(self, environment: SandboxEnvironment) -> None:
        self._environment = environment
        self._app: App = environment.bitrise.state.add_app(TITLE, "acme", "commands")
        self._sending: set[asyncio.Task[None]] = set()
        self.sent: list[SentCommand] = []
        self.refusals: Counter[str] = Counter()

    def send(self, kind: Literal["command", "mention"]) -> None:
        """Send another command, without waiting for its acknowledgement."""
        slack = self._environment.slack
        command = SentCommand(len(self.sent) + 1, kind)
        self.sent.append(command)
        slack.workspace.add_channel(command.branch).members.add(BOT_USER)
        words = f"trigger {TITLE.lower()} branch:{command.branch}"
        if kind == "mention":
            slack.users.say("anna", command.branch, f"@{slack.workspace.bot.name} {words}")
            return
        sending = asyncio.create_task(self._send_command(command, words))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _send_command(self, command: SentCommand, words: str) -> None:
        users = self._environment.slack.users
        command.was_late = await users.command("anna", command.branch, f"/bitrise {words}") is None

    def note_answer(self, body: bytes, bot: int, pid: int, status: int) -> None:
        """Note which process has acknowledged a request, with the status 200, or what was answered instead."""
        for number in {int(found) for found in _BRANCH.findall(body)}:
            if status == 200:
                self.sent[number - 1].accepted_by.append((bot, pid))
            else:
                self.refusals[f"{status} of {'a bot' if bot else 'the balancer'}"] += 1

    async def wait_until_sent(self) -> None:
        """Wait until each was acknowledged, or Slack has given up."""
        await asyncio.gather(*self._sending)
        await self._environment.slack.users.delivery.wait_for_events()

    def builds_of(self, command: SentCommand) -> list[Build]:
        """Return what the command has started."""
        builds = self._environment.bitrise.state.builds
        return [build for build in builds if build.app is self._app and build.branch == command.branch]

    def find_open(self) -> list[str]:
        """Return the messages that do not show the end of their build yet."""
        return [
            command.branch
            for command in self.sent
            for build in self.builds_of(command)
            for post in self._messages_about(command, build)
            if "passed" not in self._text(post)
        ]

    def compare(self, is_killed: Callable[[int, int], bool]) -> CommandReport:
        """Compare what was sent with what was done; `is_killed` says whether a bot's process was killed."""
        report = CommandReport()
        for command in self.sent:
            outcome = self._judge(command, is_killed, report)
            report.outcomes[outcome] += 1
        return report

    def _judge(
        self, command: SentCommand, is_killed: Callable[[int, int], bool], report: CommandReport
    ) -> str:
        builds = self.builds_of(command)
        lost = any(is_killed(*process) for process in command.accepted_by)
        replies = [self._text(post) for post in self._replies(command)]
        name = f"{command.kind} {command.number}"
        if len(builds) > 1:
            report.problems.append(f"{name} was carried out {len(builds)} times")
        if not builds:
            if not command.is_acknowledged:
                return "not acknowledged and not done"
            if replies:
                return "answered with an error"
            # A request that was acknowledged but not started when the process was killed (docs/reliability.md).
            if not lost:
                by = ", ".join(f"bot-{bot} ({pid})" for bot, pid in command.accepted_by)
                report.problems.append(f"{name} was acknowledged by {by}, and neither done nor answered")
            return "acknowledged and lost with its process"
        self._check_message(command, builds[0], lost, report)
        return "done once" if command.is_acknowledged else "done once without an acknowledgement"

    def _check_message(self, command: SentCommand, build: Build, lost: bool, report: CommandReport) -> None:
        messages = self._messages_about(command, build)
        if len(messages) > 1:
            report.problems.append(f"#{command.branch} has {len(messages)} messages about its build")
        if not messages:
            report.outcomes["build without a message"] += 1
            if not (lost or self._replies(command)):
                report.problems.append(f"#{command.branch} has no message about its build")
        report.problems += [
            f"#{command.branch} does not show the end of its build: {self._text(post)[:200]}"
            for post in messages
            if "passed" not in self._text(post)
        ]

    def _replies(self, command: SentCommand) -> list[Post]:
        return [post for post in self._environment.slack.posts(command.branch, "anna") if post.by_bot]

    def _messages_about(self, command: SentCommand, build: Build) -> list[Post]:
        name = re.compile(rf"{TITLE} #{build.number}\b")
        return [
            post
            for post in self._environment.slack.posts(command.branch)
            if post.by_bot and name.search(self._text(post))
        ]

    def _text(self, post: Post) -> str:
        return self._environment.slack.message_text(post)
