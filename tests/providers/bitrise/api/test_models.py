"""Parse Bitrise's responses: an unknown, missing or invalid field must not hide the rest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.build import BuildState
from domain.log.log_text import strip_control_codes
from domain.provider_errors import RequestRejected, UnexpectedResponse
from providers.bitrise.api.logs import parse_log
from providers.bitrise.api.models import BuildItem, read_many, read_one, state_of
from providers.bitrise.api.pipeline_models import PipelineShow
from providers.bitrise.api.requests import AbortRequest, BuildListParams, TriggerRequest, parse_started_builds

FIXTURES = Path(__file__).parents[3] / "fixtures"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [name for name in BuildItem.model_fields if name != "slug"]


@pytest.mark.parametrize(
    ("status", "text", "on_hold", "state"),
    [
        (0, "on-hold", True, BuildState.ON_HOLD),
        (0, "in-progress", False, BuildState.RUNNING),
        (1, "success", False, BuildState.SUCCEEDED),
        (2, "error", False, BuildState.FAILED),
        (3, "aborted", False, BuildState.ABORTED),
        (4, "aborted-with-success", False, BuildState.ABORTED_WITH_SUCCESS),
        (17, "reticulating", False, BuildState.UNKNOWN),
        (None, "error", False, BuildState.FAILED),
        (None, None, False, BuildState.UNKNOWN),
    ],
)
def test_every_status_has_its_state(
    status: int | None, text: str | None, on_hold: bool, state: BuildState
) -> None:
    assert state_of(status, text, on_hold=on_hold) is state


@given(st.dictionaries(st.sampled_from([*FIELDS, "a_new_field"]), ANYTHING))
def test_no_value_of_a_known_field_hides_the_build(fields: dict[str, Any]) -> None:
    body = json.dumps({"data": [{**fields, "slug": "abc"}, {"slug": "def"}]}).encode()
    items, _ = read_many(BuildItem, body)
    assert [item.as_build("app").slug for item in items] == ["abc", "def"]


def test_empty_strings_instead_of_null_are_none() -> None:
    build = read_one(
        BuildItem, b'{"data": {"slug": "a", "tag": "", "commit_hash": "", "finished_at": ""}}', of="build"
    ).as_build("x")
    assert (build.tag, build.commit_hash, build.finished_at) == (None, None, None)


def test_an_item_without_a_slug_is_left_out() -> None:
    items, paging = read_many(BuildItem, b'{"data": [{"status": 1}, {"slug": "b"}], "paging": {"next": "c"}}')
    assert [item.slug for item in items] == ["b"]
    assert paging.next == "c"


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"<html>", b'{"data": 3}', b'{"data": {"status": 1}}'])
def test_a_response_of_another_type_is_an_error(body: bytes) -> None:
    with pytest.raises(UnexpectedResponse):
        read_many(BuildItem, body)
    with pytest.raises(UnexpectedResponse):
        read_one(BuildItem, body, of="build")


def test_chunks_are_sorted_and_gaps_are_noticed() -> None:
    chunks = [{"chunk": "c", "position": 3}, {"chunk": "a", "position": 0}, {"chunk": "b", "position": 1}]
    log = parse_log(json.dumps({"log_chunks": chunks, "is_archived": False}).encode())
    assert log.text == "abc"
    assert log.gaps
    assert log.from_the_start
    assert log.raw_url is None


@pytest.mark.parametrize(
    ("positions", "of", "whole"),
    [([0, 1], 2, True), ([1, 2], 2, True), ([1, 2], None, True), ([1, 2], 3, False), ([2, 3], None, False)],
)
def test_a_log_without_its_first_chunk_is_recognized(
    positions: list[int], of: int | None, whole: bool
) -> None:
    chunks = [{"chunk": "x", "position": position} for position in positions]
    body = {"log_chunks": chunks, "is_archived": True, "generated_log_chunks_num": of}
    assert parse_log(json.dumps(body).encode()).from_the_start is whole


def test_a_log_is_shown_as_on_a_terminal() -> None:
    raw = "\x1b[32;1mgreen\x1b[0m\r\n 10%\r 60%\r100%\n\x1b]0;title\x07end\x08\n\n"
    assert strip_control_codes(raw) == "green\n100%\nend"


def test_frames_around_steps_are_removed_and_tables_of_commands_stay() -> None:
    log = parse_log((FIXTURES / "bitrise" / "log.json").read_bytes())
    lines = strip_control_codes(log.text).split("\n")
    assert "(1) git-clone@3.4.3" in lines
    assert "✓  git-clone@3.4.3  8.77 sec" in lines
    assert not [line for line in lines if "+--" in line or line.startswith("|")]
    table = "+----+\n| id |\n+----+"
    assert strip_control_codes(table) == table


@given(st.text())
def test_any_log_is_parsed_and_has_no_escape_codes(text: str) -> None:
    assert "\x1b" not in strip_control_codes(text)


def test_a_query_has_unix_seconds_and_only_the_given_filters() -> None:
    from tests.support.factories import NOON

    query = BuildListParams(status=3, after=NOON, trigger_event_type="pull-request", pull_request_id=7)
    assert query.params() == {
        "status": "3",
        "after": str(int(NOON.timestamp())),
        "trigger_event_type": "pull-request",
        "pull_request_id": "7",
    }


def test_an_abort_request_has_all_required_fields() -> None:
    defaults = {"abort_reason": "", "abort_with_success": False, "skip_notifications": False}
    assert AbortRequest().pipeline_body() == defaults
    assert AbortRequest().body() == {**defaults, "skip_git_status_report": False}
    assert AbortRequest(
        reason="r", with_success=True, skip_notifications=True, skip_git_status_report=True
    ).body() == {
        "abort_reason": "r",
        "abort_with_success": True,
        "skip_notifications": True,
        "skip_git_status_report": True,
    }


def test_a_trigger_needs_a_target_and_does_not_expand_typed_variables() -> None:
    with pytest.raises(ValueError, match="branch, tag, commit, workflow or pipeline"):
        TriggerRequest(commit_message="x")
    body = TriggerRequest(branch="main", environments=(("A", "$HOME"),)).body()
    assert body == {
        "hook_info": {"type": "bitrise"},
        "build_params": {
            "branch": "main",
            "environments": [{"key": "A", "value": "$HOME", "is_expand": False}],
        },
    }


def test_the_results_of_a_trigger_take_precedence_over_older_fields() -> None:
    answer = {
        "status": "ok",
        "message": "",
        "slug": "app",
        "build_slug": "old",
        "results": [
            {"status": "ok", "build_slug": "one", "build_number": 1, "triggered_workflow": "primary"},
            {"status": "error", "message": "no such workflow"},
        ],
    }
    started, failed = parse_started_builds(json.dumps(answer).encode())
    assert (started.build_slug, started.number, started.url) == ("one", 1, "https://app.bitrise.io/build/one")
    assert (failed.ok, failed.words) == (False, "no such workflow")


def test_a_trigger_that_is_not_ok_is_rejected_with_bitrises_message() -> None:
    body = b'{"status": "error", "message": "Failed to get bitrise.yml from git provider", "slug": "x"}'
    with pytest.raises(RequestRejected, match=r"Failed to get bitrise\.yml"):
        parse_started_builds(body)


def test_a_later_attempt_of_a_pipeline_has_its_own_start() -> None:
    first, again = "2026-11-21T12:00:00Z", "2026-11-22T12:00:00Z"
    response: dict[str, Any] = {
        "id": "0123456789abcdef",
        "status": "running",
        "triggered_at": first,
        "started_at": first,
        "current_attempt_id": "b",
        "attempts": [{"id": "a", "triggered_at": first}, {"id": "b", "triggered_at": again}],
    }
    pipeline = PipelineShow.model_validate(response).as_pipeline("app")
    assert (pipeline.attempt, pipeline.began) == (2, datetime(2026, 11, 22, 12, tzinfo=UTC))
    started = "2026-11-22T12:01:00Z"
    pipeline = PipelineShow.model_validate(response | {"started_at": started}).as_pipeline("app")
    assert pipeline.began == datetime(2026, 11, 22, 12, 1, tzinfo=UTC)
    assert PipelineShow.model_validate({"id": "0123456789abcdef"}).as_pipeline("app").began is None
