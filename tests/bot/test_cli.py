"""What is typed after `buildbell`, and what can't be: one line that names the option, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot import __version__, logging_setup
from bot.cli import cli
from bot.manifest import find_url_problem


@pytest.fixture(autouse=True)
def _logs_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command sets the logs of its process up, which here is that of all tests."""
    monkeypatch.setattr(logging_setup, "configure", lambda *_, **__: None)


def typed(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, arguments, env={"COLUMNS": "200"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sandbox", "--port", "99999"), "--port: 99999 is not a port"),
        (("sandbox", "--port", "-1"), "--port: -1 is not a port"),
        (("sandbox", "--speed", "0"), "--speed: 0 is out of range"),
        (("sandbox", "--speed", "-1"), "--speed: -1 is out of range"),
        (("sandbox", "--speed", "nan"), "--speed: nan is out of range"),
        (("sandbox", "--speed", "inf"), "--speed: inf is out of range"),
        (("sandbox", "--story", "--port", "8080"), "--story uses its own speed"),
        (("sandbox", "--story", "--speed", "2"), "--story uses its own speed"),
        (("manifest", "--url", "foo"), "--url: foo is not a URL such as https://bot.example.com"),
        (("manifest", "--url", "http://bot.example.com"), "Slack calls only https"),
        (("audit", "--team", "acme"), "TEAM: 'acme' is not a Slack ID"),
        (("audit", "--export", "--team", "acme"), "TEAM: 'acme' is not a Slack ID"),
        (("audit", "--expect", "abc"), "--expect: 'abc' is not a hash"),
        (("audit", "--verify", "--seal"), "use only one of --verify, --export and --seal"),
        (("export-user", "T024BE7LH", "anna"), "USER: 'anna' is not a Slack ID"),
        (("erase-user", "acme", "U024BE7LH"), "TEAM: 'acme' is not a Slack ID"),
    ],
)
def test_an_option_that_can_not_be_is_named_in_one_line(arguments: tuple[str, ...], words: str) -> None:
    code, said = typed(*arguments)
    assert (code, said.count("\n")) == (2, 1), said
    assert said.startswith("buildbell: ")
    assert words in said


def test_a_port_that_is_taken_is_named_in_one_line() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as line:
        port = line.getsockname()[1]
        code, said = typed("sandbox", "--port", str(port))
    assert (code, said.count("\n")) == (2, 1), said
    assert said.startswith(f"buildbell: --port: port {port} is not available (Address already in use)")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("backup", "{tmp}/nowhere/copy.db"), "there is no"),
        (("restore", "{tmp}/nothing.db", "--yes"), "nothing.db"),
        (("audit", "--anchor", "{tmp}/nothing.jsonl"), "there is no"),
        (("rotate-key",), "there is no database"),
    ],
)
def test_a_file_that_is_missing_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], words: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", str(tmp_path / "b.db"))
    monkeypatch.setenv("BUILDBELL_SECRET_KEY", "k" * 43)
    code, said = typed(*(part.replace("{tmp}", str(tmp_path)) for part in command))
    assert (code, said.count("\n")) == (2, 1), said
    assert words in said


def test_a_misspelt_setting_is_named_by_run_and_by_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("SLACK_BOT_TOKN=xoxb-1\nPORT=many\n")
    code, said = typed("run")
    assert (code, said.count("\n")) == (2, 1), said
    assert said.startswith("buildbell can't start: PORT: input should be a valid integer")
    assert "Did you mean SLACK_BOT_TOKEN by SLACK_BOT_TOKN?" in said
    code, said = typed("doctor")
    assert code == 1
    for line in (
        "failed  PORT: input should be a valid integer",
        "failed  SLACK_BOT_TOKN: is not a setting → did you mean SLACK_BOT_TOKEN?",
        "failed  Key: BUILDBELL_SECRET_KEY is not set",
        "ok  Database: ",
    ):
        assert line in said
    assert "set SLACK_BOT_TOKEN (one workspace) or SLACK_CLIENT_ID (many)" in said
    assert "can't start" not in said
    assert "xoxb-1" not in said
    (tmp_path / ".env").write_text(
        "SLACK_BOT_TOKEN=xoxb-1\nPOLICY_FLIE=policy.toml\nSLACK_API_URL=http://127.0.0.1:9\n"
    )
    assert "POLICY_FLIE: is not a setting → did you mean POLICY_FILE?" in typed("doctor")[1]


def test_an_env_file_that_is_no_utf8_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"SLACK_BOT_TOKEN=xoxb-1\nHOST=caf\xe9\n")
    for command in (("run",), ("doctor",), ("export-user", "T1", "U1")):
        code, said = typed(*command)
        assert (code, said.count("\n")) == (2, 1), said
        assert said == "buildbell: .env is not in UTF-8: save it as UTF-8 and start again.\n"


def test_a_token_in_another_settings_place_is_said_by_neither_run_nor_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    token = "xoxb-123456789012-" + "aB3dE6gH9j" * 3
    right = {
        "SLACK_BOT_TOKEN": "xoxb-none",
        "SLACK_APP_TOKEN": "xapp-none",
        "BITRISE_TOKEN": "none",
        "SLACK_API_URL": "http://127.0.0.1:9/api/",
        "BITRISE_API_URL": "http://127.0.0.1:9/v0.1",
        "BUILDBELL_SECRET_KEY": "k" * 43,
        "PORT": "0",
    }
    for name, value in right.items():
        monkeypatch.setenv(name, value)
    for name, value in (
        ("POLICY_FILE", token),
        ("AUDIT_ANCHOR", f"/proc/{token}/anchor.jsonl"),
        ("DATABASE_URL", f"sqlite:////proc/{token}"),
    ):
        monkeypatch.setenv("DATABASE_URL", str(tmp_path / "b.db"))
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            for command in ("run", "doctor"):
                code, said = typed(command)
                assert code in (1, 2)
                assert name in said
                assert token not in said
                assert "[redacted]" in said


def test_the_version_is_that_of_the_package() -> None:
    assert typed("--version") == (0, f"buildbell {__version__}\n")


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("https://bot.example.com", True),
        ("https://bot.example.com:8443/buildbell/", True),
        ("https://xn--bcher-kva.example", True),
        ("https://", False),
        ("https:///slack", False),
        ("bot.example.com", False),
        ("ftp://bot.example.com", False),
        ("https://bot.example.com:99999", False),
        ("https://user:hush@bot.example.com", False),
        ("https://bot.example.com/?a=b", False),
        ("https://bot example.com", False),
        ("https://[", False),
    ],
)
def test_slack_reaches_https_addresses_alone(url: str, *, right: bool) -> None:
    assert (find_url_problem(url) is None) is right
