"""bitrise.yml, shown and checked."""

from __future__ import annotations

from tests.support.bot_harness import BotHarness


async def test_the_bitrise_yml_of_an_app_and_of_a_build_comes_as_a_file(harness: BotHarness) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    for words, whose in (
        ("yml android", "Sample Android as it is now"),
        ("yml android #1", "Sample Android #1"),
        (f"yml {harness.bitrise.android.slug}", "Sample Android as it is now"),
    ):
        said = await harness.ask(f"/bitrise {words}", f"The bitrise.yml of {whose} is in our direct messages")
        assert said.only_for == "U0ANNA"
        assert "✅ Bitrise finds no mistake in it" in harness.message_text(said)
        file = next(reversed(harness.slack.workspace.find_channel("D0ANNA").posts))
        assert file.files[0]["title"].startswith("bitrise.yml of Sample Android")
    asked = [one.path for one in harness.bitrise.requests if one.path.endswith("/bitrise.yml")]
    assert len([path for path in asked if "/builds/" in path]) == 1
    assert b"release-train:" in next(iter(harness.slack.workspace.files.values()))


async def test_mistakes_are_told_and_a_server_that_can_not_check_is_no_failure(harness: BotHarness) -> None:
    harness.bitrise.fault("POST */validate-bitrise-yml", "status", status=404)
    await harness.ask("/bitrise yml android", "Bitrise did not check it.")
    harness.bitrise.fault("POST */validate-bitrise-yml", "error", status=422, words="no <workflows> defined")
    said = await harness.ask("/bitrise yml android", "❌ Bitrise finds one mistake in it.")
    assert "no <workflows> defined" in harness.message_text(said)


async def test_a_secret_in_it_is_taken_out(harness: BotHarness) -> None:
    harness.bitrise.android.workflows = ("primary", "API_TOKEN: abcdefghijklmnop")
    await harness.ask("/bitrise yml android", "in our direct messages")
    content = next(iter(harness.slack.workspace.files.values()))
    assert b"abcdefghijklmnop" not in content
    assert b"[redacted]" in content
