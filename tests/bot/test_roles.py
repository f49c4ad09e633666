"""Bots that divide the work by their roles."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp

from services.polling.poller import OUTAGE_AFTER
from tests.support.many_bots import ManagedBot, ManyBots, many_bots
from tests.support.postgres import PostgresServer

NO_SLACK = "http://127.0.0.1:1/api/"
WAITING = "SELECT DISTINCT status::text FROM procrastinate.procrastinate_jobs WHERE queue_name = 'deliver'"


async def get(bot: ManagedBot, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{bot.port}{path}") as response,
    ):
        return response.status, await response.text()


async def readiness(bot: ManagedBot) -> dict[str, Any]:
    status, text = await get(bot, "/readyz")
    details: dict[str, Any] = json.loads(text)
    assert (status == 200) is details["ready"]
    return details


def finish_build(harness: ManyBots) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "success")


async def test_each_bot_does_only_what_its_roles_are(tmp_path: Path, postgres: PostgresServer) -> None:
    anchor = tmp_path / "anchor.jsonl"
    async with many_bots(tmp_path, postgres, 0, audit_anchor=str(anchor)) as harness:
        await harness.start_bot(roles="web")
        assert not anchor.exists()
        # It needs neither Slack nor the secret that Slack signs with.
        await harness.start_bot(roles="poll", slack_api_url=NO_SLACK, slack_signing_secret="")
        await harness.start_bot(roles="dispatch,jobs", slack_signing_secret="")
        web, poll, dispatch = harness.bots

        await harness.ask("/bitrise subscribe android", "subscribed to")
        finish_build(harness)
        await harness.wait_for_message("#1 passed", person=None)
        assert (await readiness(web))["slack"] is True
        for bot, roles in ((poll, ["poll"]), (dispatch, ["dispatch", "jobs"])):
            details = await readiness(bot)
            assert (details["ready"], details["roles"], details["database"]) == (True, roles, True)
            assert "slack" not in details
            assert (await get(bot, "/healthz"))[0] == 200
            assert "buildbell_ready 1.0" in (await get(bot, "/metrics"))[1]
            assert (await get(bot, "/slack/events"))[0] == 404

        assert ["audit_anchor" in await readiness(bot) for bot in harness.bots] == [False, False, True]
        await harness.wait_until(lambda: anchor.stat().st_size > 0)

        # What only polling knows, the others read from the database.
        harness.bitrise.fault("GET /v0.1/builds", "status", times=1000, status=401)
        async with asyncio.timeout(60):
            while (await readiness(web))["bitrise_failures"] < OUTAGE_AFTER:  # noqa: ASYNC110 - no event leaves the bot
                await asyncio.sleep(0.1)
        await harness.ask("/bitrise subscriptions", "No updates from Bitrise")
        harness.bitrise.faults.clear()

        # Nobody takes a job that is not their role's, until somebody comes who has it.
        await harness.stop(dispatch)
        finish_build(harness)
        await harness.wait_for_values(WAITING, "todo")
        await harness.start_bot(roles="dispatch")
        await harness.wait_for_message("#2 passed", person=None)
        assert len(harness.messages_with("passed")) == 2
        assert harness.slack.violations == []
