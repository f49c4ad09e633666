"""A start that can't be, and one that has to wait: what stops the bot, in which words, and what `doctor` says of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from bot.anchor_writer import AnchorNotWritable
from bot.app import Buildbell
from bot.doctor import examine
from bot.findings import Finding
from bot.manifest import manifest
from bot.providers import ServiceTokenRefused
from bot.settings import Settings
from bot.settings_check import look_at_settings
from bot.slack import SlackNotReachable, TokenRefused, check_app, connect, open_connection
from bot.slack.client import SlackClient
from bot.web import CannotServe
from sandbox import bitrise, buildio
from sandbox.bitrise import BitriseSandbox
from sandbox.buildio import BuildioSandbox
from sandbox.slack import (
    APP_TOKEN,
    BOT_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    SIGNING_SECRET,
    SlackSandbox,
)
from storage import DatabaseProblem
from tests.servers import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECHECK = 0.05
# Nobody has one of these; in a line they would show.
WRONG = {
    "slack_bot_token": "xoxb-nobodys-0000",
    "slack_app_token": "xapp-nobodys-0000",
    "bitrise_token": "nobodys-token-0000",
    "buildio_token": "nobodys-token-0001",
}


@dataclass
class Services:
    """The simulated services, and the bot's settings for them."""

    slack: SlackSandbox
    bitrise: BitriseSandbox
    buildio: BuildioSandbox
    folder: Path

    def settings(self, **changed: Any) -> dict[str, Any]:
        whole = {
            "slack_bot_token": BOT_TOKEN,
            "slack_signing_secret": SIGNING_SECRET,
            "slack_api_url": self.slack.api_url,
            "bitrise_token": bitrise.TOKEN,
            "bitrise_api_url": self.bitrise.api_url,
            "buildio_token": buildio.TOKEN,
            "buildio_api_url": self.buildio.api_url,
            "buildbell_secret_key": "k" * 43,
            "database_url": str(self.folder / "b.db"),
            "host": "127.0.0.1",
            "port": "0",
            "poll_interval": "0.1",
        }
        return {name: value for name, value in (whole | changed).items() if value is not None}

    def bot(self, **changed: Any) -> Buildbell:
        return Buildbell(
            Settings(_env_file=None, **self.settings(**changed)),
            recheck_seconds=RECHECK,
            slack_retry_seconds=RECHECK,
        )

    async def examine(self, **changed: Any) -> dict[str, Finding]:
        """What the doctor finds, by what it looked at."""
        looked = look_at_settings(_env_file=None, **self.settings(**changed))
        findings = [*looked.findings, *[one async for one in examine(looked)]]
        said = " ".join(f"{one.what} {one.said} {one.cure}" for one in findings)
        secrets = {*WRONG.values(), BOT_TOKEN, APP_TOKEN, bitrise.TOKEN, buildio.TOKEN}
        assert not [secret for secret in secrets if secret in said]
        return {one.what: one for one in findings}

    def calls(self, method: str) -> int:
        return len([one for one in self.slack.journal.entries if one.what == method])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[tuple[SlackSandbox, BitriseSandbox, BuildioSandbox]]:
    slack = SlackSandbox(manifest())
    await slack.start()
    at_bitrise = await BitriseSandbox().start()
    at_buildio = await BuildioSandbox().start()
    yield slack, at_bitrise, at_buildio
    await slack.close()
    await at_bitrise.close()
    await at_buildio.close()


@pytest.fixture
def services(running: tuple[SlackSandbox, BitriseSandbox, BuildioSandbox], tmp_path: Path) -> Services:
    for one in (running[0].api, *running[1:]):
        one.faults.clear()
    return Services(*running, tmp_path)


@asynccontextmanager
async def started(bot: Buildbell) -> AsyncIterator[Buildbell]:
    """The bot, once it is ready; whatever ends it before is raised."""
    running, ready = asyncio.create_task(bot.run()), asyncio.create_task(bot.ready.wait())
    async with asyncio.timeout(60):
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if running.done():
        running.result()
    try:
        yield bot
        assert not running.done()
    finally:
        bot.stop()
        await running


@pytest.mark.parametrize(
    ("name", "problem", "said"),
    [
        ("slack_bot_token", TokenRefused, "Slack refuses SLACK_BOT_TOKEN (invalid_auth)."),
        ("slack_app_token", TokenRefused, "Slack refuses SLACK_APP_TOKEN (invalid_auth)."),
        ("bitrise_token", ServiceTokenRefused, "Bitrise refuses BITRISE_TOKEN (Unauthorized)"),
        (
            "buildio_token",
            ServiceTokenRefused,
            "Build.io refuses BUILDIO_TOKEN (The credentials are missing or invalid)",
        ),
    ],
)
async def test_a_refused_token_stops_the_start_by_its_name_once_it_was_asked_twice(
    services: Services, name: str, problem: type[Exception], said: str
) -> None:
    before = services.calls("auth.test"), len(services.bitrise.requests)
    bot = services.bot(**{name: WRONG[name]})
    with pytest.raises(problem) as caught:
        async with asyncio.timeout(60):
            await bot.run()
    assert str(caught.value).startswith(said)
    assert WRONG[name] not in str(caught.value)
    assert not bot.ready.is_set()
    if name == "slack_bot_token":
        assert services.calls("auth.test") == before[0] + 2
    if name == "bitrise_token":
        assert len(services.bitrise.requests) == before[1] + 2, "nothing is watched with it"
    findings = await services.examine(**{name: WRONG[name]})
    bad = [one for one in findings.values() if not one.well]
    assert len(bad) == 1, bad
    assert name.upper() in f"{bad[0].said} {bad[0].cure}"


async def test_a_refusal_that_was_a_hiccup_stops_nothing(services: Services) -> None:
    services.slack.fault("auth.test", "error", words="invalid_auth")
    services.slack.fault("apps.connections.open", "error", words="not_allowed_token_type")
    services.bitrise.fault("*", "status", status=401)
    services.buildio.fault("*", "status", status=401)
    async with started(services.bot(slack_app_token=APP_TOKEN)):
        for one in (services.slack.api, services.bitrise, services.buildio):
            assert one.faults.active == []


async def test_refusals_with_something_else_between_stop_nothing(services: Services) -> None:
    for word in ("invalid_auth", "internal_error", "invalid_auth"):
        services.slack.fault("auth.test", "error", words=word)
    async with started(services.bot()):
        assert services.slack.api.faults.active == []


async def test_providers_that_are_away_are_no_reason_to_stop(services: Services) -> None:
    services.bitrise.fault("*", "status", times=5, status=503)
    async with started(services.bot(buildio_api_url="http://127.0.0.1:9/api/v1")):
        pass


async def test_a_token_that_is_revoked_later_stops_the_next_start_alone(services: Services) -> None:
    async with started(services.bot(service_token_acts="1")) as bot, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{bot.port}"
        services.slack.use_http(f"{url}/slack/events")
        await services.slack.people.command("anna", "builds", "/bitrise subscribe android")
        await services.slack.wait_for_post("builds", "subscribed this channel", seconds=60)
        services.bitrise.fault("*", "status", times=1000, status=401)
        failures = 0
        async with asyncio.timeout(60):
            while failures < 2:
                async with session.get(f"{url}/readyz") as answer:
                    assert answer.status == 200
                    failures = (await answer.json())["bitrise_failures"]
                await asyncio.sleep(0.02)
    # At the next start it counts, and nothing else is asked under it.
    asked = len(services.bitrise.requests)
    with pytest.raises(ServiceTokenRefused, match="Bitrise refuses BITRISE_TOKEN"):
        await services.bot(service_token_acts="1").run()
    assert len(services.bitrise.requests) == asked + 2


SERVING = [
    ({"host": "999.1.1.1"}, "HOST: 999.1.1.1 can't be served on ("),
    ({"host": "a..b"}, "HOST: a..b can't be served on ("),
    ({"host": "192.0.2.1"}, "HOST: 192.0.2.1 is no address of this machine."),
]


@pytest.mark.parametrize(("changed", "said"), SERVING)
async def test_a_host_that_can_not_be_is_blamed_itself(
    services: Services, changed: dict[str, str], said: str
) -> None:
    with pytest.raises(CannotServe) as caught:
        await services.bot(**changed).run()
    assert str(caught.value).startswith(said)
    finding = (await services.examine(**changed))["Port"]
    assert (finding.well, finding.said) == (False, str(caught.value))


async def test_a_port_that_is_taken_is_blamed_itself_unless_it_is_the_bot_that_runs(
    services: Services,
) -> None:
    async with serving(lambda _: web.Response(text="something else")) as other:
        port = other.url.rpartition(":")[2]
        with pytest.raises(CannotServe, match=f"PORT: {port} is in use by another program"):
            await services.bot(port=port).run()
        finding = (await services.examine(port=port))["Port"]
        assert (finding.well, f"PORT: {port} is in use" in finding.said) == (False, True)
    async with started(services.bot()) as bot:
        findings = await services.examine(port=str(bot.port))
        assert findings["Port"].said == f"{bot.port}, where a Buildbell runs"
        assert [one for one in findings.values() if not one.well] == []


async def test_a_place_that_can_not_be_written_is_blamed_on_its_own_setting(services: Services) -> None:
    for name, value, problem, what in (
        ("database_url", "sqlite:////proc/b.db", DatabaseProblem, "Database"),
        ("database_url", "sqlite:////proc/nowhere/b.db", DatabaseProblem, "Database"),
        ("database_url", f"sqlite:///{services.folder}", DatabaseProblem, "Database"),
        ("audit_anchor", "/proc/anchor.jsonl", AnchorNotWritable, "Audit anchor"),
        ("audit_anchor", str(services.folder / "away" / "anchor.jsonl"), AnchorNotWritable, "Audit anchor"),
        ("audit_anchor", "/proc", AnchorNotWritable, "Audit anchor"),
    ):
        with pytest.raises(problem) as caught:
            await services.bot(**{name: value}).run()
        assert str(caught.value).startswith(
            f"{name.upper()}: {value.removeprefix('sqlite:///')} can't be written"
        )
        finding = (await services.examine(**{name: value}))[what]
        assert (finding.well, name.upper() in (finding.cure or "")) == (False, True), value
    finding = (await services.examine(audit_anchor="syslog+tcp://nowhere.invalid"))["Audit anchor"]
    assert (finding.well, "nowhere.invalid is not known" in finding.said) == (False, True)


async def test_a_folder_that_is_missing_is_made_and_the_doctor_knows(services: Services) -> None:
    path = services.folder / "new" / "folder" / "b.db"
    finding = (await services.examine(database_url=str(path)))["Database"]
    assert (finding.well, finding.said) == (True, f"{path}, will be made, with its folder")
    assert not path.parent.exists()
    async with started(services.bot(database_url=str(path))):
        assert path.exists()


async def test_the_doctor_names_each_trouble_with_its_cure_and_goes_on(services: Services) -> None:
    scopes, services.slack.api.scopes = services.slack.api.scopes, frozenset({"chat:write"})
    try:
        findings = await services.examine(
            bitrise_token="nobodys-token-0000",
            slack_app_token="xapp-nobodys-0000",
            database_url="/proc/b.db",
            policy_file="/nowhere.toml",
            log_level="loud",
            buildbell_secret_key=None,
        )
    finally:
        services.slack.api.scopes = scopes
    bad = {what: f"{one.said} → {one.cure}" for what, one in findings.items() if not one.well}
    for what, words in {
        "LOG_LEVEL": "correct LOG_LEVEL",
        "Policy": "/nowhere.toml can't be read",
        "Key": "`buildbell new-key`",
        "Database": "/proc/b.db can't be written",
        "Slack scopes": "missing app_mentions:read",
        "Socket Mode": "make an app-level token (xapp-…) with connections:write",
        "Bitrise": "check BITRISE_TOKEN",
    }.items():
        assert words in bad.pop(what)
    assert bad == {}
    over_http = {"slack_app_token": None, "slack_signing_secret": "s" * 32}
    refused = (await services.examine(slack_bot_token="xoxb-nobodys-0000", **over_http))["Slack token"]
    assert (refused.well, "SLACK_BOT_TOKEN" in (refused.cure or "")) == (False, True)
    assert findings["Build.io"].said == "as build-service@acme.example"
    assert findings["Build.io apps"].said.startswith("4 can be")


async def test_the_doctor_asks_the_provider_alone_that_has_a_token(services: Services) -> None:
    findings = await services.examine(bitrise_token=None)
    assert "Bitrise" not in findings
    assert findings["Build.io"].said == "as build-service@acme.example"
    assert [one for one in findings.values() if not one.well] == []


async def test_a_client_secret_that_slack_refuses_stops_the_start(services: Services) -> None:
    many = {"slack_bot_token": None, "slack_client_id": CLIENT_ID, "public_url": "https://bot.example.com"}
    with pytest.raises(TokenRefused, match=r"SLACK_CLIENT_ID with SLACK_CLIENT_SECRET \(bad_client_secret\)"):
        await services.bot(**many, slack_client_secret="nobodys").run()
    async with started(services.bot(**many, slack_client_secret=CLIENT_SECRET)):
        pass


async def test_a_sign_in_that_buildio_does_not_know_stops_the_start_and_is_named(services: Services) -> None:
    known = {"buildio_client_id": buildio.CLIENT_ID, "public_url": "https://bot.example.com"}
    finding = (await services.examine(**known, buildio_client_secret=buildio.CLIENT_SECRET))[
        "Build.io sign-in"
    ]
    assert finding.well
    with pytest.raises(ServiceTokenRefused, match="refuses BUILDIO_CLIENT_ID with BUILDIO_CLIENT_SECRET"):
        await services.bot(**known, buildio_client_secret="nobodys").run()
    finding = (await services.examine(**known, buildio_client_secret="nobodys"))["Build.io sign-in"]
    assert (finding.well, "BUILDIO_CLIENT_SECRET" in (finding.cure or "")) == (False, True)
    async with started(services.bot(**known, buildio_client_secret=buildio.CLIENT_SECRET)):
        pass


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="ok"),
        web.Response(body=b"[1]", content_type="application/json"),
        web.Response(body=b"\x1f\x8b\x08\x00nothing", content_type="application/gzip"),
        web.Response(status=502, text="<html>bad gateway</html>", content_type="text/html"),
    ],
    ids=["text", "list", "gzip", "page"],
)
async def test_an_answer_that_is_not_slacks_is_waited_out(answer: web.Response) -> None:
    async with serving(
        lambda _: web.Response(body=answer.body, status=answer.status, headers=answer.headers)
    ) as other:
        client = SlackClient(token="xoxb-1", base_url=f"{other.url}/")
        for asking in (connect(client), open_connection(client, "xapp-1"), check_app(client, "1", "2", "3")):
            with pytest.raises(SlackNotReachable):
                await asking


async def test_slack_tokens_that_are_swapped_are_named_so_and_sent_to_nobody(services: Services) -> None:
    before = services.calls("auth.test")
    findings = await services.examine(slack_bot_token=APP_TOKEN, slack_app_token=BOT_TOKEN)
    [bad] = [one for one in findings.values() if not one.well]
    assert "SLACK_BOT_TOKEN and SLACK_APP_TOKEN are swapped" in (bad.cure or "")
    assert services.calls("auth.test") == before
