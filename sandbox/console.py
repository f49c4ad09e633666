"""A small Slack in the terminal: what is typed happens in the sandbox, and what is posted appears."""

from __future__ import annotations

import asyncio
import shlex
import sys
import threading
from collections.abc import Callable

from sandbox.bitrise.members import Role
from sandbox.buildio.control import BuildioControl
from sandbox.control_api import find_app, find_post
from sandbox.environment import SandboxEnvironment
from sandbox.members import find_member, find_role, member_json, revoke_all
from sandbox.slack.input_values import InvalidInteraction
from sandbox.slack.workspace import Post

HELP = """\
  /bitrise …             type a command to the bot: /bitrise help
  press Abort            press the newest button of that name
  fill reason="too old"  fill in the modal before you (suggestion=…, reason=…), then submit it
  say @buildbell status  write a message
  start android develop  let somebody push: a build starts; end it with: fail, pass
  deploy shop            let somebody push to an app at Build.io; deploy shop badly: it fails
  crash shop web.1       let a dyno crash; loop shop web.1: again and again, until: steady shop web.1
  as ben                 be somebody else (anna, ben, carla)
  members                who is at Bitrise, with their roles and their own tokens
  revoke ben             end Ben's tokens at Bitrise; token ben: give him a new one
  role ben web tester    change what he is on an app's team (owner, admin, developer, tester, none)
  go release             go to another channel (builds, random, release, or dm)
  quit                   end the sandbox"""


class Console:
    """One person at a time, in one channel at a time."""

    def __init__(self, stage: SandboxEnvironment, say: Callable[[str], None]) -> None:
        self._stage, self._slack, self._bitrise = stage, stage.slack, stage.bitrise
        self._orders = BuildioControl(stage.buildio).by_name()
        self._say = say
        self._person, self._channel = "anna", "builds"
        self._shown: dict[str, str] = {}

    async def run(self) -> bool:
        """Take lines until the input ends or somebody quits; returns whether somebody did."""
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def put(line: str | None) -> None:
            loop.call_soon_threadsafe(lines.put_nowait, line)

        # A thread that waits for a key must not keep the sandbox from ending.
        threading.Thread(target=_read_lines, args=(put,), daemon=True).start()
        watching = asyncio.create_task(self._watch())
        try:
            while (line := await lines.get()) is not None:
                if line.strip() in ("quit", "exit"):
                    return True
                try:
                    await self._do(line.strip())
                except (InvalidInteraction, KeyError, ValueError) as problem:
                    self._say(f"  {problem}")
            return False
        finally:
            watching.cancel()

    async def _do(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        match word:
            case "":
                return
            case "press":
                post = find_post(self._slack, self._channel, self._person, rest)
                await self._slack.people.click(self._person, post, rest)
            case "fill":
                values = dict(part.split("=", 1) for part in shlex.split(rest))
                await self._slack.people.submit(self._person, values)
            case "say":
                self._slack.people.say(self._person, self._channel, rest)
            case "deploy" | "crash" | "loop" | "steady":
                await self._at_buildio(word, rest)
            case "as":
                self._person = self._slack.workspace.person(rest).name
            case "go":
                who = self._slack.workspace.person(self._person)
                self._channel = f"D{who.id[1:]}" if rest == "dm" else self._slack.workspace.channel(rest).name
            case "start" | "pass" | "fail":
                self._build(word, rest)
            case "members" | "revoke" | "token" | "role":
                self._membership(word, rest)
            case "help":
                self._say(HELP)
            case _ if word.startswith("/"):
                await self._slack.people.command(self._person, self._channel, line)
            case _:
                self._say(f"  I don't know {word}; say `help`")

    def _build(self, word: str, rest: str) -> None:
        if word == "start":
            name, _, branch = rest.partition(" ")
            app = find_app(self._bitrise.farm.apps, name or "android")
            self._bitrise.start_build(app, params={"branch": branch or "main"})
            return
        running = [build for build in self._bitrise.farm.newest_first() if build.result is None]
        if not running:
            raise ValueError("nothing is running; `start android` starts a build")
        self._bitrise.finish(running[0], "success" if word == "pass" else "error")

    async def _at_buildio(self, word: str, rest: str) -> None:
        app, more = (*rest.split(), "", "")[:2]
        given = {"fails": more == "badly"} if word == "deploy" else {"dyno": more}
        await self._orders[f"buildio-{word}"]({"app": app or "shop", **given})

    def _membership(self, word: str, rest: str) -> None:
        bitrise, apps = self._bitrise, self._bitrise.farm.apps
        name, app, role = (*rest.split(), "", "", "")[:3]
        match word:
            case "members":
                for one in bitrise.members.values():
                    about = member_json(one, one.roles_in(apps))
                    roles = ", ".join(f"{role} of {title}" for title, role in about["roles"].items())
                    self._say(
                        f"  {one.username}, {roles or 'of no app'}: {', '.join(about['tokens']) or 'no token'}"
                    )
            case "revoke":
                self._say(
                    f"  {revoke_all(bitrise, find_member(bitrise.members, name))} of their tokens ended"
                )
            case "token":
                self._say(f"  {bitrise.give_token(find_member(bitrise.members, name).username)}")
            case _:
                bitrise.let(
                    find_member(bitrise.members, name).username, find_app(apps, app), find_role(Role, role)
                )

    async def _watch(self) -> None:
        """Show every message and modal that is new or has changed."""
        while True:
            for post in self._slack.posts(self._channel, self._person):
                if self._shown.get(post.ts) != (words := self._slack.message_text(post)):
                    self._shown[post.ts] = words
                    self._say(self._drawn(post, words))
            opened = self._slack.people.modal(self._person)
            if opened is not None and self._shown.get(opened.id) != (words := self._slack.modal_text(opened)):
                self._shown[opened.id] = words
                self._say(words)
            await asyncio.sleep(0.1)

    def _drawn(self, post: Post, words: str) -> str:
        who = self._slack.workspace.names.get(post.user, post.user)
        note = ", only you see this" if post.only_for else ""
        indented = "\n".join(f"  {line}" for line in words.split("\n"))
        return f"[#{self._channel}] {who}{note}\n{indented}"


def _read_lines(put: Callable[[str | None], object]) -> None:
    for line in sys.stdin:
        put(line)
    put(None)
