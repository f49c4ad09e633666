"""The files of the repository beside the code: docs, image, locks, settings and CI are correct and work."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from bot.docs_generator import stale_pages
from bot.manifest import manifest
from bot.settings import Settings
from services.jobs.supervisor import DRAIN_SECONDS
from storage.database_url import find_url_problem
from tests.support import postgres
from tests.support.forked_bot import forked_environment
from tests.support.stub_server import reserve_port

ROOT = Path(__file__).parent.parent.parent
REPORT = "".join(
    [
        "<testsuites><testsuite>",
        *(
            f'<testcase classname="tests.one" name="test_{number}" time="{number}.5"/>'
            for number in range(12)
        ),
        "</testsuite></testsuites>",
    ]
)


def text(name: str) -> str:
    return (ROOT / name).read_text()


def docker(instruction: str) -> list[str]:
    joined = text("Dockerfile").replace("\\\n", " ")
    return [line.split(" ", 1)[1] for line in joined.splitlines() if line.startswith(f"{instruction} ")]


def test_generated_parts_of_readme_and_docs_are_current() -> None:
    assert stale_pages() == []


def test_the_readme_begins_with_make_sandbox_and_make_test() -> None:
    first = text("README.md").split("```")[1].split("\n")
    assert [line.split("#")[0].strip() for line in first if line.strip()] == ["make sandbox", "make test"]


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "docs/buildio-api.md",
        "docs/user-guide.md",
        "docs/operations.md",
        "docs/reliability.md",
        "docs/sandbox.md",
        "docs/scaling.md",
    ],
)
def test_links_between_pages_point_to_existing_files(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", text(page)):
        assert not target or ((ROOT / page).parent / target).exists(), target


def test_every_command_example_in_the_docs_parses() -> None:
    from tests.support.commands import PARSERS, parse

    for page in ("README.md", "docs/user-guide.md", "docs/sandbox.md"):
        for parser in PARSERS:
            for arguments in re.findall(rf"`{parser.provider.command} ([^`]+)`", text(page)):
                if not re.search(r"[A-Z]{3}|\[|…", arguments):
                    parse(arguments, surface="slash", parser=parser)


def test_the_image_installs_the_lock_and_starts_the_same_command_as_make_run() -> None:
    assert "-m pip install" in (install := docker("RUN")[0])
    assert "--require-hashes -r requirements.lock" in install
    assert docker("COPY")[0] == "requirements.lock ./"
    start = json.loads(docker("CMD")[-1])
    run = re.search(r"^run:.*\n\t\$\(BIN\)/(.*)$", text("Makefile"), re.MULTILINE)
    assert run is not None
    assert " ".join(start) == run[1]


def test_the_image_contains_everything_that_the_bot_needs() -> None:
    copied = {source for line in docker("COPY") for source in line.split()[:-1]}
    assert {
        "bot",
        "handlers",
        "providers",
        "services",
        "storage",
        "messages",
        "domain",
        "manifest.yml",
    } <= copied
    assert all((ROOT / source).exists() for source in copied)
    included = {line.removeprefix("!") for line in text(".dockerignore").splitlines() if line.startswith("!")}
    assert copied == included
    assert text(".dockerignore").splitlines()[0] == "*"


def test_the_base_image_is_pinned_by_digest() -> None:
    [base] = docker("FROM")
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)
    assert not re.search(r"^(ADD|ARG)\b|curl|wget|apt-get", text("Dockerfile"), re.MULTILINE)


async def test_the_image_starts_without_the_sandbox_and_names_the_missing_extra(tmp_path: Path) -> None:
    """Run the files that the image copies in their own folder, with only the dependencies of the production lock."""
    for line in docker("COPY"):
        for source in line.split()[:-1]:
            if (ROOT / source).is_dir():
                # Another process may be compiling; its temporary files come and go.
                ignored = shutil.ignore_patterns("*.pyc.*")
                shutil.copytree(ROOT / source, tmp_path / source, ignore=ignored)
            else:
                shutil.copyfile(ROOT / source, tmp_path / source)
    assert not (tmp_path / "sandbox").exists()
    only_development = pins_of("requirements-dev.lock") - pins_of("requirements.lock")
    assert "emoji" in only_development
    missing_modules = {name.replace("-", "_") for name in only_development} | {"sandbox"}
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"sys.meta_path.insert(0, type('Away', (), {{'find_spec': staticmethod(lambda name, *_: (_ for _ in ()).throw("
        f"ModuleNotFoundError(name, name=name)) if name.partition('.')[0] in {missing_modules!r} else None)}}))\n"
        "sys.argv = ['buildbell', *sys.argv[1:]]\nfrom bot.__main__ import main\nmain()"
    )

    async def run(*arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-c", program, *arguments),
            cwd=tmp_path,
            env={"PATH": "/usr/bin", "COLUMNS": "200"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    code, output = await run("manifest")
    assert code == 0, output
    code, output = await run("run")
    assert (code, "SLACK_BOT_TOKEN" in output) == (2, True), output
    code, output = await run("sandbox")
    assert (code, output.count("\n")) == (2, 1), output
    assert "pip install 'buildbell[sandbox]'" in output


def pins_of(lock: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==", text(lock), re.MULTILINE))


def test_packages_that_only_the_sandbox_imports_are_an_extra() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extra_packages = {
        requirement.partition(">")[0] for requirement in project["optional-dependencies"]["sandbox"]
    }
    assert extra_packages == {"emoji", "markdown-it-py"}
    required_packages = {requirement.partition(">")[0] for requirement in project["dependencies"]}
    assert not extra_packages & required_packages
    imports = "\n".join(
        path.read_text()
        for package in ("bot", "handlers", "providers", "services", "storage", "messages", "domain")
        for path in (ROOT / package).rglob("*.py")
    )
    assert not re.search(r"^\s*(?:import|from) (?:emoji|markdown_it)\b", imports, re.MULTILINE)
    lock = re.search(r"^lock:\n((?:\t.*\n)+)", text("Makefile"), re.MULTILINE)
    assert lock is not None
    production, development = lock[1].splitlines()
    # The image can use PostgreSQL.
    assert re.findall(r"--extra (\w+)", production) == ["postgres"]
    assert re.findall(r"--extra (\w+)", development) == ["postgres", "sandbox", "dev"]
    assert {"psycopg", "psycopg-binary"} <= pins_of("requirements.lock")


def test_the_image_runs_as_an_unprivileged_user() -> None:
    assert docker("USER") == ["buildbell"]
    dockerfile = text("Dockerfile")
    assert dockerfile.index("USER buildbell") < dockerfile.index("\nCMD ")
    assert re.search(r"useradd --uid [1-9]\d{3,} ", dockerfile)


async def test_the_health_check_of_the_image_passes_only_while_a_bot_runs() -> None:
    check = json.loads(docker("HEALTHCHECK")[0].split("CMD ", 1)[1])

    async def run(port: str) -> int:
        process = await asyncio.create_subprocess_exec(
            *check, env={"PORT": port, "PATH": "/usr/bin:/usr/local/bin"}, stderr=asyncio.subprocess.DEVNULL
        )
        return await process.wait()

    check[0] = __import__("sys").executable
    async with forked_environment(manifest()) as environment:
        await environment.start()
        assert await run((await environment.bot_url()).rpartition(":")[2]) == 0
    with closing(reserve_port()) as closed_port:
        assert await run(str(closed_port.getsockname()[1])) != 0


def test_the_locks_have_hashes_name_no_index_and_agree() -> None:
    pins = {}
    for name in ("requirements.lock", "requirements-dev.lock"):
        lock = text(name)
        assert "://" not in lock
        assert "index" not in lock
        pins[name] = set(re.findall(r"^([\w.\[\]-]+==[^ ;\\]+)", lock, re.MULTILINE))
        assert lock.count("--hash=sha256:") >= len(pins[name])
    assert pins["requirements.lock"] <= pins["requirements-dev.lock"]


def test_the_compose_file_fits_the_image_and_the_settings() -> None:
    compose = yaml.safe_load(text("deploy/compose.postgres.yml"))
    services = compose["services"]
    assert set(services) == {"bot-1", "bot-2", "bot-3", "balancer", "database"}
    bot, database = services["bot-1"], services["database"]
    # Equal bots: what differs would be found only when one of them fails.
    assert services["bot-2"] == services["bot-3"] == bot == compose["x-bot"]
    folder = ROOT / "deploy"
    assert (folder / bot["build"]).resolve() == ROOT
    assert (folder / bot["env_file"]).resolve() == ROOT / ".env"
    assert {name.lower() for name in bot["environment"]} - {"postgres_password"} <= set(Settings.model_fields)
    # Secrets come from .env alone, and only on this machine can anything be reached.
    assert (
        re.findall('PASSWORD: (?!""|[$][{]POSTGRES_PASSWORD:[?])', text("deploy/compose.postgres.yml")) == []
    )
    assert set(re.findall(r"[$][{](\w+)", text("deploy/compose.postgres.yml"))) == {"POSTGRES_PASSWORD"}
    url = re.sub(r"[$][{]POSTGRES_PASSWORD:[?][^}]*[}]", "secret", bot["environment"]["DATABASE_URL"])
    parts = urlsplit(url)
    assert find_url_problem(url) is None
    assert parts.hostname in services
    assert (parts.username, parts.path[1:]) == (
        database["environment"]["POSTGRES_USER"],
        database["environment"]["POSTGRES_DB"],
    )
    port = bot["environment"]["PORT"]
    assert docker("EXPOSE") == bot["expose"] == [port]
    assert {name: service["ports"] for name, service in services.items() if "ports" in service} == {
        "balancer": [f"127.0.0.1:{port}:{port}"]
    }
    assert docker("HEALTHCHECK")
    assert "healthcheck" not in bot, "the image has one"
    assert bot["depends_on"] == {"database": {"condition": "service_healthy"}}
    check = database["healthcheck"]["test"]
    assert check[:2] == ["CMD", "pg_isready"]
    assert check[check.index("--username") + 1] == parts.username
    assert re.fullmatch(r"postgres:\d+-\w+", database["image"])
    [volume] = database["volumes"]
    assert volume.split(":")[0] in compose["volumes"]
    # The one bot that the comment at the top speaks of is there, and needs no other one.
    assert "`bot-1 balancer`" in text("deploy/compose.postgres.yml")
    for name in ("bot-1", "balancer"):
        assert int(services[name]["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS
    # A bot that vanishes without a word keeps its channels no longer than this.
    keepalive = dict(re.findall(r"-ctcp_keepalives_(\w+)=(\d+)", " ".join(database["command"])))
    assert int(keepalive["idle"]) + int(keepalive["interval"]) * int(keepalive["count"]) == 20
    assert "-ctcp_user_timeout=20000" in database["command"]


def run_ci_without_packages(folder: Path, tools: Mapping[str, str]) -> tuple[int, list[str]]:
    """Run CI's script in a folder of its own where nothing but the tools is installed; returns what they wrote."""
    script, path, calls = folder / ".ci" / "run", folder / "tools", folder / "calls"
    for needed in (script.parent, path):
        needed.mkdir()
    script.write_text(text(".ci/run").replace("/usr/lib/postgresql", str(folder)))
    script.chmod(0o755)
    for name in ("bash", "cat", "dirname", "mktemp", "rm"):
        (path / name).symlink_to(shutil.which(name) or "")
    for name, content in tools.items():
        (path / name).write_text(f"#!/bin/sh\n{content}\n")
        (path / name).chmod(0o755)
    environment = {"PATH": str(path), "TMPDIR": str(folder), "CALLS": str(calls)}
    completed = subprocess.run([script], env=environment, capture_output=True, check=False)
    return completed.returncode, calls.read_text().splitlines()


@pytest.mark.parametrize("has_network", [True, False])
def test_ci_installs_what_is_missing_and_no_server_that_runs(tmp_path: Path, has_network: bool) -> None:
    tools = {
        "id": "echo 1000",
        # Nothing is really done as root.
        "sudo": f'echo "$@" >> "$CALLS"; case $1 in tee) cat >> "$CALLS";; apt-get) exit {0 if has_network else 100};; esac',
        "make": 'echo "make $@, CI=$CI" >> "$CALLS"',
        "python3": "exit 1",
    }
    code, calls = run_ci_without_packages(tmp_path, tools)
    prepared = [
        "mkdir -p /etc/postgresql-common",
        "tee /etc/postgresql-common/createcluster.conf",
        "create_main_cluster = false",
        "apt-get update -qq",
    ]
    installed = [
        (
            "env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"
            " -o Dpkg::Options::=--force-confold chromium python3-venv postgresql"
        ),
        "make test, CI=1",
    ]
    assert (code, calls) == ((0, prepared + installed) if has_network else (100, prepared))


def test_without_postgresql_its_tests_are_skipped_on_a_users_machine_and_fail_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TEST_POSTGRES_URL", raising=False)
    monkeypatch.setattr(postgres, "DEBIAN_FOLDER", tmp_path)
    text = "needs PostgreSQL: install Debian's package postgresql, or set TEST_POSTGRES_URL"
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=text):
        postgres.start_or_skip()
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match=text):
        postgres.start_or_skip()


def test_every_setting_in_the_env_example_exists() -> None:
    names = re.findall(r"^#? ?([A-Z_]+)=", text(".env.example"), re.MULTILINE)
    assert {name.lower() for name in names} <= set(Settings.model_fields)
    assert {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "BITRISE_TOKEN"} <= set(names)
    assert ".env" in text(".gitignore").split()


def test_ci_runs_make_test_and_then_lists_the_slowest_tests(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "report").write_text(REPORT)
    for name, script in (
        # As pytest does if a report is requested and tests fail.
        ("make", f'cat "{tools}/report" > "${{PYTEST_ADDOPTS##*=}}"; exit 3'),
        ("chromium", "exit 0"),
        ("initdb", "exit 0"),
    ):
        (tools / name).write_text(f"#!/bin/sh\n[ $# = 0 ] || [ $1 = test ] || exit 9\n{script}\n")
        (tools / name).chmod(0o755)
    completed = subprocess.run(
        [ROOT / ".ci" / "run"],
        env={"PATH": f"{tools}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 3, completed.stderr
    first, *slowest = completed.stdout.splitlines()
    assert re.fullmatch(r"12 tests; everything took 0 min \d+ s. The slowest tests:", first)
    assert slowest == [f"{number + 0.5:7} s  tests.one.test_{number}" for number in range(11, 1, -1)]
    assert list(tmp_path.iterdir()) == [tools]


# Nouns of the field that end like a participle.
NOUNS = frozenset(
    {
        "feed",
        "finding",
        "matching",
        "parsing",
        "polling",
        "scheduling",
    }
)


def test_file_names_are_nouns() -> None:
    """Reject participles ("seen", "passing"): they do not say what a file contains."""
    packages = ("bot", "handlers", "providers", "services", "storage", "messages", "domain", "sandbox")
    files = [
        path
        for package in (*packages, "tests", "bench", "checks")
        for path in (ROOT / package).rglob("*.*")
        if path.suffix in (".py", ".js")
    ]
    assert len(files) > 500
    participles = [
        str(path.relative_to(ROOT))
        for path in files
        if (word := path.stem.rpartition("_")[2]).endswith(("ing", "ed")) and word not in NOUNS
    ]
    assert not participles
