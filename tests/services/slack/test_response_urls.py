"""Replies and files are sent only to Slack's own URLs."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from services.slack.response_urls import SlackUrls
from tests.support.bot_harness import BotHarness, rewrite_state, state_in
from tests.support.stub_server import stub_server

SLACK = "https://slack.com/api/"
SANDBOX = "http://127.0.0.1:8080/api/"
GATEWAY = "https://gateway.example.com:8443/slack/api/"
ELSEWHERE = "https://slack-gov.com/api/"


@pytest.mark.parametrize(
    ("api_url", "url", "expected"),
    [
        (SLACK, "https://hooks.slack.com/commands/T1/2/x", True),
        (SLACK, "HTTPS://HOOKS.SLACK.COM/actions/T1/2/x", True),
        (SLACK, "https://slack.com/x", True),
        (SLACK, "http://hooks.slack.com/commands/T1/2/x", False),
        (SLACK, "https://hooks.slack.com:8443/commands/T1/2/x", False),
        (SLACK, "https://hooks.slack.com./commands/T1/2/x", False),
        (SLACK, "https://hooks.slack.com@evil.example/x", False),
        (SLACK, "https://user@hooks.slack.com/x", False),
        (SLACK, "https://hooks.slack.com.evil.example/x", False),
        (SLACK, "https://evil.example/hooks.slack.com", False),
        (SLACK, "https://evil.example\\.hooks.slack.com/x", False),
        (SLACK, "https://evil-hooks.slack.com/x", False),
        (SLACK, "https://files.slack.com/x", False),
        (SLACK, "https://hооks.slack.com/x", False),
        (SLACK, "http://169.254.169.254/latest/meta-data", False),
        (SLACK, "http://127.0.0.1:8080/response/x", False),
        (SLACK, "", False),
        (SANDBOX, "http://127.0.0.1:8080/response/x", True),
        (SANDBOX, "http://127.0.0.1:8081/response/x", False),
        (SANDBOX, "http://127.1:8080/response/x", False),
        (SANDBOX, "http://2130706433:8080/response/x", False),
        (SANDBOX, "https://hooks.slack.com/commands/T1/2/x", True),
        (GATEWAY, "https://gateway.example.com:8443/hooks/x", True),
        (GATEWAY, "https://gateway.example.com/hooks/x", False),
        (GATEWAY, "https://hooks.slack.com/commands/T1/2/x", True),
        (ELSEWHERE, "https://hooks.slack-gov.com/commands/T1/2/x", True),
        (ELSEWHERE, "https://hooks.evil-slack-gov.com/commands/T1/2/x", False),
    ],
)
def test_only_slacks_urls_are_response_urls(api_url: str, url: str, expected: bool) -> None:
    assert SlackUrls(api_url).is_response_url(url) is expected


@pytest.mark.parametrize(
    ("api_url", "url", "expected"),
    [
        (SLACK, "https://files.slack.com/upload/v1/x", True),
        (SLACK, "https://files-edge.slack.com/upload/v1/x", True),
        (SLACK, "https://slack.com/upload", True),
        (SLACK, "http://files.slack.com/upload/v1/x", False),
        (SLACK, "https://files.slack.com:444/upload/v1/x", False),
        (SLACK, "https://filesslack.com/upload/v1/x", False),
        (SLACK, "https://files.slack.com.evil.example/x", False),
        (SLACK, "https://evil.example#.slack.com", False),
        (SLACK, "https://evil.example?.slack.com", False),
        (SLACK, "https://files.slack.com@evil.example/x", False),
        (SANDBOX, "http://127.0.0.1:8080/upload/F1", True),
        (SANDBOX, "http://127.0.0.1:9/upload/F1", False),
        (ELSEWHERE, "https://files.slack-gov.com/upload/v1/x", True),
    ],
)
def test_only_slacks_urls_are_upload_urls(api_url: str, url: str, expected: bool) -> None:
    assert SlackUrls(api_url).is_upload_url(url) is expected


async def test_a_reply_to_a_foreign_response_url_is_posted_as_a_message(
    harness: BotHarness,
) -> None:
    async with stub_server(lambda _: web.Response(text="ok")) as elsewhere:
        harness.users.base_url = lambda: elsewhere.url
        with capture_logs() as logs:
            post = await harness.ask("/bitrise apps", "Sample Android")
        assert post.only_for == "U0ANNA"
        assert elsewhere.requests == []
    [warning] = [line for line in logs if line["event"] == "answer.not_slacks"]
    assert warning["log_level"] == "warning"
    assert warning["host"] in elsewhere.url
    assert "SLACK_API_URL" in warning["cure"]
    assert elsewhere.url not in str(logs)


async def test_a_response_url_in_a_forms_metadata_is_not_trusted(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    card = await harness.ask("/bitrise build android #1", "is running")
    await harness.users.click("anna", card, "Abort…")
    opened = await harness.slack.wait_for_modal("anna", "Sample Android #1 at once and posts your name")
    async with stub_server(lambda _: web.Response(text="ok")) as elsewhere:
        metadata = state_in(opened)
        assert metadata["response_url"].startswith(harness.slack.url)
        metadata |= {"response_url": f"{elsewhere.url}/response/x"}
        rewrite_state(opened, json.dumps(metadata), person="U0ANNA")
        await harness.users.submit("anna", {"reason": "wrong branch"})
        await harness.wait_for_message("anna aborted Sample Android #1: wrong branch")
        assert elsewhere.requests == []


async def test_a_log_is_not_uploaded_to_a_foreign_url(harness: BotHarness) -> None:
    harness.bitrise.start_build(harness.bitrise.android, ends_as="error")
    harness.clock.skip(timedelta(minutes=10))
    post = await harness.ask("/bitrise log android #1", "Log of")
    async with stub_server(lambda _: web.Response(text="OK")) as elsewhere:
        harness.slack.api.base_url = lambda: elsewhere.url
        await harness.press(post, "Send me the file", "leads to a host that isn't allowed")
        assert elsewhere.requests == []
