"""Each endpoint that the providers' documents name is reached by something that a user does, in their own name."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from bot.doctor.checks import run_checks
from bot.doctor.settings_checks import check_settings
from domain.provider import Provider
from sandbox.bitrise.members import ANNA_TOKEN
from sandbox.middleware import RecordedRequest
from sandbox.provider_simulator import ProviderSimulator
from tests.providers.buildio.config_var_harness import config_var_harness, open_form
from tests.support.bot_harness import BotHarness
from tests.support.certificates import make_certificate

FIXTURES = Path(__file__).parents[1] / "fixtures"
# The headings of Bitrise's documents (API v0.1), whose list of apps and of all builds are not among them.
BITRISE = (FIXTURES / "bitrise" / "endpoints.txt").read_text().splitlines()
BUILDIO = re.findall(
    r"^((?:GET|POST|PUT|PATCH|DELETE) /\S*) — ",
    (FIXTURES / "buildio" / "reference.txt").read_text(),
    re.MULTILINE,
)
ON = """
[[rule]]
allow = ["run", "login"]
who = ["U0ANNA"]
"""
HOST = "www.shop.example"
MANY = 10**6
Action = Callable[[BotHarness], Awaitable[object]]


def typed(words: str, expected: str) -> Action:
    """A command."""
    return lambda harness: harness.ask(words, expected)


def confirmed(words: str, then: str) -> Action:
    """A command that asks first, and its answer once it may."""
    return lambda harness: harness.confirm(words, "Remove", then)


def pressed(words: str, expected: str, button: str, then: str) -> Action:
    """A command, and a button on its answer."""

    async def act(harness: BotHarness) -> None:
        await harness.press(await harness.ask(words, expected), button, then)

    return act


def filled(words: str, expected: str, fields: Mapping[str, str], then: str) -> Action:
    """A command, and the form that it opens."""

    async def act(harness: BotHarness) -> None:
        await open_form(harness, words, expected)
        await harness.users.submit("anna", fields)
        await harness.wait_for_message(then, person=None)

    return act


async def connect(harness: BotHarness) -> None:
    await harness.connect("anna")


async def connect_at_buildio(harness: BotHarness) -> None:
    await harness.connect("anna", provider=Provider.BUILDIO)


async def change_certificate(harness: BotHarness) -> None:
    own = make_certificate(HOST)
    post = await harness.ask("/buildio domains shop", "A certificate can take some minutes")
    await harness.users.click("anna", post, "Certificate…")
    await harness.slack.wait_for_modal("anna", f"For `{HOST}` of shop")
    await harness.users.submit("anna", {"certificate": own.certificate, "private": own.key})
    await harness.wait_for_message("gave", person=None)


async def clear_domains(harness: BotHarness) -> None:
    await harness.ask(f"/buildio domains add shop {HOST}", "anna added the domain")
    await open_form(harness, "/buildio domains clear shop", "Remove all domains")
    await harness.users.submit("anna", {"typed_name": "shop"})
    await harness.wait_for_message("anna removed all domains", person=None)


def doctor(**wrong: str) -> Action:
    """The operator's command, with a wrong setting."""

    async def act(harness: BotHarness) -> None:
        checked = check_settings(_env_file=None, **(harness.settings() | wrong))
        [fix] = [one.fix or "" async for one in run_checks(checked) if one.check == "Bitrise"]
        assert ("/v0.1" if "bitrise_api_url" in wrong else "is correct: check BITRISE_TOKEN") in fix

    return act


async def ask_with_a_wrong_address(harness: BotHarness) -> None:
    await doctor(bitrise_api_url=harness.bitrise.url)(harness)


async def change_page(harness: BotHarness) -> None:
    link = await harness.press(
        await harness.ask("/bitrise artifacts #1", "left 2 artifacts behind"), "Get link", "lives ten minutes"
    )
    await harness.press(link, "Make private", "anna made the install page")


AT_BITRISE: Mapping[str, Action] = {
    "GET /": ask_with_a_wrong_address,
    "GET /v0.1": doctor(bitrise_token="bitpat_of-nobody-0000000000"),
    "GET /me": connect,
    "GET /me/apps": typed("/bitrise apps", "3 apps"),
    "GET /apps/{APP-SLUG}": typed("/bitrise use android", "is this channel's app now"),
    "GET /apps/{APP-SLUG}/builds": typed("/bitrise builds", "#1"),
    "GET /apps/{APP-SLUG}/builds/{BUILD-SLUG}": typed("/bitrise rebuild #1", "anna started Sample Android"),
    "GET /apps/{APP-SLUG}/builds/{BUILD-SLUG}/log": typed("/bitrise log #1", "Log of"),
    "GET /apps/{APP-SLUG}/builds/{BUILD-SLUG}/artifacts": typed(
        "/bitrise artifacts #1", "left 2 artifacts behind"
    ),
    "GET /apps/{APP-SLUG}/builds/{BUILD-SLUG}/artifacts/{ARTIFACT-SLUG}": pressed(
        "/bitrise artifacts #1", "left 2 artifacts behind", "Get link", "lives ten minutes"
    ),
    "PATCH /apps/{APP-SLUG}/builds/{BUILD-SLUG}/artifacts/{ARTIFACT-SLUG}": change_page,
    "POST /apps/{APP-SLUG}/builds/{BUILD-SLUG}/abort": typed("/bitrise abort #2", "anna aborted"),
}


APP = "/apps/{app_id_or_name}"
AT_BUILDIO: Mapping[str, Action] = {
    "GET /me": connect_at_buildio,
    # Before what restarts the processes.
    f"POST {APP}/dynos/{{dyno}}/exec": filled(
        '/buildio run shop dyno:web.1 -- grep "" file', "as an array of these words", {}, "anna ran a command"
    ),
    "GET /apps": typed("/buildio apps", "shop"),
    f"GET {APP}": typed("/buildio app shop", "shop"),
    "POST /apps": typed("/buildio create fresh", "anna created"),
    f"POST {APP}/builds": typed("/buildio deploy shop branch:main", "anna deploys"),
    f"GET {APP}/config-vars": typed("/buildio config shop", "config vars"),
    f"PATCH {APP}/config-vars": filled(
        "/buildio config set shop NEW", "Set config vars", {"value": "1"}, "+ `NEW`"
    ),
    f"DELETE {APP}/config-vars/{{key}}": confirmed("/buildio config unset shop NEW", "− `NEW`"),
    f"POST {APP}/domains": typed(f"/buildio domains add shop {HOST}", "anna added the domain"),
    f"GET {APP}/domains": typed("/buildio domains shop", HOST),
    f"GET {APP}/domains/{{domain_id}}": typed("/buildio domains shop", HOST),
    f"PATCH {APP}/domains/{{domain_id}}": change_certificate,
    f"DELETE {APP}/domains/{{domain_id}}": pressed(
        f"/buildio domains remove shop {HOST}", f"Remove `{HOST}`", "Remove it", "anna removed the domain"
    ),
    f"DELETE {APP}/domains": clear_domains,
    f"GET {APP}/dynos/list": typed("/buildio ps shop", "processes"),
    f"DELETE {APP}/dynos/{{dyno}}": typed("/buildio restart shop web.1", "anna restarted"),
    f"DELETE {APP}/dynos": filled(
        "/buildio restart shop", "What they are doing is cut off", {}, "anna restarted all processes"
    ),
    "GET /namespaces": typed("/buildio namespaces", "1 namespace"),
    "POST /namespaces": typed("/buildio namespaces create payments", "anna created the namespace"),
    "GET /namespaces/{namespace_id_or_name}": typed("/buildio namespace payments", "payments"),
    "DELETE /namespaces/{namespace_id_or_name}": filled(
        "/buildio namespaces delete payments",
        "payments",
        {"typed_name": "payments"},
        "anna deleted the namespace",
    ),
    "GET /pipelines": typed("/buildio pipelines", "1 pipeline"),
    "GET /pipelines/{pipeline_id_or_name}": typed("/buildio pipeline shop", "production"),
    "GET /pipelines/{pipeline_id_or_name}/apps": typed("/buildio pipeline shop", "production"),
    "GET /environments/{id}": typed("/buildio envs review", "config var"),
    "PATCH /environments/{id}": filled(
        "/buildio envs set review NEW", "Of the environment review", {"value": "1"}, "+ `NEW`"
    ),
    "DELETE /environments/{id}/{key}": confirmed("/buildio envs unset review NEW", "− `NEW`"),
    "GET /teams": typed("/buildio teams", "2 teams"),
    "GET /teams/{id}": typed("/buildio team labs", "labs"),
    "GET /oidc-login": typed("/buildio login eu", "anna got a credential"),
}


def matches(endpoint: str, request: RecordedRequest, root: str) -> bool:
    """Whether this request is for the endpoint, whatever stands for its names."""
    verb, _, path = endpoint.partition(" ")
    if not path.startswith(root) and path != "/":
        path = root + path
    pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path))
    return request.method == verb and re.fullmatch(pattern, request.path) is not None


async def unreached(
    harness: BotHarness, service: ProviderSimulator, actions: Mapping[str, Action], *, root: str, member: str
) -> list[str]:
    """The endpoints that no request of the action's own came to, in the member's name or nobody's."""
    missing = []
    for endpoint, act in actions.items():
        before = len(service.requests)
        await act(harness)
        asked = [one for one in list(service.requests)[before:] if one.member in (member, "")]
        if not any(matches(endpoint, one, root) for one in asked):
            missing.append(endpoint)
    return missing


async def test_every_endpoint_of_bitrises_documents_is_reached_by_a_person(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, people=()) as town:
        for match in ("GET /v0.1/apps", "GET /v0.1/builds"):
            town.bitrise.fault(match, "status", status=404, times=MANY)
        town.bitrise.finish(town.bitrise.start_build(town.bitrise.android))
        assert set(AT_BITRISE) == set(BITRISE)
        missing = await unreached(town, town.bitrise, AT_BITRISE, root="/v0.1", member="anna-berg")
        assert missing == []
        assert {one.path for one in town.bitrise.requests} >= {"/v0.1/me/apps"}
        assert ANNA_TOKEN not in str([one.path for one in town.bitrise.requests])


async def test_every_endpoint_of_build_ios_reference_is_reached_by_a_person(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, ON, people=()) as town:
        assert set(AT_BUILDIO) == set(BUILDIO)
        missing = await unreached(town, town.buildio, AT_BUILDIO, root="/api/v1", member="anna-berg")
        assert missing == []
