"""The console of the sandbox: a small Slack in the terminal."""

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
from sandbox.slack.models import Post

HELP = """\
  /bitrise …             send a command to the bot: /bitrise help
  press Abort            press the newest button with this name
  fill reason="too old"  fill in the open modal (suggestion=…, reason=…) and submit it
  say @buildbell status  post a message
  start android develop  start a build, like a push; finish it with: fail, pass
  deploy shop            deploy an app at Build.io, like a push; deploy shop badly: the deployment fails
  crash shop web.1       crash a dyno; loop shop web.1: crash it in a loop, until: steady shop web.1
  as ben                 switch to another user (anna, ben, carla)
  members                list the members at Bitrise, with their roles and tokens
  revoke ben             revoke Ben's tokens at Bitrise; token ben: create a new one
  role ben web tester    change a role on an app's team (owner, admin, developer, tester, none)
  go release             switch to another channel (builds, random, release, or dm)
  quit                   stop the sandbox"""


class Console:
    """The console; one user in one channel at a time."""

    def __init__(self, environment: SandboxEnvironment, write: Callable[[str], None]) -> None:
        self._environment, self._slack, self._bitrise = environment, environment.slack, environment.bitrise
        self._buildio_commands = BuildioControl(environment.buildio).commands()
        self._say = write
        self._user, self._channel = "anna", "builds"
        self._shown: dict[str, str] = {}

    async def run(self) -> bool:
        """Read lines until the end of input or `quit`; returns whether the user quit."""
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def put(line: str | None) -> None:
            loop.call_soon_threadsafe(lines.put_nowait, line)

        # A thread that waits for input must not keep the process alive.
        threading.Thread(target=_read_lines, args=(put,), daemon=True).start()
        watching = asyncio.create_task(self._show_changes())
        try:
            while (line := await lines.get()) is not None:
                if line.strip() in ("quit", "exit"):
                    return True
                try:
                    await self._run_command(line.strip())
                except (InvalidInteraction, KeyError, ValueError) as problem:
                    self._say(f"  {problem}")
            return False
        finally:
            watching.cancel()

    async def _run_command(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        match word:
            case "":
                return
            case "press":
                post = find_post(self._slack, self._channel, self._user, rest)
                await self._slack.users.click(self._user, post, rest)
            case "fill":
                values = dict(part.split("=", 1) for part in shlex.split(rest))
                await self._slack.users.submit(self._user, values)
            case "say":
                self._slack.users.say(self._user, self._channel, rest)
            case "deploy" | "crash" | "loop" | "steady":
                await self._change_buildio(word, rest)
            case "as":
                self._user = self._slack.workspace.find_user(rest).name
            case "go":
                user = self._slack.workspace.find_user(self._user)
                self._channel = (
                    f"D{user.id[1:]}" if rest == "dm" else self._slack.workspace.find_channel(rest).name
                )
            case "start" | "pass" | "fail":
                self._change_build(word, rest)
            case "members" | "revoke" | "token" | "role":
                self._change_members(word, rest)
            case "help":
                self._say(HELP)
            case _ if word.startswith("/"):
                await self._slack.users.command(self._user, self._channel, line)
            case _:
                self._say(f"  Unknown command {word}; try `help`")

    def _change_build(self, word: str, rest: str) -> None:
        if word == "start":
            name, _, branch = rest.partition(" ")
            app = find_app(self._bitrise.state.apps, name or "android")
            self._bitrise.start_build(app, params={"branch": branch or "main"})
            return
        running = [build for build in self._bitrise.state.builds_newest_first() if build.result is None]
        if not running:
            raise ValueError("no build is running; `start android` starts one")
        self._bitrise.finish(running[0], "success" if word == "pass" else "error")

    async def _change_buildio(self, word: str, rest: str) -> None:
        app, more = (*rest.split(), "", "")[:2]
        parameters = {"fails": more == "badly"} if word == "deploy" else {"dyno": more}
        await self._buildio_commands[f"buildio-{word}"]({"app": app or "shop", **parameters})

    def _change_members(self, word: str, rest: str) -> None:
        bitrise, apps = self._bitrise, self._bitrise.state.apps
        name, app, role = (*rest.split(), "", "", "")[:3]
        match word:
            case "members":
                for member in bitrise.members.values():
                    about = member_json(member, member.roles_in(apps))
                    roles = ", ".join(f"{role} of {title}" for title, role in about["roles"].items())
                    self._say(
                        f"  {member.username}, {roles or 'no role'}: {', '.join(about['tokens']) or 'no token'}"
                    )
            case "revoke":
                self._say(f"  revoked tokens: {revoke_all(bitrise, find_member(bitrise.members, name))}")
            case "token":
                self._say(f"  {bitrise.create_token(find_member(bitrise.members, name).username)}")
            case _:
                bitrise.set_role(
                    find_member(bitrise.members, name).username, find_app(apps, app), find_role(Role, role)
                )

    async def _show_changes(self) -> None:
        """Print every new or changed message and modal."""
        while True:
            for post in self._slack.posts(self._channel, self._user):
                if self._shown.get(post.ts) != (text := self._slack.message_text(post)):
                    self._shown[post.ts] = text
                    self._say(self._render_post(post, text))
            opened = self._slack.users.modal(self._user)
            if opened is not None and self._shown.get(opened.id) != (text := self._slack.modal_text(opened)):
                self._shown[opened.id] = text
                self._say(text)
            await asyncio.sleep(0.1)

    def _render_post(self, post: Post, text: str) -> str:
        user = self._slack.workspace.mention_names.get(post.user, post.user)
        note = ", only visible to you" if post.only_for else ""
        indented = "\n".join(f"  {line}" for line in text.split("\n"))
        return f"[#{self._channel}] {user}{note}\n{indented}"


def _read_lines(put: Callable[[str | None], object]) -> None:
    for line in sys.stdin:
        put(line)
    put(None)
