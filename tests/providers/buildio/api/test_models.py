"""Parsing of Build.io's responses: the reference names few fields, so each may be anywhere, or missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from structlog.testing import capture_logs

from domain.build import BuildState
from domain.provider_errors import TooLarge, UnexpectedResponse
from providers.buildio.api import field_parsing
from providers.buildio.api.apps import parse_app, parse_config_vars
from providers.buildio.api.client import parse_cluster_login, parse_identity
from providers.buildio.api.deployments import parse_started_build, parse_state
from providers.buildio.api.domains import parse_domain
from providers.buildio.api.dynos import MAX_OUTPUT, parse_command_result, parse_dyno
from providers.buildio.api.field_parsing import Fields, parse_change_response, parse_fields, parse_list
from providers.buildio.api.models import BuildioApp, Deployment, Domain, Dyno
from providers.buildio.api.pipelines import parse_namespace, parse_pipeline, parse_pipeline_app, parse_team
from providers.buildio.provider import BUILDIO

SECRET = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
NOON = "2026-11-21T12:00:00Z"


def body(content: object) -> bytes:
    return json.dumps(content).encode()


def app(**fields: Any) -> BuildioApp:
    read = parse_app(parse_fields(body({"id": "a1", "name": "shop", **fields}), resource="app"))
    assert read is not None
    return read


def deployment(**fields: Any) -> Deployment:
    read = app(**fields).deployment
    assert read is not None
    return read


def dyno(**fields: Any) -> Dyno:
    read = parse_dyno(Fields({"name": "web.1", **fields}))
    assert read is not None
    return read


def domain(**fields: Any) -> Domain:
    read = parse_domain(Fields({"id": "d1", "hostname": "www.acme.example", **fields}))
    assert read is not None
    return read


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        ("pending queued Pending", BuildState.ON_HOLD),
        ("building releasing deploying in_progress in-progress IN_PROGRESS", BuildState.RUNNING),
        ("succeeded success deployed live complete Succeeded", BuildState.SUCCEEDED),
        ("failed error crashed", BuildState.FAILED),
        ("cancelled canceled aborted", BuildState.ABORTED),
        ("unsuccessful not_deployed succeeded? undeployed reticulating", BuildState.UNKNOWN),
    ],
)
def test_every_known_status_has_its_state(statuses: str, state: BuildState) -> None:
    assert {parse_state(word) for word in statuses.split()} == {state}


def test_no_status_is_an_unknown_state() -> None:
    assert [parse_state(word) for word in (None, "", " ", "in progress")] == [
        BuildState.UNKNOWN,
        BuildState.UNKNOWN,
        BuildState.UNKNOWN,
        BuildState.RUNNING,
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"deployment": {"status": "failed"}},
        {"current_deployment": {"state": "failed"}},
        {"latest_deployment": {"status": "failed"}},
        {"deployment": None, "release": {"status": "failed"}},
        {"deployment": {}, "release": {"status": "failed"}},
        {"deployment": "failed"},
        {"current_deployment": "failed"},
        {"deployment": "d1", "deployment_status": "failed"},
        {"deployment": {"id": "d1"}, "deployment_status": "failed"},
        {"deployment_status": "failed", "status": "succeeded"},
        {"current_deployment_status": "failed"},
        {"status": "failed"},
    ],
)
def test_the_deployment_is_found_in_any_field(fields: dict[str, Any]) -> None:
    read = deployment(**fields)
    assert (read.status, read.state) == ("failed", BuildState.FAILED)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"deployment": None},
        {"deployment": True, "status": True},
        {"status": "active"},
        {"status": "live"},
        {"deployment": "1f0e2d3c-0000-4000-8000-000000000000"},
        {"deployment": ["succeeded"]},
    ],
)
def test_fields_without_a_deployment_give_none(fields: dict[str, Any]) -> None:
    assert app(**fields).deployment is None


def test_a_deployment_without_a_status_is_unknown_and_no_success() -> None:
    read = deployment(deployment={"id": "d1", "version": 3, "finished_at": NOON})
    assert (read.id, read.version, read.state) == ("d1", 3, BuildState.UNKNOWN)


def test_an_unknown_status_is_kept_unchanged() -> None:
    read = deployment(deployment_status="Reticulating")
    assert (read.status, read.state) == ("Reticulating", BuildState.UNKNOWN)


def test_a_deployment_in_herokus_style_is_read() -> None:
    read = deployment(
        release={
            "id": 7,
            "status": "failed",
            "version": "v12",
            "source_blob": {"version": "3f786850"},
            "user": {"id": "u1", "email": "ana@acme.example"},
            "failure_reason": {"message": "out of memory; token " + SECRET},
            "created_at": NOON,
            "finished_at": "yesterday",
            "completed_at": NOON,
        }
    )
    assert (read.id, read.version, read.commit, read.by) == ("7", 12, "3f786850", "ana@acme.example")
    assert read.error is not None
    assert SECRET not in read.error
    assert read.created_at == read.finished_at == datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("team", ["acme", {"id": "t1", "name": "acme"}, {"name": "acme"}])
def test_a_related_resource_is_a_name_or_an_object(team: object) -> None:
    assert app(team=team).team == app(namespace=team).namespace == app(region=team).region == "acme"


@pytest.mark.parametrize(
    "formation",
    [
        [{"type": "web", "quantity": 2}, {"type": "worker", "quantity": "1"}],
        [{"process_type": "web", "count": 2}, {"name": "worker", "replicas": 1}],
        {"web": 2, "worker": 1},
        {"web": {"quantity": 2}, "worker": {"quantity": 1, "size": {"name": "basic"}}},
    ],
)
def test_a_formation_is_a_list_or_a_mapping(formation: object) -> None:
    assert [(process.type, process.quantity) for process in app(formation=formation).formation] == [
        ("web", 2),
        ("worker", 1),
    ]


def test_a_formation_may_be_a_number_or_missing() -> None:
    assert [(process.type, process.quantity) for process in app(formation=3).formation] == [("dynos", 3)]
    assert (
        app(formation=True).formation
        == app(formation="many").formation
        == app(formation=None).formation
        == ()
    )


@pytest.mark.parametrize(
    "buildpacks",
    [
        ["heroku/ruby", "heroku/nodejs"],
        [{"name": "heroku/ruby"}, {"url": "heroku/nodejs"}],
        [
            {"ordinal": 0, "buildpack": {"name": "heroku/ruby", "url": "urn:x"}},
            {"buildpack": "heroku/nodejs"},
        ],
    ],
)
def test_buildpacks_are_texts_or_objects(buildpacks: object) -> None:
    assert app(buildpacks=buildpacks).buildpacks == ("heroku/ruby", "heroku/nodejs")


def test_a_buildpack_with_a_password_in_its_url_is_left_out() -> None:
    assert app(buildpacks=["https://me:hunter22@git.example/x.git", "heroku/ruby"]).buildpacks == (
        "heroku/ruby",
    )


def test_a_long_text_is_truncated_but_never_within_a_secret() -> None:
    read = deployment(deployment={"status": "failed", "error": "x " * 990 + SECRET + " y" * 10_000_000}).error
    assert read is not None
    assert len(read) == field_parsing.LONGEST_TEXT
    assert SECRET[:8] not in read


def test_an_app_nested_in_an_object_or_alone_in_a_list_is_found() -> None:
    plain = {"id": "a1", "name": "shop"}
    for content in (plain, {"app": plain}, {"data": plain}, [plain]):
        read = parse_app(parse_fields(body(content), resource="app"))
        assert read is not None
        assert (read.id, read.name) == ("a1", "shop")


def test_an_empty_app_has_the_requested_name() -> None:
    assert parse_app(parse_fields(b"{}", resource="app"), requested="shop") == BuildioApp(
        id="shop", name="shop"
    )


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a@b.example", "www.acme.example", 7, "https://x\\y"]
)
def test_an_invalid_url_is_left_out(url: object) -> None:
    assert app(web_url=url).web_url is None


@pytest.mark.parametrize("name", [SECRET, "a\nb", "\x1b[31mred", "x" * 201, "\u202eevil"])
def test_an_invalid_name_is_left_out(name: str) -> None:
    read = parse_app(
        parse_fields(body({"id": "a1", "name": name, "team": name, "region": {"name": name}}), resource="app")
    )
    assert read == BuildioApp(id="a1", name="a1")
    assert parse_started_build(Fields({"id": name, "status": name})).id is None


@pytest.mark.parametrize(
    ("state", "up", "crashed"),
    [
        ("up", True, False),
        ("Running", True, False),
        ("crashed", False, True),
        ("CrashLoopBackOff", False, True),
        ("crash_loop_back_off", False, True),
        ("down", False, False),
        ("starting", None, False),
        ("idle", None, False),
        ("restarting", None, False),
        ("upset", None, False),
    ],
)
def test_a_dynos_state_tells_if_it_is_up(state: str, up: bool | None, crashed: bool) -> None:
    for read in (dyno(state=state), dyno(status=state), dyno(state={"name": state})):
        assert (read.state, read.up, read.crashed) == (state, up, crashed)


def test_a_dynos_type_is_a_field_or_part_of_its_name() -> None:
    assert (dyno().type, dyno(type="clock").type, dyno().state) == ("web", "clock", "unknown")
    [read] = parse_list(b'["worker.3"]', parse_dyno, resource="dynos")
    assert (read.name, read.type, read.up) == ("worker.3", "worker", None)


def test_a_dynos_command_is_shown_without_secrets() -> None:
    read = dyno(command=f"run --token={SECRET}", size={"name": "standard"}, restart_count=4)
    assert (read.command, read.size, read.restarts) == ("run --token=[redacted]", "standard", 4)


@pytest.mark.parametrize(
    ("fields", "ssl"),
    [
        ({"acm_status": "cert issued"}, "cert issued"),
        ({"ssl_status": "pending"}, "pending"),
        ({"ssl": "pending"}, "pending"),
        ({"ssl": {"status": "pending"}}, "pending"),
        ({"cert": {"state": "pending"}}, "pending"),
        ({"certificate": "pending"}, "pending"),
        ({"ssl": True}, "on"),
        ({"ssl": False}, "off"),
        ({"cert": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"}, None),
        ({}, None),
    ],
)
def test_the_status_of_a_certificate_is_found(fields: dict[str, Any], ssl: str | None) -> None:
    assert domain(**fields).ssl == ssl


def test_a_domain_has_its_owner_certificate_problem_and_expiry() -> None:
    assert [domain(kind=kind).platform for kind in ("heroku", "platform", "custom", None)] == [
        True,
        True,
        False,
        False,
    ]
    assert [domain(**{key: True}).platform for key in ("platform", "custom")] == [True, False]
    assert domain(ssl={"error": "no DNS"}).problem == domain(acm_status_reason="no DNS").problem == "no DNS"
    expires = datetime(2026, 11, 21, 12, tzinfo=UTC)
    for fields in ({"cert": {"expires_at": NOON}}, {"sni_endpoint": {"ssl_cert": {"expires_at": NOON}}}):
        assert domain(**fields).expires_at == expires


def test_config_vars_of_any_type_become_texts() -> None:
    content = {"A": "x", "PORT": 8080, "ON": True, "GONE": None, "EMPTY": "", "LIST": [1], "RATE": 0.5}
    expected = {"A": "x", "PORT": "8080", "ON": "true", "EMPTY": "", "LIST": "[1]", "RATE": "0.5"}
    pairs = [{"key": key, "value": value} for key, value in content.items()]
    for answer in (content, {"config_vars": content}, {"data": content}, pairs):
        assert parse_config_vars(body(answer)) == expected


def test_config_vars_with_names_of_a_wrapper_are_config_vars() -> None:
    assert parse_config_vars(b'{"data": "x"}') == {"data": "x"}
    assert parse_config_vars(b'{"data": {"A": "1"}, "B": "2"}') == {"data": '{"A": "1"}', "B": "2"}


def test_only_the_number_of_config_vars_without_a_name_is_logged() -> None:
    with capture_logs() as logs:
        assert parse_config_vars(body({"A": "1", "B\nC": "hunter22"})) == {"A": "1"}
    assert logs == [
        {"event": "buildio.items_left_out", "of": "config vars", "items": 1, "log_level": "warning"}
    ]


def test_only_the_number_of_unreadable_items_is_logged() -> None:
    content = [{"id": "a"}, {"password": "hunter22"}, 7, None, [], {"name": "b"}]
    with capture_logs() as logs:
        assert [app_.id for app_ in parse_list(body(content), parse_app, resource="apps")] == ["a", "b"]
    assert logs == [{"event": "buildio.items_left_out", "of": "apps", "items": 4, "log_level": "warning"}]


@pytest.mark.parametrize("content", [{"apps": [{"id": "a"}]}, {"data": [{"id": "a"}]}, [{"id": "a"}]])
def test_a_list_may_be_nested_in_an_object(content: object) -> None:
    assert [app_.id for app_ in parse_list(body(content), parse_app, resource="apps")] == ["a"]


@pytest.mark.parametrize(
    "answer", [b"", b"null", b"3", b'"x"', b"<html>", b"{", b"\xff\xfe", b'{"code": "x"}']
)
def test_a_response_without_a_list_is_unexpected(answer: bytes) -> None:
    with pytest.raises(UnexpectedResponse) as caught:
        parse_list(answer, parse_app, resource="apps")
    assert caught.value.provider is BUILDIO


def test_the_length_of_a_list_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field_parsing, "MAX_ITEMS", 2)
    with pytest.raises(TooLarge, match="more than 2 items in one list"):
        parse_list(b'["a", "b", "c"]', parse_app, resource="apps")


@pytest.mark.parametrize("answer", [b"", b"OK", b"null", b"[]", b"{}"])
def test_the_answer_to_a_change_may_be_anything(answer: bytes) -> None:
    assert parse_started_build(parse_change_response(answer, resource="build")).id is None
    assert parse_app(parse_change_response(answer, resource="app"), requested="blog") == BuildioApp(
        id="blog", name="blog"
    )


@pytest.mark.parametrize(
    ("answer", "output", "code"),
    [
        ({"output": "hi\n", "exit_code": 0}, "hi", 0),
        ({"stdout": "out\n", "stderr": "err\n", "exit_status": 2}, "out\nerr", 2),
        ({"result": {"output": "hi", "exit_code": 1}}, "hi", 1),
        ({"output": ["a", "b\n"]}, "a\nb", None),
        ({"exit_code": 3}, "", 3),
        ("hi", "hi", None),
        (["a", "b"], "a\nb", None),
        (None, "", None),
        ({"message": "done"}, '{"message": "done"}', None),
    ],
)
def test_the_result_of_a_command_is_found(answer: object, output: str, code: int | None) -> None:
    read = parse_command_result(body(answer))
    assert (read.output, read.exit_code, read.cut) == (output, code, False)


def test_output_that_is_not_json_counts_as_output() -> None:
    assert parse_command_result(b"total 0\n").output == "total 0\n"


def test_output_has_no_colors_and_no_secrets_even_if_colors_hide_them() -> None:
    hidden = SECRET[:10] + "\x1b[0m" + SECRET[10:]
    read = parse_command_result(body({"output": f"\x1b[32mok\x1b[0m {hidden}"}))
    assert read.output == "ok [redacted]"


def test_long_output_keeps_its_end_from_the_start_of_a_line() -> None:
    lines = "".join(f"line {number}\n" for number in range(50_000))
    read = parse_command_result(body({"output": lines + "the end"}))
    assert read.cut
    assert len(read.output) <= MAX_OUTPUT
    assert read.output.startswith("line ")
    assert read.output.endswith("\nline 49999\nthe end")


@pytest.mark.parametrize(
    "answer",
    [
        {"email": "a@b.example"},
        "a@b.example",
        {"user": {"email": "a@b.example"}},
        {"data": {"email": "a@b.example"}},
    ],
)
def test_an_e_mail_address_is_found(answer: object) -> None:
    assert parse_identity(body(answer)).email == "a@b.example"


@pytest.mark.parametrize("answer", [{}, [], {"email": SECRET}, {"email": None}, 3])
def test_an_identity_without_an_e_mail_address_is_unexpected(answer: object) -> None:
    with pytest.raises(UnexpectedResponse):
        parse_identity(body(answer))


@pytest.mark.parametrize("answer", [{}, [], {"kind": "ExecCredential"}, {"status": "ok"}])
def test_a_response_without_a_credential_is_unexpected(answer: object) -> None:
    with pytest.raises(UnexpectedResponse):
        parse_cluster_login(body(answer))


@pytest.mark.parametrize(
    ("fields", "enabled"),
    [
        ({"review_apps": True}, True),
        ({"review_apps": {"enabled": True}}, True),
        ({"review_app_settings": {"review_apps_enabled": False}}, False),
        ({"review_apps_enabled": True}, True),
        ({}, None),
    ],
)
def test_the_review_app_setting_of_a_pipeline_is_found(fields: dict[str, Any], enabled: bool | None) -> None:
    read = parse_pipeline(Fields({"name": "shop", **fields}))
    assert read is not None
    assert read.review_apps is enabled


@pytest.mark.parametrize(
    "environments",
    [[{"id": "e1", "name": "review"}], {"review": {"id": "e1"}}, {"review": "e1"}],
)
def test_the_environments_of_a_pipeline_are_found(environments: object) -> None:
    read = parse_pipeline(
        Fields({"name": "shop", "environments": environments, "review_apps": {"keep": [1], "days": 5}})
    )
    assert read is not None
    assert [(environment.id, environment.name) for environment in read.environments] == [("e1", "review")]
    assert read.review_settings == {"days": 5}


@pytest.mark.parametrize(
    "item",
    [
        {"id": "a1", "name": "shop", "stage": "production"},
        {"app": {"id": "a1", "name": "shop"}, "stage": "production"},
        {"id": "coupling", "app": {"id": "a1", "name": "shop"}, "stage": {"name": "production"}},
    ],
)
def test_an_app_of_a_pipeline_is_an_app_or_a_coupling(item: object) -> None:
    [read] = parse_list(body([item]), parse_pipeline_app, resource="apps")
    assert (read.id, read.name, read.stage) == ("a1", "shop", "production")


KEYS = [
    "id",
    "name",
    "status",
    "state",
    "deployment",
    "current_deployment",
    "latest_deployment",
    "release",
    "deployment_status",
    "app",
    "team",
    "region",
    "formation",
    "buildpacks",
    "namespace",
    "version",
    "commit",
    "user",
    "error",
    "created_at",
    "finished_at",
    "web_url",
    "type",
    "command",
    "size",
    "restarts",
    "hostname",
    "kind",
    "ssl",
    "cert",
    "acm_status",
    "expires_at",
    "environments",
    "review_apps",
    "stage",
    "output",
    "stdout",
    "stderr",
    "exit_code",
    "email",
    "data",
    "apps",
    "config_vars",
    "key",
    "value",
    "code",
    "message",
    "result",
    "slug",
    "source_blob",
    "description",
]
WORDS = ["failed", "up", "crashed", "live", "succeeded", "success", NOON, SECRET, "1e999", "\ud800", "v7"]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**30, max_value=10**40)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=12,
)
READERS: dict[str, Callable[[bytes], object]] = {
    "apps": lambda content: parse_list(content, parse_app, resource="apps"),
    "app": lambda content: parse_app(parse_fields(content, resource="app"), requested="shop"),
    "build": lambda content: parse_started_build(parse_change_response(content, resource="build")),
    "config vars": parse_config_vars,
    "domains": lambda content: parse_list(content, parse_domain, resource="domains"),
    "domain": lambda content: parse_domain(parse_fields(content, resource="domain"), id="d1"),
    "dynos": lambda content: parse_list(content, parse_dyno, resource="dynos"),
    "output": parse_command_result,
    "namespaces": lambda content: parse_list(content, parse_namespace, resource="namespaces"),
    "namespace": lambda content: parse_namespace(
        parse_fields(content, resource="namespace"), requested="inner"
    ),
    "pipelines": lambda content: parse_list(content, parse_pipeline, resource="pipelines"),
    "pipeline": lambda content: parse_pipeline(parse_fields(content, resource="pipeline"), requested="shop"),
    "pipeline apps": lambda content: parse_list(content, parse_pipeline_app, resource="apps"),
    "teams": lambda content: parse_list(content, parse_team, resource="teams"),
    "team": lambda content: parse_team(parse_fields(content, resource="team"), requested="acme"),
    "identity": parse_identity,
    "login": parse_cluster_login,
}


def all_texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from all_texts(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from all_texts(value)


def read_and_serialize(reader: str, content: bytes) -> str:
    """Return the parsed model as stored or sent; "" for an unexpected response."""
    try:
        read = READERS[reader](content)
    except UnexpectedResponse as problem:
        return str(problem.provider)
    items = read if isinstance(read, list) else [read]
    serialized = [item.model_dump() if isinstance(item, BaseModel) else item for item in items]
    # As bytes: half a surrogate pair, which JSON can contain, fits into no message and no database.
    return "\n".join(all_texts(serialized)).encode().decode()


@pytest.mark.parametrize("reader", READERS)
@given(content=ANYTHING)
def test_any_json_is_read_without_secrets_or_unexpected(reader: str, content: object) -> None:
    text = read_and_serialize(reader, body(content))
    assert reader == "config vars" or SECRET not in text


@pytest.mark.parametrize("reader", READERS)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_unexpected(reader: str, content: bytes) -> None:
    text = read_and_serialize(reader, content)
    try:
        json.loads(content)
    except ValueError:
        assert reader in ("build", "output") or text == BUILDIO


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b"[" * 900 + b"]" * 900]
)
def test_json_that_is_too_deep_or_too_large_is_unexpected_and_harmless(reader: str, content: bytes) -> None:
    # A started build and a finished command accept any response.
    expected = {"build": "", "output": content.decode()[-MAX_OUTPUT:]}.get(reader, BUILDIO)
    assert read_and_serialize(reader, content) in (expected, "")


@given(content=st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=8))
def test_a_response_without_a_success_is_never_read_as_one(content: dict[str, Any]) -> None:
    read = parse_app(Fields(content), requested="shop")
    assert read is not None
    has_success = any(parse_state(text) is BuildState.SUCCEEDED for text in all_texts(content))
    if read.deployment is not None and read.deployment.state is BuildState.SUCCEEDED:
        assert has_success
        assert parse_state(read.deployment.status) is BuildState.SUCCEEDED


@given(content=st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=8))
def test_no_value_of_a_field_hides_the_resource(content: dict[str, Any]) -> None:
    named = {**content, "id": "x1", "name": "shop", "hostname": "www.acme.example"}
    for read in (parse_app, parse_domain, parse_dyno, parse_namespace, parse_pipeline, parse_team):
        assert len(parse_list(body([named, {"id": "x2"}]), read, resource="things")) == 2
