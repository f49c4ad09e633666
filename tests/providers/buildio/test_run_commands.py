"""Commands in a process at Build.io: nobody's unless a rule says who, shown exactly before they run, told to one."""

from __future__ import annotations

from typing import Any

import pytest

from domain.provider import Provider
from providers.buildio import action_execution as performing
from sandbox.slack.models import OpenView, Post
from tests.providers.buildio.conftest import Governed
from tests.support.bot_harness import BotHarness
from tests.support.canary_secrets import CANARIES

ON = """
[[rule]]
allow = ["run"]
who = ["U0ANNA", "U0BEN"]
"""
SECOND = (
    ON
    + """
[[rule]]
protect = ["run"]
who = ["U0ANNA", "U0BEN"]
"""
)
PASSWORD = "sandbox@db.acme.example"


def ran(harness: BotHarness) -> list[Any]:
    """The arrays that Build.io was asked to run."""
    asked = [one for one in harness.buildio.requests if one.path.endswith("/exec")]
    return [one.body["command"] if isinstance(one.body, dict) else one.body for one in asked]


async def look(harness: BotHarness, words: str, *, person: str = "anna") -> OpenView:
    """What is shown before it runs."""
    await harness.users.command(person, "builds", words)
    return await harness.slack.wait_for_modal(person, "as an array of these words")


async def private(harness: BotHarness, text: str, *, person: str = "anna") -> Post:
    """What is said to the person alone."""

    def found() -> list[Post]:
        return [one for one in harness.slack.posts(dm(person), person) if text in harness.message_text(one)]

    await harness.wait_until(lambda: bool(found()))
    return found()[-1]


def dm(person: str) -> str:
    """The person's direct message with the bot."""
    return f"D0{person.upper()}"


async def test_how_it_failed_is_said_in_a_direct_message_where_the_dialog_was_closed(
    harness_with_rules: Governed,
) -> None:
    async with harness_with_rules(ON) as town:
        await look(town, "/buildio run shop dyno:web.1 -- ls")
        town.buildio.fault("POST */exec", "error", status=422, words="no such process")
        town.buildio.fault("GET */apps/*", "slow", seconds=2)
        await town.users.submit("anna", {})
        await town.users.close_modal("anna")
        assert "no such process" in town.message_text(await private(town, "Run a command: "))


async def test_it_is_off_by_default_and_said_before_anything_is_filled_in(harness: BotHarness) -> None:
    off = "Nobody may run commands in dynos here: that is off"
    await harness.ask("/buildio run shop dyno:web.1 -- ls", off)
    await harness.ask("/buildio run shop", off)
    shown = await harness.ask("/buildio ps shop", "3 processes")
    await harness.press(shown, "Run a command…", off)
    assert harness.users.modal("anna") is None
    assert ran(harness) == []
    audit = harness.message_text(await harness.ask("/buildio audit", "run"))
    assert "refused" in audit.casefold()


async def test_what_runs_is_shown_exactly_and_runs_only_then(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        opened = await look(town, """/buildio run shop dyno:web.1 -- /bin/sh -c "echo 'a  b' | $HOME" """)
        assert """["/bin/sh", "-c", "echo 'a  b' | $HOME"]""" in town.slack.modal_text(opened)
        assert ran(town) == []
        await town.users.submit("anna")
        await town.wait_for_message("anna ran a command in `web.1` of shop", person=None)
        assert ran(town) == [["/bin/sh", "-c", "echo 'a  b' | $HOME"]]


async def test_what_it_says_is_for_whoever_ran_it_and_the_channel_hears_that_it_ran(
    harness_with_rules: Governed,
) -> None:
    async with harness_with_rules(ON) as town:
        await look(town, "/buildio run shop dyno:web.1 -- echo hello there")
        await town.users.submit("anna")
        told = await town.wait_for_message(
            "anna ran a command in `web.1` of shop; it ended with 0", person=None
        )
        assert '["echo", "hello", "there"]' in town.message_text(told)
        said = await private(town, "hello there")
        assert "Only you see this" in town.message_text(said)
        assert [one for one in town.slack.posts("builds") if "\nhello there" in town.message_text(one)] == []


async def test_it_is_shown_to_others_on_purpose(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        await look(town, "/buildio run shop dyno:web.1 -- echo hello there")
        await town.users.submit("anna")
        said = await private(town, "hello there")
        before = town.last("builds", None)
        await town.users.click("anna", said, "Show it in the channel…")
        shared = await town.wait_for_message(
            "anna shows what a command in `web.1` of shop said", person=None, after=before
        )
        assert "hello there" in town.message_text(shared)
        assert "Show it" not in town.message_text(shared)
        assert shared.only_for is None


async def test_who_may_run_nothing_any_more_shows_nothing_either(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        await look(town, "/buildio run shop dyno:web.1 -- echo hello there")
        await town.users.submit("anna")
        said = await private(town, "hello there")
        await town.disconnect(provider=Provider.BUILDIO)
        await town.users.click("anna", said, "Show it in the channel…")
        await private(town, "/buildio connect")
        assert town.messages_with("shows what a command") == []


@pytest.mark.parametrize("command", ["env", "/bin/sh -c 'echo $DATABASE_URL; echo x$PAYMENTS'"])
async def test_values_of_config_vars_are_taken_out_of_what_it_says(
    harness_with_rules: Governed, command: str
) -> None:
    async with harness_with_rules(ON) as town:
        town.buildio.shop.config["PAYMENTS"] = "pk live 51Hx with spaces"
        await look(town, f"/buildio run shop dyno:web.1 -- {command}")
        await town.users.submit("anna")
        said = town.message_text(await private(town, "redacted"))
        assert PASSWORD not in said
        assert "pk live 51Hx" not in said


async def test_nothing_of_what_it_says_is_kept_or_logged(
    harness_with_rules: Governed, capfd: pytest.CaptureFixture[str]
) -> None:
    async with harness_with_rules(ON) as town:
        await look(town, "/buildio run shop dyno:web.1 -- echo canary-of-the-output")
        await town.users.submit("anna")
        await private(town, "canary-of-the-output")
        await town.wait_for_message("anna ran a command", person=None)
        # The array is noted; what it says is the last line of the answer.
        assert set(town.count_rows_with("canary-of-the-output")) <= {"audit"}
        look_at = "/buildio run shop dyno:web.1 -- printenv DATABASE_URL"
        await look(town, look_at)
        await town.users.submit("anna")
        await town.wait_until(lambda: len(ran(town)) == 2)
        await town.stop_bot()
        assert PASSWORD.encode() not in town.stored_bytes()
        written = capfd.readouterr()
        assert PASSWORD not in written.out + written.err
        for token in ("bld_sandbox-anna", "bld_sandbox-service"):
            assert token.encode() not in town.stored_bytes()
            assert token not in written.out + written.err


async def test_long_output_is_cut_to_its_end(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        await look(town, "/buildio run shop dyno:web.1 -- seq 5000")
        await town.users.submit("anna")
        said = town.message_text(await private(town, "5000"))
        assert "Only the end" in said
        assert "\n17\n" not in said


async def test_without_words_a_form_asks_and_shows_what_will_run(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        await town.users.command("anna", "builds", "/buildio run shop")
        opened = await town.slack.wait_for_modal("anna", "You see what will run before it does")
        [field] = [one for one in opened.view["blocks"] if one.get("block_id") == "dyno"]
        worker = next(one for one in field["element"]["options"] if one["value"] == "worker.1")
        await town.users.submit("anna", {"dyno": worker, "typed": 'echo "a b" c'})
        shown = await town.slack.wait_for_modal("anna", "as an array of these words")
        assert '["echo", "a b", "c"]' in town.slack.modal_text(shown)
        await town.users.submit("anna")
        await town.wait_for_message("anna ran a command in `worker.1` of shop", person=None)
        assert ran(town) == [["echo", "a b", "c"]]


async def test_where_several_processes_run_the_form_asks_in_which_with_the_command_kept(
    harness_with_rules: Governed,
) -> None:
    async with harness_with_rules(ON) as town:
        await town.users.command("anna", "builds", """/buildio run shop -- echo "it's  here" """)
        opened = await town.slack.wait_for_modal("anna", "You see what will run before it does")
        [field] = [one for one in opened.view["blocks"] if one.get("block_id") == "dyno"]
        await town.users.submit("anna", {"dyno": field["element"]["options"][0]})
        shown = await town.slack.wait_for_modal("anna", "as an array of these words")
        assert """["echo", "it's  here"]""" in town.slack.modal_text(shown)


async def test_the_only_process_is_the_one_that_is_meant(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        opened = await look(town, "/buildio run shop-staging -- ls")
        assert "web.1" in town.slack.modal_text(opened)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ('echo "a', "A quote in the command is not closed."),
        ("curl -H 'Authorization: Bearer abcdefghijklmnop'", "looks like a secret"),
    ],
)
async def test_a_command_that_can_not_run_is_said_at_the_field_and_stays(
    harness_with_rules: Governed, typed: str, words: str
) -> None:
    async with harness_with_rules(ON) as town:
        await town.users.command("anna", "builds", "/buildio run shop")
        opened = await town.slack.wait_for_modal("anna", "You see what will run before it does")
        [field] = [one for one in opened.view["blocks"] if one.get("block_id") == "dyno"]
        filled = {"dyno": field["element"]["options"][0], "typed": typed}
        await town.users.submit("anna", filled)
        await town.slack.wait_for_modal("anna", words)
        assert list(opened.errors) == ["typed"]
        assert opened.entered == filled
        assert ran(town) == []


async def test_what_was_typed_stays_where_build_io_refuses_late(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        await town.users.command("anna", "builds", "/buildio run shop")
        opened = await town.slack.wait_for_modal("anna", "You see what will run before it does")
        [field] = [one for one in opened.view["blocks"] if one.get("block_id") == "dyno"]
        town.buildio.fault("GET */dynos/list", "slow", seconds=2)
        town.buildio.start_crash_loop(town.buildio.dyno(town.buildio.shop))
        filled = {"dyno": field["element"]["options"][0], "typed": "echo keep me"}
        await town.users.submit("anna", filled)
        again = await town.slack.wait_for_modal("anna", "I don't know a running process called web.1")
        assert "echo keep me" in town.slack.modal_text(again)
        assert ran(town) == []


async def test_a_command_too_long_for_the_form_names_the_processes_instead(
    harness_with_rules: Governed,
) -> None:
    async with harness_with_rules(ON) as town:
        quotes = " ".join(['"\'"'] * 250)
        await town.ask(
            f"/buildio run shop -- echo {quotes}", "In which process? There are web.1, web.2, worker.1"
        )
        assert ran(town) == []


async def test_a_secret_in_a_command_that_is_said_aloud_is_put_into_no_button(
    harness_with_rules: Governed,
) -> None:
    async with harness_with_rules(ON) as town:
        token = CANARIES["GitHub token"]
        town.users.say("anna", "D0ANNA", f"buildio run shop -- ls using {token} for the API")
        await town.wait_for_message("looks like a secret", channel="D0ANNA")
        assert all(token not in str(post.blocks) for post in town.slack.posts("D0ANNA", "anna"))


async def test_a_secret_in_the_command_is_refused_before_anybody_sees_it(
    harness_with_rules: Governed,
) -> None:
    async with harness_with_rules(ON) as town:
        said = await town.ask(
            "/buildio run shop dyno:web.1 -- curl -H 'Authorization: Bearer abcdefghijklmnop'",
            "looks like a secret",
        )
        assert "abcdefghijklmnop" not in town.message_text(said)
        assert town.users.modal("anna") is None


async def test_where_nothing_runs_it_is_said(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        for dyno in town.buildio.staging.dynos:
            town.buildio.start_crash_loop(dyno)
        await town.ask("/buildio run shop-staging -- ls", "The app has no running process")


async def test_who_is_not_named_by_the_rule_may_not(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        await town.ask(
            "/buildio run shop dyno:web.1 -- ls",
            "Only Anna Berg and Ben Okafor may run commands in dynos of shop",
            person="carla",
        )
        assert ran(town) == []


async def test_a_second_person_sees_the_array_and_it_runs_as_the_one_who_asked(
    harness_with_rules: Governed,
) -> None:
    async with harness_with_rules(SECOND) as town:
        await look(town, '/buildio run shop dyno:web.1 -- echo "x  y"', person="ben")
        before = town.last("builds", None)
        await town.users.submit("ben")
        asked = await town.wait_for_message("Somebody else must agree", person=None, after=before)
        assert '["echo", "x  y"]' in town.message_text(asked)
        assert ran(town) == []
        await town.users.click("anna", asked, "Agree")
        await town.wait_for_message("ben ran a command in `web.1` of shop", person=None)
        assert "x  y" in town.message_text(await private(town, "x  y", person="ben"))
        assert [one.member for one in town.buildio.requests if one.path.endswith("/exec")] == ["ben-okafor"]


async def test_one_that_does_not_end_in_time_is_said_to_run_on_and_runs_once(
    harness_with_rules: Governed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performing, "RUN_SECONDS", 2.0)
    async with harness_with_rules(ON) as town:
        await look(town, "/buildio run shop dyno:web.1 -- tail -f log")
        await town.users.submit("anna")
        await town.slack.wait_for_modal("anna", "It is running")
        lost = await town.slack.wait_for_modal("anna", "The command may still run in web.1")
        assert '["tail", "-f", "log"]' in town.slack.modal_text(lost)
        assert len(ran(town)) == 1
        assert town.messages_with("ran a command") == []


async def test_a_lost_answer_is_said_as_such(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        await look(town, "/buildio run shop dyno:web.1 -- ls")
        town.buildio.fault("POST */exec", "answer_lost")
        await town.users.submit("anna")
        await town.slack.wait_for_modal("anna", "The command may still run in web.1")
        assert len(ran(town)) == 1


async def test_what_was_shown_before_a_rule_changed_does_not_run_after(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        await look(town, "/buildio run shop dyno:web.1 -- ls")
        await town.execute("DELETE FROM accounts")
        await town.users.submit("anna")
        await town.slack.wait_for_modal("anna", "/buildio connect")
        assert ran(town) == []


async def test_a_mention_gets_a_button_that_still_knows_the_command(harness_with_rules: Governed) -> None:
    async with harness_with_rules(ON) as town:
        town.users.invite("builds")
        town.users.say("anna", "builds", '@buildbell buildio run shop dyno:web.1 -- echo "a b"')
        asked = await town.wait_for_message("which command?")
        await town.users.click("anna", asked, "Look at it…")
        opened = await town.slack.wait_for_modal("anna", "as an array of these words")
        assert '["echo", "a b"]' in town.slack.modal_text(opened)
        assert ran(town) == []
