"""Each setting with a wrong value: the line with which `run` ends, and what `doctor` says, by the setting's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bot.doctor.settings_checks import assigned_names, check_settings, find_misspelled_names
from bot.settings import Settings, describe_errors
from domain.access_policy import InvalidAccessRule
from domain.finding import Finding

KEY = "k" * 43
WHOLE = {
    "slack_bot_token": "xoxb-1",
    "slack_app_token": "xapp-1",
    "bitrise_token": "token",
    "buildbell_secret_key": KEY,
}
MANY = {
    "slack_client_id": "1.2",
    "slack_client_secret": "hush",
    "slack_signing_secret": "hush",
    "public_url": "https://bot.example.com",
    "slack_bot_token": None,
    "slack_app_token": None,
    "slack_workspaces": "T024BE7LH,T_ACME,E_ACME.1",
}
# Each wrong value of one setting, and what is said of it after its name.
WRONG = [
    ("database_url", "postgresql://x/y", "must be an SQLite file"),
    ("database_url", "sqlite:///", "must name a file"),
    ("database_url", "sqlite:///:memory:", "must name a file"),
    ("database_url", "/var/lib/", "must name a file"),
    ("buildbell_secret_key", "short", "each key needs 32 characters"),
    ("audit_anchor", "anchor.jsonl", "must be a file's whole path"),
    ("audit_anchor", "syslog+tcp://host:0x", "must have a port"),
    ("slack_bot_token", "xoxb-…", "still contains the … of .env.example"),
    ("slack_app_token", "xapp-1\n", "must be one word"),
    ("slack_signing_secret", "two words", "must be one word"),
    ("slack_client_id", "1.2 ", "must be one word"),
    ("slack_client_secret", "…", "still contains the …"),
    ("slack_workspaces", "acme", "acme is not the ID of a workspace"),
    ("slack_authorize_url", "slack.com", "must be a web address"),
    ("slack_api_url", "http://slack.com/api/", "must begin with https://"),
    ("bitrise_token", "…", "still contains the …"),
    ("bitrise_token", "xoxb-1", "is a bot token (xoxb-…) of Slack"),
    ("bitrise_api_url", "api.bitrise.io", "must be a web address"),
    ("buildio_token", "two words", "must be one word"),
    ("buildio_token", "xapp-1", "is an app-level token (xapp-…) of Slack"),
    ("buildio_api_url", "https://user:hush@app.build.io", "must not contain a user name or password"),
    ("buildio_client_id", "…", "still contains the …"),
    ("buildio_client_secret", "two words", "must be one word"),
    ("public_url", "bot.example.com", "must be a web address"),
    ("port", "many", "input should be a valid integer"),
    ("port", "65536", "input should be less than or equal to 65535"),
    ("port", "-1", "input should be greater than or equal to 0"),
    ("poll_interval", "0", "input should be greater than 0"),
    ("poll_interval", "inf", "input should be less than or equal to 86400"),
    ("poll_interval_active", "nan", "input should be"),
    ("service_token_acts", "perhaps", "input should be a valid boolean"),
    ("requests_per_minute", "1", "input should be greater than or equal to 6"),
    ("backlog_count", "0", "input should be greater than or equal to 1"),
    ("backlog_minutes", "1e300", "input should be less than or equal to"),
    ("flood_limit", "4", "input should be greater than or equal to 5"),
    ("abort_kinds", "freeze", "'freeze' is no rule: write kind=pattern"),
    ("abort_kinds", "freeze=(", "the pattern of freeze can't be read"),
    ("history_days", "1", "input should be greater than or equal to 2"),
    ("history_days", "1000000000000", "input should be less than or equal to 36500"),
    ("audit_days", "29", "input should be greater than or equal to 30"),
    ("download_hosts", "https://files.example.com", "https://files.example.com is not a host such as"),
    ("log_level", "loud", "input should be 'debug', 'info', 'warning' or 'error'"),
]
# Several together that do not fit, and the words that name them.
CONFLICTS: list[tuple[dict[str, Any], str]] = [
    ({"slack_bot_token": None}, "set SLACK_BOT_TOKEN (one workspace) or SLACK_CLIENT_ID (many)"),
    ({"slack_app_token": None}, "set SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP)"),
    (
        {"slack_bot_token": "xapp-1", "slack_app_token": "xoxb-1"},
        "SLACK_BOT_TOKEN and SLACK_APP_TOKEN are swapped",
    ),
    ({"slack_bot_token": "xapp-1"}, "SLACK_BOT_TOKEN: is an app-level token (xapp-…)"),
    ({"slack_bot_token": "xoxp-1"}, "SLACK_BOT_TOKEN: is a user token (xoxp-…)"),
    ({"slack_app_token": "xoxb-1"}, "SLACK_APP_TOKEN: is a bot token (xoxb-…)"),
    ({"slack_app_token": "xoxe.xoxb-1"}, "SLACK_APP_TOKEN: is a bot token (xoxb-…)"),
    (
        {"bitrise_token": None},
        "set BITRISE_TOKEN to a personal or workspace token of Bitrise, or BUILDIO_TOKEN",
    ),
    (
        {"audit_anchor": "/mnt/a.jsonl", "buildbell_secret_key": None},
        "AUDIT_ANCHOR also needs BUILDBELL_SECRET_KEY",
    ),
    (
        {"audit_anchor": "/data/a.jsonl", "database_url": "/data/b.db"},
        "AUDIT_ANCHOR: must be in another folder than the database",
    ),
    ({"slack_workspaces": "T024BE7LH"}, "SLACK_WORKSPACES names who may install the app"),
    ({**MANY, "slack_client_secret": None}, "SLACK_CLIENT_ID also needs SLACK_CLIENT_SECRET"),
    ({**MANY, "slack_bot_token": "xoxb-1"}, "remove SLACK_BOT_TOKEN and SLACK_APP_TOKEN"),
    (
        {**MANY, "slack_workspaces": "", "service_token_acts": "1"},
        "SERVICE_TOKEN_ACTS=1 with SLACK_CLIENT_ID",
    ),
    ({"buildio_client_id": "id"}, "BUILDIO_CLIENT_ID and BUILDIO_CLIENT_SECRET belong together"),
    ({"buildio_client_secret": "hush"}, "BUILDIO_CLIENT_ID and BUILDIO_CLIENT_SECRET belong together"),
    ({"buildio_client_id": "id", "buildio_client_secret": "hush"}, "BUILDIO_CLIENT_ID also needs PUBLIC_URL"),
]
# What nobody can see from the value alone: services, the system and other people say what is wrong with it.
ANY_VALUE = {"host", "policy_file", "webhook_secret", "bitrise_webhook_secret", "metrics_token"}


def given(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in (WHOLE | changed).items() if value is not None}


def line(**changed: Any) -> str:
    """What `run` would end with for its settings alone."""
    try:
        Settings(_env_file=None, **given(**changed)).operator_rules()
    except ValidationError as problem:
        return describe_errors(problem)
    except InvalidAccessRule as problem:
        return str(problem)
    return ""


def found(**changed: Any) -> list[Finding]:
    return [one for one in check_settings(_env_file=None, **given(**changed)).findings if not one.passed]


def test_settings_that_are_right_are_well_for_both() -> None:
    assert line() == ""
    assert found() == []
    assert line(**MANY) == ""
    assert found(**MANY) == []


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
def test_a_wrong_value_is_named_in_one_line_and_by_the_doctor(name: str, value: str, words: str) -> None:
    said = line(**{name: value})
    assert said.startswith(f"{name.upper()}: {words}")
    assert "\n" not in said
    [finding] = found(**{name: value})
    assert (finding.check, finding.result.startswith(words)) == (name.upper(), True)
    assert name.upper() in (finding.fix or "")
    if len(value) > 12 and "token" in name:
        assert value not in said + finding.result


@pytest.mark.parametrize(("changed", "words"), CONFLICTS)
def test_what_does_not_fit_together_is_named_in_one_line_and_by_the_doctor(
    changed: dict[str, Any], words: str
) -> None:
    said = line(**changed)
    assert words in said
    assert "\n" not in said
    assert any(words in (one.fix or "") for one in found(**changed))


def test_every_setting_is_tried_with_a_wrong_value() -> None:
    assert {name for name, _, _ in WRONG} | ANY_VALUE == set(Settings.model_fields)
    assert not {name for name, _, _ in WRONG} & ANY_VALUE


def test_the_doctor_names_all_that_is_wrong_and_trusts_nothing_of_it() -> None:
    looked = check_settings(
        _env_file=None,
        **given(
            port="many",
            bitrise_api_url="nowhere",
            slack_bot_token="xapp-1",
            slack_app_token="xoxb-1",
            bitrise_token=None,
        ),
    )
    bad = [one for one in looked.findings if not one.passed]
    assert [one.check for one in bad] == ["BITRISE_API_URL", "PORT", "Settings", "Settings"]
    assert looked.unusable == {"bitrise_api_url", "port", "slack_bot_token", "slack_app_token"}
    assert not looked.can_use("host", "port")
    assert looked.can_use("host")
    assert looked.settings.slack_bot_token is not None


def test_a_secret_that_stands_in_the_wrong_setting_is_not_shown() -> None:
    secret = "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"
    for name in Settings.model_fields:
        if name != "policy_file":
            said = line(**{name: secret}) + str(found(**{name: secret}))
            assert secret not in said, name


def test_the_policy_file_is_read_by_both(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    for content, words in (
        (None, "can't be read (No such file or directory)"),
        ("[[rule", "is no TOML"),
        ("[[rules]]", "there is only [[rule]]"),
        ('[[rule]]\nallow = ["fly"]\nwho = "everyone"', "rule 1"),
    ):
        if content is not None:
            policy.write_text(content)
        said = line(policy_file=str(policy))
        assert said.startswith(f"POLICY_FILE: {policy}")
        assert words in said
        [finding] = found(policy_file=str(policy))
        assert (finding.check, finding.result) == ("Policy", said)
    policy.write_text('[[rule]]\nprotect = ["abort"]')
    assert "needs BUILDBELL_SECRET_KEY" in line(policy_file=str(policy), buildbell_secret_key=None)
    assert [one.check for one in found(policy_file=str(policy), buildbell_secret_key=None)] == [
        "Policy",
        "Key",
    ]
    assert found(policy_file=str(policy)) == []


def test_without_a_key_nobody_can_link_an_account_which_the_doctor_says() -> None:
    [finding] = found(buildbell_secret_key=None)
    assert (finding.check, finding.fix) == ("Key", "set it to a key from `buildbell new-key`")
    assert found(buildbell_secret_key=None, service_token_acts="1") == []
    assert [one.check for one in found(bitrise_webhook_secret="hush")] == ["Webhooks"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SLACK_BOT_TOKN", "SLACK_BOT_TOKEN"),
        ("slack_bot_tokn", "SLACK_BOT_TOKEN"),
        ("SLACK_TOKEN", "SLACK_BOT_TOKEN"),
        ("POLCY_FILE", "POLICY_FILE"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("PROT", "PORT"),
        ("BUILDBELL_SECRETKEY", "BUILDBELL_SECRET_KEY"),
        ("TZ", None),
        ("HTTPS_PROXY", None),
        ("PYTHONUNBUFFERED", None),
    ],
)
def test_a_misspelt_name_in_a_file_is_a_setting_that_is_meant(
    tmp_path: Path, name: str, meant: str | None
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"# a comment\nexport {name}=1\nHOST = here\n")
    assert assigned_names(file) == [name, "HOST"]
    assert find_misspelled_names((), assigned_names(file)) == ({name: meant} if meant else {})
    if meant:
        assert find_misspelled_names([*Settings.model_fields], [name]) == {}, "what is set is not meant"


def test_names_of_other_programs_in_the_environment_are_left_alone() -> None:
    usual = (
        "PATH",
        "HOME",
        "HOSTNAME",
        "GHOST",
        "PORTS",
        "LOGNAME",
        "SLACK_TOKEN",
        "DATABASE_PASSWORD",
        "PWD",
    )
    assert find_misspelled_names((*usual, "GITHUB_TOKEN", "PUBLIC_IP"), ()) == {}
    assert find_misspelled_names(("SLACK_BOT_TOKN",), ()) == {"SLACK_BOT_TOKN": "SLACK_BOT_TOKEN"}
