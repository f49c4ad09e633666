"""The commands in README work in the sandbox unchanged."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from bot.manifest import manifest
from sandbox.buildio.dyno_shell import run_command
from sandbox.buildio.server import BuildioSimulator
from sandbox.example_data import seed_builds, seed_examples
from tests.support.forked_bot import forked_environment

README = (Path(__file__).parents[2] / "README.md").read_text()
# These are refused until the user has done something first; the error says what.
NEED_SOMETHING_FIRST = {
    "/bitrise unsubscribe 3",
    "/buildio unsubscribe 3",
    "/buildio unlink shop-staging bitrise:android",
    "/buildio why #12",
    "/buildio why shop v12",
    "/buildio login us-east-1",  # a rule that names it
    "/buildio run shop -- bin/rails db:version",  # and here
    '/buildio run shop dyno:worker.1 -- rails runner "puts User.count"',
    '/buildio run -- /bin/sh -c "ps | grep rails"',
}


def examples() -> list[str]:
    """Return all commands in the last column of the tables; those that remove a token come last."""
    rows = re.findall(r"^\| `/(?:bitrise|buildio) .*$", README, re.MULTILINE)
    found = [
        match.replace("\\|", "|")
        for row in rows
        for match in re.findall(r"`(/(?:bitrise|buildio) [^`]+)`", re.split(r"(?<!\\)\|", row)[-2])
    ]
    return sorted(found, key=lambda row: "connect" in row)


async def test_every_example_in_the_readme_gets_a_reply() -> None:
    refused: dict[str, str] = {}
    async with forked_environment(manifest()) as environment:
        environment.slack.rate_limits.disabled = True  # a hundred commands a minute exceed the limits
        await environment.start()
        await environment.connect_accounts("anna")
        seed_builds(environment)
        slack = environment.slack

        async def answer(example: str) -> str:
            """Return the reply to Anna: a message, or a modal, which is closed."""
            there = len(slack.posts("builds", "anna"))

            def look() -> str | None:
                if (modal := slack.users.modal("anna")) is not None and "⏳" not in slack.modal_text(modal):
                    return slack.modal_text(modal)
                return "\n".join(map(slack.message_text, slack.posts("builds", "anna")[there:])) or None

            assert await slack.users.command("anna", "builds", example) is not None, example
            text = await slack.workspace.wait_for(look, 60, f"an answer to {example}")
            while slack.users.modal("anna") is not None:
                await slack.users.close_modal("anna")
            return text

        await answer("/bitrise use android")
        await answer("/buildio use shop")
        all_ = examples()
        assert len(all_) > 100
        for example in all_:
            seed_examples(environment)
            text = await answer(example)
            if any(line.lstrip().startswith("⚠️") for line in text.splitlines()):
                refused[example] = text
        assert {name: text for name, text in refused.items() if name not in NEED_SOMETHING_FIRST} == {}


async def test_the_shell_commands_in_the_readme_succeed() -> None:
    buildio = BuildioSimulator()
    dyno = buildio.dyno(buildio.shop)
    written = {}
    for example in examples():
        if example.startswith("/buildio run") and " -- " in example:
            command = shlex.split(example.partition(" -- ")[2])
            written[command[0]] = run_command(buildio.shop, dyno, command)
    assert set(written) == {"bin/rails", "rails", "/bin/sh"}
    assert all(done is not None and done[0] and done[1] == 0 for done in written.values())
