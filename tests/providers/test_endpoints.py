"""Every endpoint in the providers' documents is requested by an action of a user, in the user's own name."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from bot.doctor.checks import run_checks
from bot.doctor.settings_checks import check_settings
from providers.buildio.provider import BUILDIO
from sandbox.bitrise.members import ANNA_TOKEN
from sandbox.middleware import RecordedRequest
from sandbox.provider_simulator import ProviderSimulator
from tests.providers.buildio.config_var_harness import config_var_harness, open_form
from tests.support.bot_harness import BotHarness
from tests.support.certificates import make_certificate

FIXTURES = Path(__file__).parents[1] / "fixtures"
# The headings of Bitrise's documents (API v0.1); they do not include the lists of all apps and all builds.
BITRISE_ENDPOINTS = (FIXTURES / "bitrise" / "endpoints.txt").read_text().splitlines()
BUILDIO_ENDPOINTS = re.findall(
    r"^((?:GET|POST|PUT|PATCH|DELETE) /\S*) — ",
    (FIXTURES / "buildio" / "reference.txt").read_text(),
    re.MULTILINE,
)
POLICY = """
[[rule]]
allow = ["run", "login"]
who = ["U0ANNA"]
"""
HOST = "www.shop.example"
MANY = 10**6
Action = Callable[[BotHarness], Awaitable[object]]


def type_command(command: str, expected: str) -> Action:
    """Type a command."""
    return lambda harness: harness.ask(command, expected)


def confirm_command(command: str, then: str) -> Action:
    """Type a command that asks for confirmation, and confirm it."""
    return lambda harness: harness.confirm(command, "Remove", then)


def press_button(command: str, expected: str, button: str, then: str) -> Action:
    """Type a command, and press a button on its answer."""

    async def act(harness: BotHarness) -> None:
        await harness.press(await harness.ask(command, expected), button, then)

    return act


def fill_in_form(command: str, expected: str, fields: Mapping[str, str], then: str) -> Action:
    """Type a command, and fill in the form that it opens."""

    async def act(harness: BotHarness) -> None:
        await open_form(harness, command, expected)
        await harness.users.submit("anna", fields)
        await harness.wait_for_message(then, person=None)

    return act


async def connect(harness: BotHarness) -> None:
    await harness.connect("anna")


async def connect_at_buildio(harness: BotHarness) -> None:
    await harness.connect("anna", provider=BUILDIO)


async def change_certificate(harness: BotHarness) -> None:
    certificate = make_certificate(HOST)
    post = await harness.ask("/buildio domains shop", "a certificate can take a few minutes")
    await harness.users.click("anna", post, "Replace certificate…")
    await harness.slack.wait_for_modal("anna", f"Replaces the certificate of `{HOST}` of shop")
    await harness.users.submit("anna", {"certificate": certificate.certificate, "private": certificate.key})
    await harness.wait_for_message("anna replaced the certificate", person=None)


async def clear_domains(harness: BotHarness) -> None:
    await harness.ask(f"/buildio domains add shop {HOST}", "anna added the domain")
    await open_form(harness, "/buildio domains clear shop", "Remove all domains")
    await harness.users.submit("anna", {"typed_name": "shop"})
    await harness.wait_for_message("anna removed all custom domains", person=None)


def run_doctor(**wrong_settings: str) -> Action:
    """Run the operator's `doctor` command with a wrong setting."""

    async def act(harness: BotHarness) -> None:
        settings = check_settings(_env_file=None, **(harness.settings() | wrong_settings))
        [fix] = [finding.fix or "" async for finding in run_checks(settings) if finding.check == "Bitrise"]
        assert ("/v0.1" if "bitrise_api_url" in wrong_settings else "is correct: check BITRISE_TOKEN") in fix

    return act


async def run_doctor_with_wrong_url(harness: BotHarness) -> None:
    await run_doctor(bitrise_api_url=harness.bitrise.url)(harness)


async def change_page(harness: BotHarness) -> None:
    link = await harness.press(
        await harness.ask("/bitrise artifacts #1", "2 artifacts from"), "Get link", "expires in 10 minutes"
    )
    await harness.press(link, "Make private", "anna made the install page")


AT_BITRISE: Mapping[str, Action] = {
    "GET /": run_doctor_with_wrong_url,
    "GET /v0.1": run_doctor(bitrise_token="bitpat_of-nobody-0000000000"),
    "GET /me": connect,
    "GET /me/apps": type_command("/bitrise apps", "3 apps"),
    "GET /apps/{APP-SLUG}": type_command("/bitrise use android", "set this channel's app to"),
    "GET /apps/{APP-SLUG}/builds": type_command("/bitrise builds", "#1"),
    "GET /apps/{APP-SLUG}/builds/{BUILD-SLUG}": type_command(
        "/bitrise rebuild #1", "anna started Sample Android"
    ),
    "GET /apps/{APP-SLUG}/builds/{BUILD-SLUG}/log": type_command("/bitrise log #1", "Log of"),
    "GET /apps/{APP-SLUG}/builds/{BUILD-SLUG}/artifacts": type_command(
        "/bitrise artifacts #1", "2 artifacts from"
    ),
    "GET /apps/{APP-SLUG}/builds/{BUILD-SLUG}/artifacts/{ARTIFACT-SLUG}": press_button(
        "/bitrise artifacts #1", "2 artifacts from", "Get link", "expires in 10 minutes"
    ),
    "PATCH /apps/{APP-SLUG}/builds/{BUILD-SLUG}/artifacts/{ARTIFACT-SLUG}": change_page,
    "POST /apps/{APP-SLUG}/builds/{BUILD-SLUG}/abort": type_command("/bitrise abort #2", "anna aborted"),
}


APP = "/apps/{app_id_or_name}"
AT_BUILDIO: Mapping[str, Action] = {
    "GET /me": connect_at_buildio,
    # Before the actions that restart the processes.
    f"POST {APP}/dynos/{{dyno}}/exec": fill_in_form(
        '/buildio run shop dyno:web.1 -- grep "" file', "as an array of these words", {}, "anna ran a command"
    ),
    "GET /apps": type_command("/buildio apps", "shop"),
    f"GET {APP}": type_command("/buildio app shop", "shop"),
    "POST /apps": type_command("/buildio create fresh", "anna created"),
    f"POST {APP}/builds": type_command("/buildio deploy shop branch:main", "anna started deploying"),
    f"GET {APP}/config-vars": type_command("/buildio config shop", "config vars"),
    f"PATCH {APP}/config-vars": fill_in_form(
        "/buildio config set shop NEW", "Set config vars", {"value": "1"}, "+ `NEW`"
    ),
    f"DELETE {APP}/config-vars/{{key}}": confirm_command("/buildio config unset shop NEW", "− `NEW`"),
    f"POST {APP}/domains": type_command(f"/buildio domains add shop {HOST}", "anna added the domain"),
    f"GET {APP}/domains": type_command("/buildio domains shop", HOST),
    f"GET {APP}/domains/{{domain_id}}": type_command("/buildio domains shop", HOST),
    f"PATCH {APP}/domains/{{domain_id}}": change_certificate,
    f"DELETE {APP}/domains/{{domain_id}}": press_button(
        f"/buildio domains remove shop {HOST}", f"Remove `{HOST}`", "Remove", "anna removed the domain"
    ),
    f"DELETE {APP}/domains": clear_domains,
    f"GET {APP}/dynos/list": type_command("/buildio ps shop", "processes"),
    f"DELETE {APP}/dynos/{{dyno}}": type_command("/buildio restart shop web.1", "anna restarted"),
    f"DELETE {APP}/dynos": fill_in_form(
        "/buildio restart shop", "Work in progress stops", {}, "anna restarted all processes"
    ),
    "GET /namespaces": type_command("/buildio namespaces", "1 namespace"),
    "POST /namespaces": type_command(
        "/buildio namespaces create payments", "anna created the Build.io namespace"
    ),
    "GET /namespaces/{namespace_id_or_name}": type_command("/buildio namespace payments", "payments"),
    "DELETE /namespaces/{namespace_id_or_name}": fill_in_form(
        "/buildio namespaces delete payments",
        "payments",
        {"typed_name": "payments"},
        "anna deleted the Build.io namespace",
    ),
    "GET /pipelines": type_command("/buildio pipelines", "1 pipeline"),
    "GET /pipelines/{pipeline_id_or_name}": type_command("/buildio pipeline shop", "production"),
    "GET /pipelines/{pipeline_id_or_name}/apps": type_command("/buildio pipeline shop", "production"),
    "GET /environments/{id}": type_command("/buildio envs review", "config var"),
    "PATCH /environments/{id}": fill_in_form(
        "/buildio envs set review NEW",
        "Sets config vars of the environment review",
        {"value": "1"},
        "+ `NEW`",
    ),
    "DELETE /environments/{id}/{key}": confirm_command("/buildio envs unset review NEW", "− `NEW`"),
    "GET /teams": type_command("/buildio teams", "2 teams"),
    "GET /teams/{id}": type_command("/buildio team labs", "labs"),
    "GET /oidc-login": type_command("/buildio login eu", "anna got a credential"),
}


def matches(endpoint: str, request: RecordedRequest, root: str) -> bool:
    """Return whether the request is for the endpoint; `{…}` matches any name."""
    verb, _, path = endpoint.partition(" ")
    if not path.startswith(root) and path != "/":
        path = root + path
    pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path))
    return request.method == verb and re.fullmatch(pattern, request.path) is not None


async def find_unreached(
    harness: BotHarness, service: ProviderSimulator, actions: Mapping[str, Action], *, root: str, member: str
) -> list[str]:
    """Return the endpoints that their action did not request in the member's name or without a token."""
    missing = []
    for endpoint, act in actions.items():
        before = len(service.requests)
        await act(harness)
        requests = [request for request in list(service.requests)[before:] if request.member in (member, "")]
        if not any(matches(endpoint, request, root) for request in requests):
            missing.append(endpoint)
    return missing


async def test_every_endpoint_of_bitrises_documents_is_reached_by_a_person(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, people=()) as harness:
        for endpoint in ("GET /v0.1/apps", "GET /v0.1/builds"):
            harness.bitrise.fault(endpoint, "status", status=404, times=MANY)
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
        assert set(AT_BITRISE) == set(BITRISE_ENDPOINTS)
        missing = await find_unreached(harness, harness.bitrise, AT_BITRISE, root="/v0.1", member="anna-berg")
        assert missing == []
        paths = [request.path for request in harness.bitrise.requests]
        assert "/v0.1/me/apps" in paths
        assert ANNA_TOKEN not in str(paths)


async def test_every_endpoint_of_build_ios_reference_is_reached_by_a_person(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, POLICY, people=()) as harness:
        assert set(AT_BUILDIO) == set(BUILDIO_ENDPOINTS)
        missing = await find_unreached(
            harness, harness.buildio, AT_BUILDIO, root="/api/v1", member="anna-berg"
        )
        assert missing == []
