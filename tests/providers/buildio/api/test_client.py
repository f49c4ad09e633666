"""The client against the simulated Build.io: every endpoint of the reference, with full and with sparse responses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr

from domain.build import BuildState
from domain.credentials import FixedToken
from domain.provider_errors import (
    Forbidden,
    InvalidRequest,
    InvalidToken,
    NotFound,
    ProviderError,
    RequestRejected,
    ResponseLost,
)
from providers.buildio.api.client import BuildioClient
from providers.buildio.api.models import Deployment
from providers.buildio.provider import BUILDIO
from providers.http.transport import HttpTransport
from sandbox.buildio.members import ANNA_TOKEN, BEN_TOKEN, READ_TOKEN, TOKEN
from sandbox.buildio.server import BuildioSimulator
from sandbox.clock import Clock
from tests.support.factories import NOON

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmg\n-----END CERTIFICATE-----\n"
MINUTE = timedelta(minutes=1)


class ClientFixture:
    """The simulated Build.io, and clients for it."""

    def __init__(self, sandbox: BuildioSimulator, clock: Clock, http: HttpTransport) -> None:
        self.sandbox, self.clock = sandbox, clock
        self._http = http
        self.buildio = self.client(TOKEN)
        self.sparse = sandbox.response_options.sparse

    def client(self, token: str | None) -> BuildioClient:
        secret = SecretStr(token) if token is not None else None
        return BuildioClient(
            self._http, credentials=FixedToken(secret), base_url=self.sandbox.api_url, clock=self.clock
        )


@pytest.fixture(params=["full answers", "sparse answers"])
async def client_fixture(request: pytest.FixtureRequest) -> AsyncIterator[ClientFixture]:
    """Check at the end of each test that no rule of the reference was broken."""
    clock = Clock(lambda: NOON)  # which stands still, so that time only passes by `skip`
    sandbox = await BuildioSimulator(now=clock).start()
    sandbox.response_options.sparse = request.param == "sparse answers"
    async with HttpTransport() as http:
        yield ClientFixture(sandbox, clock, http)
    await sandbox.close()
    assert sandbox.violations == []


async def current_deployment(client_fixture: ClientFixture, app: str) -> Deployment:
    deployment = (await client_fixture.buildio.app(app)).deployment
    assert deployment is not None
    return deployment


async def test_me_returns_the_owner_of_the_token(client_fixture: ClientFixture) -> None:
    assert (await client_fixture.buildio.me()).email == "build-service@acme.example"
    assert (await client_fixture.client(ANNA_TOKEN).me()).email == "anna-berg@acme.example"
    await client_fixture.buildio.probe()


async def test_a_wrong_token_raises_an_error_with_text(client_fixture: ClientFixture) -> None:
    with pytest.raises(InvalidToken, match="The credentials are missing or invalid") as caught:
        await client_fixture.client("wrong").probe()
    assert (caught.value.code, caught.value.provider) == ("unauthorized", BUILDIO)
    with pytest.raises(InvalidToken):
        await client_fixture.client(None).me()


async def test_a_read_only_token_changes_nothing(client_fixture: ClientFixture) -> None:
    reader = client_fixture.client(READ_TOKEN)
    assert await reader.apps() == await client_fixture.buildio.apps()
    with pytest.raises(Forbidden, match="This token may only read") as caught:
        await reader.restart_all("shop")
    assert caught.value.code == "forbidden"


async def test_apps_are_those_of_the_token_or_of_one_team(
    client_fixture: ClientFixture,
) -> None:
    labs = client_fixture.sandbox.labs.id
    assert [app.name for app in await client_fixture.buildio.apps()] == [
        "shop",
        "shop-staging",
        "shop-pr-42",
        "ledger",
    ]
    assert [app.name for app in await client_fixture.buildio.apps(team=labs)] == ["ledger"]
    assert "ledger" not in [app.name for app in await client_fixture.client(BEN_TOKEN).apps()]
    with pytest.raises(NotFound):
        await client_fixture.client(BEN_TOKEN).apps(team=labs)


async def test_an_app_has_its_formation_buildpacks_region_and_deployment(
    client_fixture: ClientFixture,
) -> None:
    app = await client_fixture.buildio.app("shop")
    assert app == await client_fixture.buildio.app(app.id)
    assert (app.name, app.region, app.buildpacks) == ("shop", "eu", ("heroku/nodejs",))
    assert {process.type: process.quantity for process in app.formation} == {"web": 2, "worker": 1}
    assert app.deployment is not None
    assert (app.deployment.status, app.deployment.state) == ("succeeded", BuildState.SUCCEEDED)
    if not client_fixture.sparse:
        assert (app.team, app.stack) == ("acme", "build-24")
        assert app.web_url == "https://shop.eu.buildapps.example/"
        assert (app.deployment.version, app.deployment.by) == (1, "anna-berg@acme.example")
        assert app.deployment.finished_at is not None
    with pytest.raises(NotFound, match="The requested resource was not found") as caught:
        await client_fixture.buildio.app("no-such-app")
    assert caught.value.code == "not_found"


async def test_an_app_is_created_without_a_deployment(client_fixture: ClientFixture) -> None:
    made = await client_fixture.buildio.create_app(
        "shop-blog", team=client_fixture.sandbox.acme.id, region="us"
    )
    assert await client_fixture.buildio.app("shop-blog") == made
    assert (made.name, made.region, made.deployment) == ("shop-blog", "us", None)
    with pytest.raises(RequestRejected, match="already taken"):
        await client_fixture.buildio.create_app("shop-blog")


async def test_a_build_is_started_and_its_deployment_ends(
    client_fixture: ClientFixture,
) -> None:
    started = await client_fixture.buildio.start_build("shop-staging", branch="develop", description="Try it")
    assert started.status == "pending"
    seen = []
    for skip in (timedelta(0), timedelta(seconds=15), timedelta(minutes=5)):
        client_fixture.clock.skip(skip)
        seen.append(await current_deployment(client_fixture, "shop-staging"))
    assert [state.state for state in seen] == [BuildState.ON_HOLD, BuildState.RUNNING, BuildState.SUCCEEDED]
    if not client_fixture.sparse:
        assert {state.id for state in seen} == {started.id}
        assert (seen[0].branch, seen[0].description) == ("develop", "Try it")


async def test_a_build_that_fails_says_why(client_fixture: ClientFixture) -> None:
    await client_fixture.buildio.start_build("shop", branch="no-such-branch")
    client_fixture.clock.skip(5 * MINUTE)
    deployment = await current_deployment(client_fixture, "shop")
    assert deployment.state is BuildState.FAILED
    if not client_fixture.sparse:
        assert deployment.error == "Build failed: couldn't find remote ref no-such-branch"
    await client_fixture.buildio.start_build("shop", commitish="3f786850e387550fdab836ed7e6dc881de23001b")
    deployment = await current_deployment(client_fixture, "shop")
    assert deployment.state is BuildState.ON_HOLD
    if not client_fixture.sparse:
        assert deployment.commit == "3f786850e387550fdab836ed7e6dc881de23001b"


async def test_config_vars_are_listed_set_and_removed(client_fixture: ClientFixture) -> None:
    before = await client_fixture.buildio.config_vars("shop")
    assert before["LOG_LEVEL"] == "info"
    await client_fixture.buildio.set_config_vars("shop", {"LOG_LEVEL": "debug", "GREETING": "Grüezi, 世界"})
    await client_fixture.buildio.remove_config_var("shop", "DATABASE_URL")
    assert await client_fixture.buildio.config_vars("shop") == {
        "LOG_LEVEL": "debug",
        "GREETING": "Grüezi, 世界",
    }
    with pytest.raises(NotFound):
        await client_fixture.buildio.remove_config_var("shop", "DATABASE_URL")
    with pytest.raises(RequestRejected, match="isn't a valid config var name") as caught:
        await client_fixture.buildio.set_config_vars("shop", {"WITH SPACE": "x"})
    assert caught.value.code == "invalid_params"


async def test_a_domain_is_added_gets_its_certificate_and_is_removed(client_fixture: ClientFixture) -> None:
    [platform] = await client_fixture.buildio.domains("shop")
    assert platform.hostname == "shop.eu.buildapps.example"
    added = await client_fixture.buildio.add_domain("shop", "www.acme.example")
    assert (added.hostname, added.ssl) == ("www.acme.example", "pending")
    client_fixture.clock.skip(5 * MINUTE)
    assert (await client_fixture.buildio.domain("shop", added.id)).ssl == "issued"
    changed = await client_fixture.buildio.update_certificate("shop", added.id, CERTIFICATE)
    assert changed.id == added.id
    await client_fixture.buildio.remove_domain("shop", added.id)
    assert await client_fixture.buildio.domains("shop") == [platform]
    with pytest.raises(NotFound):
        await client_fixture.buildio.domain("shop", added.id)
    with pytest.raises(RequestRejected, match="the platform's own domain"):
        await client_fixture.buildio.remove_domain("shop", platform.id)
    if not client_fixture.sparse:
        assert platform.platform
        assert not added.platform
        assert added.target == "shop.eu.buildapps.example"


async def test_a_domain_with_a_custom_certificate_needs_no_other(client_fixture: ClientFixture) -> None:
    added = await client_fixture.buildio.add_domain("shop", "api.acme.example", certificate=CERTIFICATE)
    assert added.ssl == "issued"
    with pytest.raises(RequestRejected, match="certificate in PEM"):
        await client_fixture.buildio.update_certificate("shop", added.id, "no certificate")


async def test_a_domain_without_a_certificate_says_why(client_fixture: ClientFixture) -> None:
    added = await client_fixture.buildio.add_domain("shop", "www.nowhere.invalid")
    client_fixture.clock.skip(5 * MINUTE)
    domain = await client_fixture.buildio.domain("shop", added.id)
    assert domain.ssl == "failed"
    if not client_fixture.sparse:
        assert domain.problem == "www.nowhere.invalid does not resolve to shop.eu.buildapps.example"


async def test_all_custom_domains_are_removed_and_the_platform_domain_stays(
    client_fixture: ClientFixture,
) -> None:
    before = await client_fixture.buildio.domains("shop")
    for name in ("www", "api"):
        await client_fixture.buildio.add_domain("shop", f"{name}.acme.example")
    await client_fixture.buildio.remove_all_domains("shop")
    assert await client_fixture.buildio.domains("shop") == before


async def test_dynos_crash_and_are_restarted_one_or_all(client_fixture: ClientFixture) -> None:
    up = await client_fixture.buildio.dynos("shop")
    assert [(dyno.name, dyno.type, dyno.up) for dyno in up] == [
        ("web.1", "web", True),
        ("web.2", "web", True),
        ("worker.1", "worker", True),
    ]
    client_fixture.sandbox.crash(client_fixture.sandbox.dyno(client_fixture.sandbox.shop, "web.2"))
    assert [dyno.crashed for dyno in await client_fixture.buildio.dynos("shop")] == [False, True, False]
    await client_fixture.buildio.restart("shop", "web.2")
    assert [dyno.state for dyno in await client_fixture.buildio.dynos("shop")] == ["up", "restarting", "up"]
    await client_fixture.buildio.restart_all("shop")
    assert [dyno.up for dyno in await client_fixture.buildio.dynos("shop")] == [None, None, None]
    client_fixture.clock.skip(MINUTE)
    assert [dyno.up for dyno in await client_fixture.buildio.dynos("shop")] == [True, True, True]
    with pytest.raises(NotFound):
        await client_fixture.buildio.restart("shop", "web.9")
    if not client_fixture.sparse:
        assert (up[0].size, up[0].command) == ("standard", "bin/server")
        assert up[0].since is not None


async def test_a_command_is_run_word_by_word(client_fixture: ClientFixture) -> None:
    done = await client_fixture.buildio.execute("shop", "web.1", ["echo", "two words", "$HOME;ls"])
    assert done.output == "two words $HOME;ls"
    failed = await client_fixture.buildio.execute("shop", "web.1", ["/bin/sh", "-c", "ls nothing"])
    assert "No such file" in failed.output
    if not client_fixture.sparse:
        assert (done.exit_code, failed.exit_code) == (0, 2)


async def test_command_output_has_no_secrets(client_fixture: ClientFixture) -> None:
    done = await client_fixture.buildio.execute("shop", "web.1", ["env"])
    assert "LOG_LEVEL=info" in done.output
    assert "DATABASE_URL=" in done.output
    assert ":sandbox@" not in done.output


@pytest.mark.parametrize("command", [[], [""], ["", "ls"], "ls -l", [1], None])
async def test_an_invalid_command_is_refused_without_a_request(
    client_fixture: ClientFixture, command: object
) -> None:
    before = len(client_fixture.sandbox.requests)
    with pytest.raises(InvalidRequest, match="must begin with a program") as problem:
        await client_fixture.buildio.execute("shop", "web.1", command)  # type: ignore[arg-type]
    assert str(problem.value).startswith("This wasn't sent to Build.io")
    assert len(client_fixture.sandbox.requests) == before
    await client_fixture.buildio.execute("shop", "web.1", ["echo", "", "an empty word is a word"])


async def test_waiting_for_an_endless_command_has_a_time_limit(client_fixture: ClientFixture) -> None:
    with pytest.raises(ResponseLost):
        await client_fixture.buildio.execute("shop", "web.1", ["yes"], seconds=0.1)
    client_fixture.sandbox.response_options.exec_seconds = 0
    with pytest.raises(ResponseLost, match="504"):
        await client_fixture.buildio.execute("shop", "web.1", ["yes"])
    assert (
        len([request for request in client_fixture.sandbox.requests if request.path.endswith("/exec")]) == 2
    )


async def test_namespaces_are_listed_created_and_deleted(client_fixture: ClientFixture) -> None:
    [namespace] = await client_fixture.buildio.namespaces()
    assert namespace.name == "acme-internal"
    made = await client_fixture.buildio.create_namespace(
        "acme-lab", team=client_fixture.sandbox.acme.id, description="Trials", region="us"
    )
    assert await client_fixture.buildio.namespace("acme-lab") == made
    assert await client_fixture.buildio.namespace(made.id) == made
    await client_fixture.buildio.delete_namespace("acme-lab")
    assert await client_fixture.buildio.namespaces() == [namespace]
    with pytest.raises(NotFound):
        await client_fixture.buildio.namespace("acme-lab")
    if not client_fixture.sparse:
        assert (made.team, made.region, made.description) == ("acme", "us", "Trials")


async def test_a_pipeline_has_environments_review_apps_and_its_apps(client_fixture: ClientFixture) -> None:
    [listed] = await client_fixture.buildio.pipelines()
    pipeline = await client_fixture.buildio.pipeline("shop")
    assert (listed.id, listed.name) == (pipeline.id, "shop")
    assert await client_fixture.buildio.pipeline(pipeline.id) == pipeline
    assert [environment.name for environment in pipeline.environments] == ["review", "staging"]
    assert pipeline.review_apps is True
    apps = await client_fixture.buildio.pipeline_apps("shop")
    assert [app.name for app in apps] == ["shop-pr-42", "shop-staging", "shop"]
    assert apps[2].id == (await client_fixture.buildio.app("shop")).id
    if not client_fixture.sparse:
        assert [app.stage for app in apps] == ["review", "staging", "production"]
        assert pipeline.review_settings["destroy_stale_after_days"] == 5


async def test_an_environments_config_vars_are_set_unset_by_null_and_removed(
    client_fixture: ClientFixture,
) -> None:
    review, _ = (await client_fixture.buildio.pipeline("shop")).environments
    assert await client_fixture.buildio.environment(review.id) == {
        "LOG_LEVEL": "debug",
        "PAYMENTS_KEY": "pk_sandbox_review",
    }
    await client_fixture.buildio.set_environment(review.id, {"LOG_LEVEL": None, "SEED": "1", "MODE": "trial"})
    await client_fixture.buildio.remove_from_environment(review.id, "SEED")
    assert await client_fixture.buildio.environment(review.id) == {
        "PAYMENTS_KEY": "pk_sandbox_review",
        "MODE": "trial",
    }
    with pytest.raises(NotFound):
        await client_fixture.buildio.environment("no-such-environment")


async def test_teams_are_those_of_the_person(client_fixture: ClientFixture) -> None:
    acme, labs = await client_fixture.buildio.teams()
    assert [team.name for team in await client_fixture.client(BEN_TOKEN).teams()] == ["acme"]
    assert await client_fixture.buildio.team(labs.id) == labs
    assert acme.name == "acme"


async def test_a_cluster_login_keeps_the_credential_unchanged_and_hidden(
    client_fixture: ClientFixture,
) -> None:
    login = await client_fixture.buildio.cluster_login("eu")
    credential = json.loads(login.content.get_secret_value())
    assert credential["kind"] == "ExecCredential"
    assert credential["status"]["token"] not in f"{login} {login!r}"
    assert login.expires_at == NOON + timedelta(hours=1)
    with pytest.raises(RequestRejected, match="region must be one of"):
        await client_fixture.buildio.cluster_login("moon")


Change = Callable[[BuildioClient], Awaitable[object]]
CHANGES: dict[str, Change] = {
    "create_app": lambda buildio: buildio.create_app("blog"),
    "start_build": lambda buildio: buildio.start_build("shop"),
    "set_config_vars": lambda buildio: buildio.set_config_vars("shop", {"A": "1"}),
    "remove_config_var": lambda buildio: buildio.remove_config_var("shop", "LOG_LEVEL"),
    "add_domain": lambda buildio: buildio.add_domain("shop", "www.acme.example"),
    "remove_all_domains": lambda buildio: buildio.remove_all_domains("shop"),
    "restart_all": lambda buildio: buildio.restart_all("shop"),
    "restart": lambda buildio: buildio.restart("shop", "web.1"),
    "execute": lambda buildio: buildio.execute("shop", "web.1", ["ls"]),
    "create_namespace": lambda buildio: buildio.create_namespace("lab"),
    "delete_namespace": lambda buildio: buildio.delete_namespace("acme-internal"),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_with_a_lost_response_is_not_retried(client_fixture: ClientFixture, name: str) -> None:
    client_fixture.sandbox.fault("*", "answer_lost")
    with pytest.raises(ResponseLost, match="this may or may not have happened"):
        await CHANGES[name](client_fixture.buildio)
    assert len(client_fixture.sandbox.requests) == 1


@pytest.mark.parametrize("name", CHANGES)
async def test_a_failed_change_is_not_retried(client_fixture: ClientFixture, name: str) -> None:
    client_fixture.sandbox.fault("*", "status", status=500)
    with pytest.raises(ProviderError):
        await CHANGES[name](client_fixture.buildio)
    assert len(client_fixture.sandbox.requests) == 1


async def test_names_stay_one_segment_of_a_url(client_fixture: ClientFixture) -> None:
    for name in ("", ".", "..", "shop/dynos", "a\\b"):
        with pytest.raises(NotFound):
            await client_fixture.buildio.remove_domain("shop", name)
        with pytest.raises(NotFound):
            await client_fixture.buildio.restart(name, "web.1")
    assert not client_fixture.sandbox.requests
