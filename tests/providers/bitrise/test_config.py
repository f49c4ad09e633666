"""The command that shows and validates a bitrise.yml."""

from __future__ import annotations

from tests.support.bot_harness import BotHarness


async def test_the_bitrise_yml_of_an_app_or_a_build_is_sent_as_a_file(harness: BotHarness) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    for command, source in (
        ("yml android", "Sample Android (current)"),
        ("yml android #1", "Sample Android #1"),
        (f"yml {harness.bitrise.android.slug}", "Sample Android (current)"),
    ):
        reply = await harness.ask(f"/bitrise {command}", f"bitrise.yml of {source} sent to your DMs")
        assert reply.only_for == "U0ANNA"
        assert "✅ Valid" in harness.message_text(reply)
        post = next(reversed(harness.slack.workspace.find_channel("D0ANNA").posts))
        assert post.files[0]["title"].startswith("bitrise.yml of Sample Android")
    paths = [request.path for request in harness.bitrise.requests]
    assert len([path for path in paths if path.endswith("/bitrise.yml") and "/builds/" in path]) == 1
    assert b"release-train:" in next(iter(harness.slack.workspace.files.values()))


async def test_validation_errors_are_shown_and_a_server_without_validation_is_no_failure(
    harness: BotHarness,
) -> None:
    harness.bitrise.fault("POST */validate-bitrise-yml", "status", status=404)
    await harness.ask("/bitrise yml android", "Not validated by Bitrise.")
    harness.bitrise.fault("POST */validate-bitrise-yml", "error", status=422, words="no <workflows> defined")
    reply = await harness.ask("/bitrise yml android", "❌ Not valid: 1 error")
    assert "no <workflows> defined" in harness.message_text(reply)


async def test_secrets_are_redacted_in_the_file(harness: BotHarness) -> None:
    harness.bitrise.android.workflows = ("primary", "API_TOKEN: abcdefghijklmnop")
    await harness.ask("/bitrise yml android", "sent to your DMs")
    content = next(iter(harness.slack.workspace.files.values()))
    assert b"abcdefghijklmnop" not in content
    assert b"[redacted]" in content
