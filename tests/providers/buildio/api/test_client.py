"""The client against the simulated Build.io: every endpoint of the reference, answered fully and sparsely."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr

from domain.build import BuildState
from domain.credentials import FixedToken
from domain.errors import (
    Forbidden,
    InvalidRequest,
    InvalidToken,
    NotFound,
    ProviderError,
    RequestRejected,
    ResponseLost,
)
from domain.provider import Provider
from providers.buildio.api.client import BuildioClient
from providers.buildio.api.models import Deployment
from providers.http.transport import HttpTransport
from sandbox.buildio.members import ANNA_TOKEN, BEN_TOKEN, READ_TOKEN, TOKEN
from sandbox.buildio.server import BuildioSimulator
from sandbox.clock import Clock
from tests.support.factories import NOON

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmg\n-----END CERTIFICATE-----\n"
MINUTE = timedelta(minutes=1)


class ClientFixture:
    """The simulated Build.io, and clients of it."""

    def __init__(self, sandbox: BuildioSimulator, clock: Clock, http: HttpTransport) -> None:
        self.sandbox, self.clock = sandbox, clock
        self._http = http
        self.buildio = self.client(TOKEN)
        self.sparse = sandbox.manner.sparse

    def client(self, token: str | None) -> BuildioClient:
        given = SecretStr(token) if token is not None else None
        return BuildioClient(
            self._http, credentials=FixedToken(given), base_url=self.sandbox.api_url, clock=self.clock
        )


@pytest.fixture(params=["full answers", "sparse answers"])
async def there(request: pytest.FixtureRequest) -> AsyncIterator[ClientFixture]:
    """At the end of each test no rule of the reference may have been broken."""
    clock = Clock(lambda: NOON)  # which stands, so that nothing goes on but by skipping
    sandbox = await BuildioSimulator(now=clock).start()
    sandbox.manner.sparse = request.param == "sparse answers"
    async with HttpTransport() as http:
        yield ClientFixture(sandbox, clock, http)
    await sandbox.close()
    assert sandbox.violations == []


async def deployment_of(there: ClientFixture, app: str) -> Deployment:
    deployment = (await there.buildio.app(app)).deployment
    assert deployment is not None
    return deployment


async def test_me_is_whose_token_it_is(there: ClientFixture) -> None:
    assert (await there.buildio.me()).email == "build-service@acme.example"
    assert (await there.client(ANNA_TOKEN).me()).email == "anna-berg@acme.example"
    await there.buildio.probe()


async def test_a_wrong_token_is_told_in_words(there: ClientFixture) -> None:
    with pytest.raises(InvalidToken, match="The credentials are missing or invalid") as caught:
        await there.client("wrong").probe()
    assert (caught.value.code, caught.value.provider) == ("unauthorized", Provider.BUILDIO)
    with pytest.raises(InvalidToken):
        await there.client(None).me()


async def test_a_token_that_only_reads_changes_nothing(there: ClientFixture) -> None:
    reader = there.client(READ_TOKEN)
    assert await reader.apps() == await there.buildio.apps()
    with pytest.raises(Forbidden, match="This token may only read") as caught:
        await reader.restart_all("shop")
    assert caught.value.code == "forbidden"


async def test_apps_are_those_that_the_token_sees_and_of_one_team_where_asked(there: ClientFixture) -> None:
    labs = there.sandbox.labs.id
    assert [app.name for app in await there.buildio.apps()] == [
        "shop",
        "shop-staging",
        "shop-pr-42",
        "ledger",
    ]
    assert [app.name for app in await there.buildio.apps(team=labs)] == ["ledger"]
    assert "ledger" not in [app.name for app in await there.client(BEN_TOKEN).apps()]
    with pytest.raises(NotFound):
        await there.client(BEN_TOKEN).apps(team=labs)


async def test_an_app_has_its_formation_buildpacks_region_and_deployment(there: ClientFixture) -> None:
    app = await there.buildio.app("shop")
    assert app == await there.buildio.app(app.id)
    assert (app.name, app.region, app.buildpacks) == ("shop", "eu", ("heroku/nodejs",))
    assert {one.type: one.quantity for one in app.formation} == {"web": 2, "worker": 1}
    assert app.deployment is not None
    assert (app.deployment.status, app.deployment.state) == ("succeeded", BuildState.SUCCEEDED)
    if not there.sparse:
        assert (app.team, app.stack) == ("acme", "build-24")
        assert app.web_url == "https://shop.eu.buildapps.example/"
        assert (app.deployment.version, app.deployment.by) == (1, "anna-berg@acme.example")
        assert app.deployment.finished_at is not None
    with pytest.raises(NotFound, match="The requested resource was not found") as caught:
        await there.buildio.app("no-such-app")
    assert caught.value.code == "not_found"


async def test_an_app_is_made_and_has_no_deployment_yet(there: ClientFixture) -> None:
    made = await there.buildio.create_app("shop-blog", team=there.sandbox.acme.id, region="us")
    assert await there.buildio.app("shop-blog") == made
    assert (made.name, made.region, made.deployment) == ("shop-blog", "us", None)
    with pytest.raises(RequestRejected, match="already taken"):
        await there.buildio.create_app("shop-blog")


async def test_a_build_is_started_and_its_deployment_goes_on_to_its_end(there: ClientFixture) -> None:
    started = await there.buildio.start_build("shop-staging", branch="develop", description="Try it")
    assert started.status == "pending"
    seen = []
    for skip in (timedelta(0), timedelta(seconds=15), timedelta(minutes=5)):
        there.clock.skip(skip)
        seen.append(await deployment_of(there, "shop-staging"))
    assert [one.state for one in seen] == [BuildState.ON_HOLD, BuildState.RUNNING, BuildState.SUCCEEDED]
    if not there.sparse:
        assert {one.id for one in seen} == {started.id}
        assert (seen[0].branch, seen[0].description) == ("develop", "Try it")


async def test_a_build_that_fails_says_why(there: ClientFixture) -> None:
    await there.buildio.start_build("shop", branch="no-such-branch")
    there.clock.skip(5 * MINUTE)
    deployment = await deployment_of(there, "shop")
    assert deployment.state is BuildState.FAILED
    if not there.sparse:
        assert deployment.error == "Build failed: couldn't find remote ref no-such-branch"
    await there.buildio.start_build("shop", commitish="3f786850e387550fdab836ed7e6dc881de23001b")
    deployment = await deployment_of(there, "shop")
    assert deployment.state is BuildState.ON_HOLD
    if not there.sparse:
        assert deployment.commit == "3f786850e387550fdab836ed7e6dc881de23001b"


async def test_config_vars_are_listed_set_and_taken_away(there: ClientFixture) -> None:
    before = await there.buildio.config_vars("shop")
    assert before["LOG_LEVEL"] == "info"
    await there.buildio.set_config_vars("shop", {"LOG_LEVEL": "debug", "GREETING": "Grüezi, 世界"})
    await there.buildio.remove_config_var("shop", "DATABASE_URL")
    assert await there.buildio.config_vars("shop") == {"LOG_LEVEL": "debug", "GREETING": "Grüezi, 世界"}
    with pytest.raises(NotFound):
        await there.buildio.remove_config_var("shop", "DATABASE_URL")
    with pytest.raises(RequestRejected, match="no name of a config var") as caught:
        await there.buildio.set_config_vars("shop", {"WITH SPACE": "x"})
    assert caught.value.code == "invalid_params"


async def test_a_domain_is_added_gets_its_certificate_and_goes(there: ClientFixture) -> None:
    [platform] = await there.buildio.domains("shop")
    assert platform.hostname == "shop.eu.buildapps.example"
    added = await there.buildio.add_domain("shop", "www.acme.example")
    assert (added.hostname, added.ssl) == ("www.acme.example", "pending")
    there.clock.skip(5 * MINUTE)
    assert (await there.buildio.domain("shop", added.id)).ssl == "issued"
    changed = await there.buildio.update_certificate("shop", added.id, CERTIFICATE)
    assert changed.id == added.id
    await there.buildio.remove_domain("shop", added.id)
    assert await there.buildio.domains("shop") == [platform]
    with pytest.raises(NotFound):
        await there.buildio.domain("shop", added.id)
    with pytest.raises(RequestRejected, match="the platform's own domain"):
        await there.buildio.remove_domain("shop", platform.id)
    if not there.sparse:
        assert platform.platform
        assert not added.platform
        assert added.target == "shop.eu.buildapps.example"


async def test_a_domain_with_a_certificate_of_its_own_needs_none(there: ClientFixture) -> None:
    added = await there.buildio.add_domain("shop", "api.acme.example", certificate=CERTIFICATE)
    assert added.ssl == "issued"
    with pytest.raises(RequestRejected, match="certificate in PEM"):
        await there.buildio.update_certificate("shop", added.id, "no certificate")


async def test_a_domain_without_a_certificate_says_why(there: ClientFixture) -> None:
    added = await there.buildio.add_domain("shop", "www.nowhere.invalid")
    there.clock.skip(5 * MINUTE)
    domain = await there.buildio.domain("shop", added.id)
    assert domain.ssl == "failed"
    if not there.sparse:
        assert domain.problem == "www.nowhere.invalid does not resolve to shop.eu.buildapps.example"


async def test_all_custom_domains_go_and_the_platforms_own_stays(there: ClientFixture) -> None:
    before = await there.buildio.domains("shop")
    for name in ("www", "api"):
        await there.buildio.add_domain("shop", f"{name}.acme.example")
    await there.buildio.remove_all_domains("shop")
    assert await there.buildio.domains("shop") == before


async def test_dynos_crash_and_are_restarted_one_or_all(there: ClientFixture) -> None:
    up = await there.buildio.dynos("shop")
    assert [(dyno.name, dyno.type, dyno.up) for dyno in up] == [
        ("web.1", "web", True),
        ("web.2", "web", True),
        ("worker.1", "worker", True),
    ]
    there.sandbox.crash(there.sandbox.dyno(there.sandbox.shop, "web.2"))
    assert [dyno.crashed for dyno in await there.buildio.dynos("shop")] == [False, True, False]
    await there.buildio.restart("shop", "web.2")
    assert [dyno.state for dyno in await there.buildio.dynos("shop")] == ["up", "restarting", "up"]
    await there.buildio.restart_all("shop")
    assert [dyno.up for dyno in await there.buildio.dynos("shop")] == [None, None, None]
    there.clock.skip(MINUTE)
    assert [dyno.up for dyno in await there.buildio.dynos("shop")] == [True, True, True]
    with pytest.raises(NotFound):
        await there.buildio.restart("shop", "web.9")
    if not there.sparse:
        assert (up[0].size, up[0].command) == ("standard", "bin/server")
        assert up[0].since is not None


async def test_a_command_is_run_word_by_word(there: ClientFixture) -> None:
    done = await there.buildio.execute("shop", "web.1", ["echo", "two words", "$HOME;ls"])
    assert done.output == "two words $HOME;ls"
    failed = await there.buildio.execute("shop", "web.1", ["/bin/sh", "-c", "ls nothing"])
    assert "No such file" in failed.output
    if not there.sparse:
        assert (done.exit_code, failed.exit_code) == (0, 2)


async def test_what_a_command_prints_is_shown_without_secrets(there: ClientFixture) -> None:
    done = await there.buildio.execute("shop", "web.1", ["env"])
    assert "LOG_LEVEL=info" in done.output
    assert "DATABASE_URL=" in done.output
    assert ":sandbox@" not in done.output


@pytest.mark.parametrize("command", [[], [""], ["", "ls"], "ls -l", [1], None])
async def test_what_is_no_list_of_words_is_not_even_asked(there: ClientFixture, command: object) -> None:
    before = len(there.sandbox.requests)
    with pytest.raises(InvalidRequest, match="a list of words") as problem:
        await there.buildio.execute("shop", "web.1", command)  # type: ignore[arg-type]
    assert str(problem.value).startswith("This was not sent to Build.io")
    assert len(there.sandbox.requests) == before
    await there.buildio.execute("shop", "web.1", ["echo", "", "an empty word is a word"])


async def test_a_command_without_an_end_is_waited_for_only_so_long(there: ClientFixture) -> None:
    with pytest.raises(ResponseLost):
        await there.buildio.execute("shop", "web.1", ["yes"], seconds=0.1)
    there.sandbox.manner.exec_seconds = 0
    with pytest.raises(ResponseLost, match="504"):
        await there.buildio.execute("shop", "web.1", ["yes"])
    assert len([one for one in there.sandbox.requests if one.path.endswith("/exec")]) == 2


async def test_namespaces_are_listed_made_and_deleted(there: ClientFixture) -> None:
    [inner] = await there.buildio.namespaces()
    assert inner.name == "acme-internal"
    made = await there.buildio.create_namespace(
        "acme-lab", team=there.sandbox.acme.id, description="Trials", region="us"
    )
    assert await there.buildio.namespace("acme-lab") == made
    assert await there.buildio.namespace(made.id) == made
    await there.buildio.delete_namespace("acme-lab")
    assert await there.buildio.namespaces() == [inner]
    with pytest.raises(NotFound):
        await there.buildio.namespace("acme-lab")
    if not there.sparse:
        assert (made.team, made.region, made.description) == ("acme", "us", "Trials")


async def test_a_pipeline_has_environments_review_apps_and_its_apps(there: ClientFixture) -> None:
    [listed] = await there.buildio.pipelines()
    pipeline = await there.buildio.pipeline("shop")
    assert (listed.id, listed.name) == (pipeline.id, "shop")
    assert await there.buildio.pipeline(pipeline.id) == pipeline
    assert [one.name for one in pipeline.environments] == ["review", "staging"]
    assert pipeline.review_apps is True
    apps = await there.buildio.pipeline_apps("shop")
    assert [one.name for one in apps] == ["shop-pr-42", "shop-staging", "shop"]
    assert apps[2].id == (await there.buildio.app("shop")).id
    if not there.sparse:
        assert [one.stage for one in apps] == ["review", "staging", "production"]
        assert pipeline.review_settings["destroy_stale_after_days"] == 5


async def test_an_environments_variables_are_set_unset_by_null_and_taken_away(there: ClientFixture) -> None:
    review, _ = (await there.buildio.pipeline("shop")).environments
    assert await there.buildio.environment(review.id) == {
        "LOG_LEVEL": "debug",
        "PAYMENTS_KEY": "pk_sandbox_review",
    }
    await there.buildio.set_environment(review.id, {"LOG_LEVEL": None, "SEED": "1", "MODE": "trial"})
    await there.buildio.remove_from_environment(review.id, "SEED")
    assert await there.buildio.environment(review.id) == {
        "PAYMENTS_KEY": "pk_sandbox_review",
        "MODE": "trial",
    }
    with pytest.raises(NotFound):
        await there.buildio.environment("no-such-environment")


async def test_teams_are_those_that_one_belongs_to(there: ClientFixture) -> None:
    acme, labs = await there.buildio.teams()
    assert [team.name for team in await there.client(BEN_TOKEN).teams()] == ["acme"]
    assert await there.buildio.team(labs.id) == labs
    assert acme.name == "acme"


async def test_a_cluster_login_is_the_credential_as_it_came_and_shows_nowhere(there: ClientFixture) -> None:
    login = await there.buildio.cluster_login("eu")
    credential = json.loads(login.content.get_secret_value())
    assert credential["kind"] == "ExecCredential"
    assert credential["status"]["token"] not in f"{login} {login!r}"
    assert login.expires_at == NOON + timedelta(hours=1)
    with pytest.raises(RequestRejected, match="region must be one of"):
        await there.buildio.cluster_login("moon")


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
async def test_a_change_whose_answer_is_lost_is_not_asked_for_again(there: ClientFixture, name: str) -> None:
    there.sandbox.fault("*", "answer_lost")
    with pytest.raises(ResponseLost, match="it may or may not have happened"):
        await CHANGES[name](there.buildio)
    assert len(there.sandbox.requests) == 1


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_that_breaks_is_not_asked_for_again(there: ClientFixture, name: str) -> None:
    there.sandbox.fault("*", "status", status=500)
    with pytest.raises(ProviderError):
        await CHANGES[name](there.buildio)
    assert len(there.sandbox.requests) == 1


async def test_names_stay_one_part_of_an_address(there: ClientFixture) -> None:
    for name in ("", ".", "..", "shop/dynos", "a\\b"):
        with pytest.raises(NotFound):
            await there.buildio.remove_domain("shop", name)
        with pytest.raises(NotFound):
            await there.buildio.restart(name, "web.1")
    assert not there.sandbox.requests
