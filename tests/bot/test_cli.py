"""Command-line arguments of `buildbell`; an invalid one is reported in one line that names it, without a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot import __version__, logging_setup
from bot.cli import cli
from bot.manifest import find_url_problem


@pytest.fixture(autouse=True)
def _keep_logging_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep commands from configuring logging, since here they run in the process of all tests."""
    monkeypatch.setattr(logging_setup, "configure", lambda *_, **__: None)


def run_cli(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, arguments, env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("sandbox", "--port", "99999"), "--port: 99999 isn't a valid port"),
        (("sandbox", "--port", "-1"), "--port: -1 isn't a valid port"),
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
def test_an_invalid_option_is_named_in_one_line(arguments: tuple[str, ...], expected: str) -> None:
    code, output = run_cli(*arguments)
    assert (code, output.count("\n")) == (2, 1), output
    assert output.startswith("buildbell: ")
    assert expected in output


def test_a_port_in_use_is_named_in_one_line() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code, output = run_cli("sandbox", "--port", str(port))
    assert (code, output.count("\n")) == (2, 1), output
    assert output.startswith(f"buildbell: --port: port {port} is not available (Address already in use)")


@pytest.mark.parametrize("command", ["sandbox", "run"])
def test_packages_that_postgresql_needs_are_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://buildbell@db.example.com/buildbell")
    for module in ("psycopg", "psycopg.conninfo"):
        monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    code, output = run_cli(command)
    assert (code, output.count("\n")) == (2, 1), output
    assert (
        "DATABASE_URL: needs additional packages for PostgreSQL: pip install 'buildbell[postgres]'" in output
    )


def test_a_bot_on_a_file_imports_nothing_that_only_postgresql_needs() -> None:
    """That takes time and memory, and the packages need not be installed."""
    program = (
        "import sys, bot.__main__, bot.app\n"
        "from bot.services_setup import create_engine\n"
        "create_engine('sqlite:///b.db', clock=None)\n"
        "print(sorted({'psycopg', 'psycopg_pool', 'procrastinate'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("backup", "{tmp}/nowhere/copy.db"), "there is no"),
        (("restore", "{tmp}/nothing.db", "--yes"), "nothing.db"),
        (("audit", "--anchor", "{tmp}/nothing.jsonl"), "there is no"),
        (("rotate-key",), "there is no database"),
    ],
)
def test_a_missing_file_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], expected: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", str(tmp_path / "b.db"))
    monkeypatch.setenv("BUILDBELL_SECRET_KEY", "k" * 43)
    code, output = run_cli(*(part.replace("{tmp}", str(tmp_path)) for part in command))
    assert (code, output.count("\n")) == (2, 1), output
    assert expected in output


def test_a_misspelt_setting_is_named_by_run_and_by_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("SLACK_BOT_TOKN=xoxb-1\nPORT=many\n")
    code, output = run_cli("run")
    assert (code, output.count("\n")) == (2, 1), output
    assert output.startswith("buildbell can't start: PORT: input should be a valid integer")
    assert "Did you mean SLACK_BOT_TOKEN by SLACK_BOT_TOKN?" in output
    code, output = run_cli("doctor")
    assert code == 1
    for listener in (
        "failed  PORT: input should be a valid integer",
        "failed  SLACK_BOT_TOKN: is not a setting → did you mean SLACK_BOT_TOKEN?",
        "failed  Key: BUILDBELL_SECRET_KEY is not set",
        "ok  Database: ",
    ):
        assert listener in output
    assert "set SLACK_BOT_TOKEN (one workspace) or SLACK_CLIENT_ID (many)" in output
    assert "can't start" not in output
    assert "xoxb-1" not in output
    (tmp_path / ".env").write_text(
        "SLACK_BOT_TOKEN=xoxb-1\nPOLICY_FLIE=policy.toml\nSLACK_API_URL=http://127.0.0.1:9\n"
    )
    assert "POLICY_FLIE: is not a setting → did you mean POLICY_FILE?" in run_cli("doctor")[1]


def test_an_env_file_that_is_not_utf8_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"SLACK_BOT_TOKEN=xoxb-1\nHOST=caf\xe9\n")
    for command in (("run",), ("doctor",), ("export-user", "T1", "U1")):
        code, output = run_cli(*command)
        assert (code, output.count("\n")) == (2, 1), output
        assert output == "buildbell: .env is not in UTF-8: save it as UTF-8 and start again.\n"


def test_a_token_in_the_wrong_setting_is_shown_by_neither_run_nor_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    token = "xoxb-123456789012-" + "aB3dE6gH9j" * 3
    valid_settings = {
        "SLACK_BOT_TOKEN": "xoxb-none",
        "SLACK_APP_TOKEN": "xapp-none",
        "BITRISE_TOKEN": "none",
        "SLACK_API_URL": "http://127.0.0.1:9/api/",
        "BITRISE_API_URL": "http://127.0.0.1:9/v0.1",
        "BUILDBELL_SECRET_KEY": "k" * 43,
        "PORT": "0",
    }
    for name, value in valid_settings.items():
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
                code, output = run_cli(command)
                assert code in (1, 2)
                assert name in output
                assert token not in output
                assert "[redacted]" in output


def test_the_version_is_that_of_the_package() -> None:
    assert run_cli("--version") == (0, f"buildbell {__version__}\n")


@pytest.mark.parametrize(
    ("url", "valid"),
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
def test_only_https_urls_are_valid_for_slack(url: str, *, valid: bool) -> None:
    assert (find_url_problem(url) is None) is valid
