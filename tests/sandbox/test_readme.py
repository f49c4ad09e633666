"""What README says to type works in the sandbox as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from bot.manifest import manifest
from sandbox.buildio.dyno_shell import run_command
from sandbox.buildio.server import BuildioSimulator
from sandbox.main import seed_builds, seed_examples
from tests.support.forked_bot import forked_stage

README = (Path(__file__).parents[2] / "README.md").read_text()
# These are refused until somebody has done something first, and the refusal says what.
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
    """All commands of the tables' last column; those that wipe a token come last."""
    rows = re.findall(r"^\| `/(?:bitrise|buildio) .*$", README, re.MULTILINE)
    found = [
        one.replace("\\|", "|")
        for row in rows
        for one in re.findall(r"`(/(?:bitrise|buildio) [^`]+)`", re.split(r"(?<!\\)\|", row)[-2])
    ]
    return sorted(found, key=lambda one: "connect" in one)


async def test_every_example_of_the_readme_is_answered() -> None:
    refused: dict[str, str] = {}
    async with forked_stage(manifest()) as stage:
        stage.slack.rates.lifted = True  # nobody types a hundred commands in a minute
        await stage.start()
        await stage.connect_accounts("anna")
        seed_builds(stage)
        slack = stage.slack

        async def answer(example: str) -> str:
            """What Anna is shown: a message, or a modal, which she closes."""
            there = len(slack.posts("builds", "anna"))

            def look() -> str | None:
                if (modal := slack.people.modal("anna")) is not None and "⏳" not in slack.modal_text(modal):
                    return slack.modal_text(modal)
                return "\n".join(map(slack.message_text, slack.posts("builds", "anna")[there:])) or None

            assert await slack.people.command("anna", "builds", example) is not None, example
            words = await slack.workspace.wait_for(look, 60, f"an answer to {example}")
            while slack.people.modal("anna") is not None:
                await slack.people.close_modal("anna")
            return words

        await answer("/bitrise use android")
        await answer("/buildio use shop")
        all_ = examples()
        assert len(all_) > 100
        for example in all_:
            seed_examples(stage)
            words = await answer(example)
            if any(line.lstrip().startswith("⚠️") for line in words.splitlines()):
                refused[example] = words
        assert {name: words for name, words in refused.items() if name not in NEED_SOMETHING_FIRST} == {}


async def test_the_commands_that_readme_runs_end_well() -> None:
    buildio = BuildioSimulator()
    dyno = buildio.dyno(buildio.shop)
    written = {}
    for example in examples():
        if example.startswith("/buildio run") and " -- " in example:
            command = shlex.split(example.partition(" -- ")[2])
            written[command[0]] = run_command(buildio.shop, dyno, command)
    assert set(written) == {"bin/rails", "rails", "/bin/sh"}
    assert all(done is not None and done[0] and done[1] == 0 for done in written.values())
