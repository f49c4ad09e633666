"""Starts that fail or have to wait: what stops the bot, the error messages, and the findings of `doctor`."""

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

from bot.app import Application
from bot.doctor.checks import run_checks
from bot.doctor.settings_checks import check_settings
from bot.http_server import CannotServe
from bot.manifest import manifest
from bot.service_tokens import ServiceTokenRefused, WrongProviderUrl
from bot.settings import Settings
from bot.timings import Timings
from sandbox.bitrise.members import TOKEN
from sandbox.bitrise.server import BitriseSimulator
from sandbox.buildio import members, oauth_grants
from sandbox.buildio.server import BuildioSimulator
from sandbox.slack.installations import CLIENT_ID, CLIENT_SECRET
from sandbox.slack.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackSimulator
from services.jobs.audit_anchor import AnchorNotWritable
from services.provider_connection import Finding
from services.slack.web_client import (
    SlackClient,
    SlackNotReachable,
    TokenRefused,
    check_app,
    connect,
    open_connection,
)
from storage.database import DatabaseProblem
from tests.support.stub_server import stub_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECHECK = 0.05
# Invalid tokens; the tests check that no output shows them.
WRONG = {
    "slack_bot_token": "xoxb-nobodys-0000",
    "slack_app_token": "xapp-nobodys-0000",
    "bitrise_token": "nobodys-token-0000",
    "buildio_token": "nobodys-token-0001",
}


@dataclass
class Services:
    """The simulated services, and the bot's settings for them."""

    slack: SlackSimulator
    bitrise: BitriseSimulator
    buildio: BuildioSimulator
    folder: Path

    def settings(self, **changed: Any) -> dict[str, Any]:
        settings = {
            "slack_bot_token": BOT_TOKEN,
            "slack_signing_secret": SIGNING_SECRET,
            "slack_api_url": self.slack.api_url,
            "bitrise_token": TOKEN,
            "bitrise_api_url": self.bitrise.api_url,
            "buildio_token": members.TOKEN,
            "buildio_api_url": self.buildio.api_url,
            "buildbell_secret_key": "k" * 43,
            "database_url": str(self.folder / "b.db"),
            "host": "127.0.0.1",
            "port": "0",
            "poll_interval": "0.1",
        }
        return {name: value for name, value in (settings | changed).items() if value is not None}

    def bot(self, **changed: Any) -> Application:
        return Application(
            Settings(_env_file=None, **self.settings(**changed)),
            timings=Timings(recheck_seconds=RECHECK, slack_retry_seconds=RECHECK),
        )

    async def examine(self, **changed: Any) -> dict[str, Finding]:
        """Return the findings of the doctor, by check."""
        result = check_settings(_env_file=None, **self.settings(**changed))
        findings = [*result.findings, *[finding async for finding in run_checks(result)]]
        output = " ".join(f"{finding.check} {finding.result} {finding.fix}" for finding in findings)
        secrets = {*WRONG.values(), BOT_TOKEN, APP_TOKEN, TOKEN, members.TOKEN}
        assert not [secret for secret in secrets if secret in output]
        return {finding.check: finding for finding in findings}

    def calls(self, method: str) -> int:
        return len([entry for entry in self.slack.request_log.entries if entry.title == method])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[tuple[SlackSimulator, BitriseSimulator, BuildioSimulator]]:
    slack = SlackSimulator(manifest())
    await slack.start()
    at_bitrise = await BitriseSimulator().start()
    at_buildio = await BuildioSimulator().start()
    yield slack, at_bitrise, at_buildio
    await slack.close()
    await at_bitrise.close()
    await at_buildio.close()


@pytest.fixture
def services(running: tuple[SlackSimulator, BitriseSimulator, BuildioSimulator], tmp_path: Path) -> Services:
    for simulator in (running[0].api, *running[1:]):
        simulator.faults.clear()
    return Services(*running, tmp_path)


@asynccontextmanager
async def started(bot: Application) -> AsyncIterator[Application]:
    """Run the bot and wait until it is ready; an error before that is raised."""
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
    ("name", "problem", "expected"),
    [
        ("slack_bot_token", TokenRefused, "Slack rejected SLACK_BOT_TOKEN (invalid_auth)."),
        ("slack_app_token", TokenRefused, "Slack rejected SLACK_APP_TOKEN (invalid_auth)."),
        ("bitrise_token", ServiceTokenRefused, "Bitrise rejected BITRISE_TOKEN (Unauthorized)"),
        (
            "buildio_token",
            ServiceTokenRefused,
            "Build.io rejected BUILDIO_TOKEN (The credentials are missing or invalid)",
        ),
    ],
)
async def test_a_token_that_is_refused_twice_stops_the_start_and_is_named(
    services: Services, name: str, problem: type[Exception], expected: str
) -> None:
    before = services.calls("auth.test"), len(services.bitrise.requests)
    bot = services.bot(**{name: WRONG[name]})
    with pytest.raises(problem) as caught:
        async with asyncio.timeout(60):
            await bot.run()
    assert str(caught.value).startswith(expected)
    assert WRONG[name] not in str(caught.value)
    assert not bot.ready.is_set()
    if name == "slack_bot_token":
        assert services.calls("auth.test") == before[0] + 2
    if name == "bitrise_token":
        assert len(services.bitrise.requests) == before[1] + 2, "the token is not used for polling"
    findings = await services.examine(**{name: WRONG[name]})
    failed = [finding for finding in findings.values() if not finding.passed]
    assert len(failed) == 1, failed
    assert name.upper() in f"{failed[0].result} {failed[0].fix}"


@pytest.mark.parametrize(
    ("name", "provider", "expected"),
    [
        ("bitrise_api_url", "Bitrise", "BITRISE_API_URL: Bitrise's API is not at this URL (Not Found)."),
        (
            "buildio_api_url",
            "Build.io",
            "BUILDIO_API_URL: Build.io's API is not at this URL (There is no such endpoint).",
        ),
    ],
)
async def test_a_url_without_the_api_stops_the_start_and_is_named(
    services: Services, name: str, provider: str, expected: str
) -> None:
    """The URL is that of the right server, without the path of the API's version."""
    url = {"bitrise_api_url": services.bitrise.url, "buildio_api_url": services.buildio.url}[name]
    bot = services.bot(**{name: url})
    with pytest.raises(WrongProviderUrl) as caught:
        async with asyncio.timeout(60):
            await bot.run()
    assert str(caught.value) == expected
    assert not bot.ready.is_set()
    finding = (await services.examine(**{name: url}))[provider]
    assert (finding.passed, name.upper() in (finding.fix or "")) == (False, True)


async def test_a_server_with_the_documented_endpoints_only_does_not_stop_the_start(
    services: Services,
) -> None:
    services.bitrise.fault("GET /v0.1/builds", "status", status=404, times=1000)
    services.buildio.fault("GET /api/v1/me", "status", status=404, times=1000)
    async with started(services.bot()):
        pass
    with pytest.raises(ServiceTokenRefused, match="Bitrise rejected BITRISE_TOKEN"):
        await services.bot(bitrise_token=WRONG["bitrise_token"]).run()


async def test_a_single_refusal_does_not_stop_the_start(services: Services) -> None:
    services.slack.fault("auth.test", "error", words="invalid_auth")
    services.slack.fault("apps.connections.open", "error", words="not_allowed_token_type")
    services.bitrise.fault("*", "status", status=401)
    services.buildio.fault("*", "status", status=401)
    async with started(services.bot(slack_app_token=APP_TOKEN)):
        for simulator in (services.slack.api, services.bitrise, services.buildio):
            assert simulator.faults.active == []


async def test_refusals_with_another_error_in_between_do_not_stop_the_start(services: Services) -> None:
    for word in ("invalid_auth", "internal_error", "invalid_auth"):
        services.slack.fault("auth.test", "error", words=word)
    async with started(services.bot()):
        assert services.slack.api.faults.active == []


async def test_unavailable_providers_do_not_stop_the_start(services: Services) -> None:
    services.bitrise.fault("*", "status", times=5, status=503)
    async with started(services.bot(buildio_api_url="http://127.0.0.1:9/api/v1")):
        pass


async def test_a_token_that_is_revoked_later_stops_only_the_next_start(services: Services) -> None:
    async with started(services.bot(service_token_acts="1")) as bot, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{bot.port}"
        services.slack.use_http(f"{url}/slack/events")
        await services.slack.users.command("anna", "builds", "/bitrise subscribe android")
        await services.slack.wait_for_post("builds", "subscribed to", seconds=60)
        services.bitrise.fault("*", "status", times=1000, status=401)
        failures = 0
        async with asyncio.timeout(60):
            while failures < 2:
                async with session.get(f"{url}/readyz") as answer:
                    assert answer.status == 200
                    failures = (await answer.json())["bitrise_failures"]
                await asyncio.sleep(0.02)
    # The next start fails, and sends no other request with the token.
    request_count = len(services.bitrise.requests)
    with pytest.raises(ServiceTokenRefused, match="Bitrise rejected BITRISE_TOKEN"):
        await services.bot(service_token_acts="1").run()
    assert len(services.bitrise.requests) == request_count + 2


SERVING = [
    ({"host": "999.1.1.1"}, "HOST: 999.1.1.1 can't be used ("),
    ({"host": "a..b"}, "HOST: a..b can't be used ("),
    ({"host": "192.0.2.1"}, "HOST: 192.0.2.1 is not an address of this machine."),
]


@pytest.mark.parametrize(("changed", "expected"), SERVING)
async def test_an_unusable_host_is_named_in_the_error(
    services: Services, changed: dict[str, str], expected: str
) -> None:
    with pytest.raises(CannotServe) as caught:
        await services.bot(**changed).run()
    assert str(caught.value).startswith(expected)
    finding = (await services.examine(**changed))["Port"]
    assert (finding.passed, finding.result) == (False, str(caught.value))


async def test_a_port_in_use_is_named_in_the_error_unless_the_bot_itself_uses_it(
    services: Services,
) -> None:
    async with stub_server(lambda _: web.Response(text="something else")) as other:
        port = other.url.rpartition(":")[2]
        with pytest.raises(CannotServe, match=f"PORT: {port} is in use by another program"):
            await services.bot(port=port).run()
        finding = (await services.examine(port=port))["Port"]
        assert (finding.passed, f"PORT: {port} is in use" in finding.result) == (False, True)
    async with started(services.bot()) as bot:
        findings = await services.examine(port=str(bot.port))
        assert findings["Port"].result == f"{bot.port}, used by a running Buildbell"
        assert [finding for finding in findings.values() if not finding.passed] == []


async def test_an_unwritable_path_is_reported_with_its_setting(services: Services) -> None:
    for name, value, problem, check in (
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
        finding = (await services.examine(**{name: value}))[check]
        assert (finding.passed, name.upper() in (finding.fix or "")) == (False, True), value
    finding = (await services.examine(audit_anchor="syslog+tcp://nowhere.invalid"))["Audit anchor"]
    assert (finding.passed, "nowhere.invalid can't be resolved" in finding.result) == (False, True)


async def test_a_missing_folder_is_created_and_the_doctor_says_so(services: Services) -> None:
    path = services.folder / "new" / "folder" / "b.db"
    finding = (await services.examine(database_url=str(path)))["Database"]
    assert (finding.passed, finding.result) == (True, f"{path}, will be created, with its folder")
    assert not path.parent.exists()
    async with started(services.bot(database_url=str(path))):
        assert path.exists()


async def test_the_doctor_reports_each_problem_with_a_fix_and_continues(services: Services) -> None:
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
    failed = {check: f"{one.result} → {one.fix}" for check, one in findings.items() if not one.passed}
    for check, expected in {
        "LOG_LEVEL": "correct LOG_LEVEL",
        "Access rules": "/nowhere.toml can't be read",
        "Key": "`buildbell new-key`",
        "Database": "/proc/b.db can't be written",
        "Slack scopes": "missing app_mentions:read",
        "Socket Mode": "create an app-level token (xapp-…) with connections:write",
        "Bitrise": "check BITRISE_TOKEN",
    }.items():
        assert expected in failed.pop(check)
    assert failed == {}
    over_http = {"slack_app_token": None, "slack_signing_secret": "s" * 32}
    refused = (await services.examine(slack_bot_token="xoxb-nobodys-0000", **over_http))["Slack token"]
    assert (refused.passed, "SLACK_BOT_TOKEN" in (refused.fix or "")) == (False, True)
    assert findings["Build.io"].result == "connected as build-service@acme.example"
    assert findings["Build.io apps"].result.startswith("the token can see 4")


async def test_the_doctor_checks_only_providers_with_a_token(services: Services) -> None:
    findings = await services.examine(bitrise_token=None)
    assert "Bitrise" not in findings
    assert findings["Build.io"].result == "connected as build-service@acme.example"
    assert [finding for finding in findings.values() if not finding.passed] == []


async def test_a_client_secret_that_slack_refuses_stops_the_start(services: Services) -> None:
    many = {"slack_bot_token": None, "slack_client_id": CLIENT_ID, "public_url": "https://bot.example.com"}
    with pytest.raises(TokenRefused, match=r"SLACK_CLIENT_ID with SLACK_CLIENT_SECRET \(bad_client_secret\)"):
        await services.bot(**many, slack_client_secret="nobodys").run()
    async with started(services.bot(**many, slack_client_secret=CLIENT_SECRET)):
        pass


async def test_a_wrong_client_secret_of_buildio_stops_the_start_and_is_named(services: Services) -> None:
    known = {"buildio_client_id": oauth_grants.CLIENT_ID, "public_url": "https://bot.example.com"}
    finding = (await services.examine(**known, buildio_client_secret=oauth_grants.CLIENT_SECRET))[
        "Build.io sign-in"
    ]
    assert finding.passed
    with pytest.raises(ServiceTokenRefused, match="rejected BUILDIO_CLIENT_ID with BUILDIO_CLIENT_SECRET"):
        await services.bot(**known, buildio_client_secret="nobodys").run()
    finding = (await services.examine(**known, buildio_client_secret="nobodys"))["Build.io sign-in"]
    assert (finding.passed, "BUILDIO_CLIENT_SECRET" in (finding.fix or "")) == (False, True)
    async with started(services.bot(**known, buildio_client_secret=oauth_grants.CLIENT_SECRET)):
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
async def test_a_response_that_is_not_slacks_counts_as_unreachable(answer: web.Response) -> None:
    async with stub_server(
        lambda _: web.Response(body=answer.body, status=answer.status, headers=answer.headers)
    ) as other:
        client = SlackClient(token="xoxb-1", base_url=f"{other.url}/")
        for call in (connect(client), open_connection(client, "xapp-1"), check_app(client, "1", "2", "3")):
            with pytest.raises(SlackNotReachable):
                await call


async def test_swapped_slack_tokens_are_reported_and_not_sent(services: Services) -> None:
    before = services.calls("auth.test")
    findings = await services.examine(slack_bot_token=APP_TOKEN, slack_app_token=BOT_TOKEN)
    [failed] = [finding for finding in findings.values() if not finding.passed]
    assert "SLACK_BOT_TOKEN and SLACK_APP_TOKEN are swapped" in (failed.fix or "")
    assert services.calls("auth.test") == before
