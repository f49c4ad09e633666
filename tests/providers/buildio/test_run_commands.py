"""Commands in a process: off by default, shown exactly before they run, output for one person."""

from __future__ import annotations

from typing import Any

import pytest

from providers.buildio.processes import actions as process_actions
from providers.buildio.provider import BUILDIO
from sandbox.slack.models import OpenView, Post
from tests.providers.buildio.conftest import HarnessWithRules
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


def executed_commands(harness: BotHarness) -> list[Any]:
    """Return the arrays that Build.io was requested to run."""
    requests = [request for request in harness.buildio.requests if request.path.endswith("/exec")]
    return [
        request.body["command"] if isinstance(request.body, dict) else request.body for request in requests
    ]


async def open_review(harness: BotHarness, words: str, *, person: str = "anna") -> OpenView:
    """Return the view that shows what will run."""
    await harness.users.command(person, "builds", words)
    return await harness.slack.wait_for_modal(person, "as an array of these words")


async def wait_for_private_message(harness: BotHarness, text: str, *, person: str = "anna") -> Post:
    """Return the message to the person only."""

    def found() -> list[Post]:
        return [
            post
            for post in harness.slack.posts(direct_message_channel(person), person)
            if text in harness.message_text(post)
        ]

    await harness.wait_until(lambda: bool(found()))
    return found()[-1]


def direct_message_channel(person: str) -> str:
    """Return the person's direct message channel with the bot."""
    return f"D0{person.upper()}"


async def test_an_error_is_sent_as_a_direct_message_if_the_dialog_was_closed(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(ON) as harness:
        await open_review(harness, "/buildio run shop dyno:web.1 -- ls")
        harness.buildio.fault("POST */exec", "error", status=422, words="no such process")
        harness.buildio.fault("GET */apps/*", "slow", seconds=2)
        await harness.users.submit("anna", {})
        await harness.users.close_modal("anna")
        assert "no such process" in harness.message_text(
            await wait_for_private_message(harness, "Run a command: ")
        )


async def test_running_commands_is_off_by_default_and_refused_before_the_form_opens(
    harness: BotHarness,
) -> None:
    off = "No one can run commands in dynos here. It's off until"
    await harness.ask("/buildio run shop dyno:web.1 -- ls", off)
    await harness.ask("/buildio run shop", off)
    post = await harness.ask("/buildio ps shop", "3 processes")
    await harness.press(post, "Run a command…", off)
    assert harness.users.modal("anna") is None
    assert executed_commands(harness) == []
    audit = harness.message_text(await harness.ask("/buildio audit", "run"))
    assert "wasn't allowed to" in audit


async def test_a_command_is_shown_exactly_before_it_runs(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(ON) as harness:
        modal = await open_review(
            harness, """/buildio run shop dyno:web.1 -- /bin/sh -c "echo 'a  b' | $HOME" """
        )
        assert """["/bin/sh", "-c", "echo 'a  b' | $HOME"]""" in harness.slack.modal_text(modal)
        assert executed_commands(harness) == []
        await harness.users.submit("anna")
        await harness.wait_for_message("anna ran a command in `web.1` of shop", person=None)
        assert executed_commands(harness) == [["/bin/sh", "-c", "echo 'a  b' | $HOME"]]


async def test_output_is_for_the_person_who_ran_it_and_the_channel_is_notified(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(ON) as harness:
        await open_review(harness, "/buildio run shop dyno:web.1 -- echo hello there")
        await harness.users.submit("anna")
        channel_post = await harness.wait_for_message(
            "anna ran a command in `web.1` of shop; it finished with exit code 0", person=None
        )
        assert '["echo", "hello", "there"]' in harness.message_text(channel_post)
        said = await wait_for_private_message(harness, "hello there")
        assert "Only you see this" in harness.message_text(said)
        assert [
            post for post in harness.slack.posts("builds") if "\nhello there" in harness.message_text(post)
        ] == []


async def test_output_can_be_shared_in_the_channel(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(ON) as harness:
        await open_review(harness, "/buildio run shop dyno:web.1 -- echo hello there")
        await harness.users.submit("anna")
        post = await wait_for_private_message(harness, "hello there")
        before = harness.last("builds", None)
        await harness.users.click("anna", post, "Share in channel…")
        shared = await harness.wait_for_message(
            "anna shared the output of a command in `web.1` of shop", person=None, after=before
        )
        assert "hello there" in harness.message_text(shared)
        assert "Share in" not in harness.message_text(shared)
        assert shared.only_for is None


async def test_a_secret_that_somebody_put_into_a_button_is_redacted_in_the_audit_log(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(ON) as harness:
        await open_review(harness, "/buildio run shop dyno:web.1 -- echo hello there")
        await harness.users.submit("anna")
        post = await wait_for_private_message(harness, "hello there")
        [button] = [block["elements"][0] for block in post.blocks if block["type"] == "actions"]
        button["value"] = button["value"].replace("web.1", CANARIES["Slack app token"])
        await harness.users.click("anna", post, "Share in channel…")
        entries = "FROM audit WHERE body LIKE '%share_output%'"
        await harness.wait_for_values(f"SELECT COUNT(*) {entries}", 1)
        [shared] = await harness.rows(f"SELECT body {entries}")
        assert "redacted" in str(shared)
        assert CANARIES["Slack app token"] not in str(shared)


async def test_without_permission_to_run_nothing_can_be_shared(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(ON) as harness:
        await open_review(harness, "/buildio run shop dyno:web.1 -- echo hello there")
        await harness.users.submit("anna")
        post = await wait_for_private_message(harness, "hello there")
        await harness.disconnect(provider=BUILDIO)
        await harness.users.click("anna", post, "Share in channel…")
        await wait_for_private_message(harness, "/buildio connect")
        assert harness.messages_with("shared the output of a command") == []


@pytest.mark.parametrize("command", ["env", "/bin/sh -c 'echo $DATABASE_URL; echo x$PAYMENTS'"])
async def test_values_of_config_vars_are_removed_from_output(
    harness_with_rules: HarnessWithRules, command: str
) -> None:
    async with harness_with_rules(ON) as harness:
        harness.buildio.shop.config["PAYMENTS"] = "pk live 51Hx with spaces"
        await open_review(harness, f"/buildio run shop dyno:web.1 -- {command}")
        await harness.users.submit("anna")
        text = harness.message_text(await wait_for_private_message(harness, "redacted"))
        assert PASSWORD not in text
        assert "pk live 51Hx" not in text


async def test_output_is_neither_stored_nor_logged(
    harness_with_rules: HarnessWithRules, capfd: pytest.CaptureFixture[str]
) -> None:
    async with harness_with_rules(ON) as harness:
        await open_review(harness, "/buildio run shop dyno:web.1 -- echo canary-of-the-output")
        await harness.users.submit("anna")
        await wait_for_private_message(harness, "canary-of-the-output")
        await harness.wait_for_message("anna ran a command", person=None)
        # The array is audited; the last line is the output.
        assert set(harness.count_rows_with("canary-of-the-output")) <= {"audit"}
        look_at = "/buildio run shop dyno:web.1 -- printenv DATABASE_URL"
        await open_review(harness, look_at)
        await harness.users.submit("anna")
        await harness.wait_until(lambda: len(executed_commands(harness)) == 2)
        await harness.stop_bot()
        assert PASSWORD.encode() not in harness.stored_bytes()
        printed = capfd.readouterr()
        assert PASSWORD not in printed.out + printed.err
        for token in ("bld_sandbox-anna", "bld_sandbox-service"):
            assert token.encode() not in harness.stored_bytes()
            assert token not in printed.out + printed.err


async def test_long_output_is_truncated_to_its_end(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(ON) as harness:
        await open_review(harness, "/buildio run shop dyno:web.1 -- seq 5000")
        await harness.users.submit("anna")
        text = harness.message_text(await wait_for_private_message(harness, "5000"))
        assert "Only the end" in text
        assert "\n17\n" not in text


async def test_without_a_command_a_form_opens_and_shows_what_will_run(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(ON) as harness:
        await harness.users.command("anna", "builds", "/buildio run shop")
        modal = await harness.slack.wait_for_modal("anna", "after you have reviewed it")
        [field] = [block for block in modal.view["blocks"] if block.get("block_id") == "dyno"]
        worker = next(option for option in field["element"]["options"] if option["value"] == "worker.1")
        await harness.users.submit("anna", {"dyno": worker, "typed": 'echo "a b" c'})
        shown = await harness.slack.wait_for_modal("anna", "as an array of these words")
        assert '["echo", "a b", "c"]' in harness.slack.modal_text(shown)
        await harness.users.submit("anna")
        await harness.wait_for_message("anna ran a command in `worker.1` of shop", person=None)
        assert executed_commands(harness) == [["echo", "a b", "c"]]


async def test_with_several_processes_the_form_asks_for_one_and_keeps_the_command(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(ON) as harness:
        await harness.users.command("anna", "builds", """/buildio run shop -- echo "it's  here" """)
        modal = await harness.slack.wait_for_modal("anna", "after you have reviewed it")
        [field] = [block for block in modal.view["blocks"] if block.get("block_id") == "dyno"]
        await harness.users.submit("anna", {"dyno": field["element"]["options"][0]})
        shown = await harness.slack.wait_for_modal("anna", "as an array of these words")
        assert """["echo", "it's  here"]""" in harness.slack.modal_text(shown)


async def test_a_single_process_is_used_without_asking(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(ON) as harness:
        modal = await open_review(harness, "/buildio run shop-staging -- ls")
        assert "web.1" in harness.slack.modal_text(modal)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ('echo "a', "A quote in the command isn't closed."),
        ("curl -H 'Authorization: Bearer abcdefghijklmnop'", "seems to contain a secret"),
    ],
)
async def test_an_invalid_command_is_explained_at_its_field_and_kept(
    harness_with_rules: HarnessWithRules, typed: str, words: str
) -> None:
    async with harness_with_rules(ON) as harness:
        await harness.users.command("anna", "builds", "/buildio run shop")
        modal = await harness.slack.wait_for_modal("anna", "after you have reviewed it")
        [field] = [block for block in modal.view["blocks"] if block.get("block_id") == "dyno"]
        filled = {"dyno": field["element"]["options"][0], "typed": typed}
        await harness.users.submit("anna", filled)
        await harness.slack.wait_for_modal("anna", words)
        assert list(modal.errors) == ["typed"]
        assert modal.entered == filled
        assert executed_commands(harness) == []


async def test_the_input_is_kept_if_build_io_refuses_late(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(ON) as harness:
        await harness.users.command("anna", "builds", "/buildio run shop")
        modal = await harness.slack.wait_for_modal("anna", "after you have reviewed it")
        [field] = [block for block in modal.view["blocks"] if block.get("block_id") == "dyno"]
        harness.buildio.fault("GET */dynos/list", "slow", seconds=2)
        harness.buildio.start_crash_loop(harness.buildio.dyno(harness.buildio.shop))
        filled = {"dyno": field["element"]["options"][0], "typed": "echo keep me"}
        await harness.users.submit("anna", filled)
        reopened = await harness.slack.wait_for_modal("anna", "No running process named web.1")
        assert "echo keep me" in harness.slack.modal_text(reopened)
        assert executed_commands(harness) == []


async def test_a_command_too_long_for_the_form_names_the_processes_instead(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(ON) as harness:
        quotes = " ".join(['"\'"'] * 250)
        await harness.ask(
            f"/buildio run shop -- echo {quotes}",
            "Which process? Add `dyno:NAME` with one of web.1, web.2, worker.1",
        )
        assert executed_commands(harness) == []


async def test_a_secret_in_a_mentioned_command_is_in_no_button(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(ON) as harness:
        token = CANARIES["GitHub token"]
        harness.users.say("anna", "D0ANNA", f"buildio run shop -- ls using {token} for the API")
        await harness.wait_for_message("seems to contain a secret", channel="D0ANNA")
        assert all(token not in str(post.blocks) for post in harness.slack.posts("D0ANNA", "anna"))


async def test_a_secret_in_the_command_is_refused_before_anyone_sees_it(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(ON) as harness:
        post = await harness.ask(
            "/buildio run shop dyno:web.1 -- curl -H 'Authorization: Bearer abcdefghijklmnop'",
            "seems to contain a secret",
        )
        assert "abcdefghijklmnop" not in harness.message_text(post)
        assert harness.users.modal("anna") is None


async def test_without_a_running_process_the_command_is_refused(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(ON) as harness:
        for dyno in harness.buildio.staging.dynos:
            harness.buildio.start_crash_loop(dyno)
        await harness.ask("/buildio run shop-staging -- ls", "The app has no running process")


async def test_a_person_whom_the_rule_does_not_name_is_refused(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(ON) as harness:
        await harness.ask(
            "/buildio run shop dyno:web.1 -- ls",
            "Only Anna Berg and Ben Okafor can run commands in dynos in shop",
            person="carla",
        )
        assert executed_commands(harness) == []


async def test_an_approver_sees_the_array_and_it_runs_as_the_requester(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(SECOND) as harness:
        await open_review(harness, '/buildio run shop dyno:web.1 -- echo "x  y"', person="ben")
        before = harness.last("builds", None)
        await harness.users.submit("ben")
        post = await harness.wait_for_message("requests approval to", person=None, after=before)
        assert '["echo", "x  y"]' in harness.message_text(post)
        assert executed_commands(harness) == []
        await harness.users.click("anna", post, "Approve")
        await harness.wait_for_message("ben ran a command in `web.1` of shop", person=None)
        assert "x  y" in harness.message_text(await wait_for_private_message(harness, "x  y", person="ben"))
        assert [request.member for request in harness.buildio.requests if request.path.endswith("/exec")] == [
            "ben-okafor"
        ]


async def test_a_command_over_the_time_limit_is_reported_as_running_and_runs_once(
    harness_with_rules: HarnessWithRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_actions, "RUN_SECONDS", 2.0)
    async with harness_with_rules(ON) as harness:
        await open_review(harness, "/buildio run shop dyno:web.1 -- tail -f log")
        await harness.users.submit("anna")
        await harness.slack.wait_for_modal("anna", "Running…")
        lost = await harness.slack.wait_for_modal("anna", "The command may still be running in web.1")
        assert '["tail", "-f", "log"]' in harness.slack.modal_text(lost)
        assert len(executed_commands(harness)) == 1
        assert harness.messages_with("ran a command") == []


async def test_a_lost_response_is_explained(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(ON) as harness:
        await open_review(harness, "/buildio run shop dyno:web.1 -- ls")
        harness.buildio.fault("POST */exec", "answer_lost")
        await harness.users.submit("anna")
        await harness.slack.wait_for_modal("anna", "The command may still be running in web.1")
        assert len(executed_commands(harness)) == 1


async def test_a_command_shown_before_a_rule_changed_does_not_run(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(ON) as harness:
        await open_review(harness, "/buildio run shop dyno:web.1 -- ls")
        await harness.execute("DELETE FROM accounts")
        await harness.users.submit("anna")
        await harness.slack.wait_for_modal("anna", "/buildio connect")
        assert executed_commands(harness) == []


async def test_a_mention_gets_a_button_that_holds_the_command(harness_with_rules: HarnessWithRules) -> None:
    async with harness_with_rules(ON) as harness:
        harness.users.invite("builds")
        harness.users.say("anna", "builds", '@buildbell buildio run shop dyno:web.1 -- echo "a b"')
        post = await harness.wait_for_message("Review the command before it runs")
        await harness.users.click("anna", post, "Review…")
        modal = await harness.slack.wait_for_modal("anna", "as an array of these words")
        assert '["echo", "a b"]' in harness.slack.modal_text(modal)
        assert executed_commands(harness) == []
