"""What lies in the repository beside the code: it must be true, and work."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from bot.manifest import manifest
from bot.pages import stale_pages
from bot.settings import Settings
from tests.forked_bot import forked_stage
from tests.servers import held_port

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


def test_what_readme_and_docs_show_of_the_code_is_what_the_code_says() -> None:
    assert stale_pages() == []


def test_the_readme_begins_with_the_two_commands() -> None:
    first = text("README.md").split("```")[1].split("\n")
    assert [line.split("#")[0].strip() for line in first if line.strip()] == ["make sandbox", "make test"]


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "docs/buildio-api.md",
        "docs/using.md",
        "docs/operating.md",
        "docs/sandbox.md",
    ],
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", text(page)):
        assert not target or ((ROOT / page).parent / target).exists(), target


def test_every_example_in_the_docs_can_be_typed() -> None:
    from bot.commands import GRAMMARS, parse

    for page in ("README.md", "docs/using.md", "docs/sandbox.md"):
        for grammar in GRAMMARS:
            for typed in re.findall(rf"`{grammar.provider.command} ([^`]+)`", text(page)):
                if not re.search(r"[A-Z]{3}|\[|…", typed):
                    parse(typed, surface="slash", grammar=grammar)


def test_the_image_installs_what_the_lock_says_and_starts_what_make_run_starts() -> None:
    assert "-m pip install" in (install := docker("RUN")[0])
    assert "--require-hashes -r requirements.lock" in install
    assert docker("COPY")[0] == "requirements.lock ./"
    start = json.loads(docker("CMD")[-1])
    run = re.search(r"^run:.*\n\t\$\(BIN\)/(.*)$", text("Makefile"), re.MULTILINE)
    assert run is not None
    assert " ".join(start) == run[1]


def test_the_image_has_everything_that_the_program_needs() -> None:
    copied = {source for line in docker("COPY") for source in line.split()[:-1]}
    assert {"bot", "handlers", "storage", "manifest.yml"} <= copied
    assert all((ROOT / source).exists() for source in copied)
    let_in = {line.removeprefix("!") for line in text(".dockerignore").splitlines() if line.startswith("!")}
    assert copied == let_in
    assert text(".dockerignore").splitlines()[0] == "*"


def test_the_image_begins_with_a_base_that_nobody_can_exchange() -> None:
    [base] = docker("FROM")
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)
    assert not re.search(r"^(ADD|ARG)\b|curl|wget|apt-get", text("Dockerfile"), re.MULTILINE)


async def test_the_image_starts_without_the_simulators_and_says_what_they_need(tmp_path: Path) -> None:
    """What the image copies, in a folder of its own, with the dependencies of the production lock alone."""
    for line in docker("COPY"):
        for source in line.split()[:-1]:
            if (ROOT / source).is_dir():
                # What is being compiled elsewhere at this moment comes and goes under such names.
                ignored = shutil.ignore_patterns("*.pyc.*")
                shutil.copytree(ROOT / source, tmp_path / source, ignore=ignored)
            else:
                shutil.copyfile(ROOT / source, tmp_path / source)
    assert not (tmp_path / "sandbox").exists()
    only_development = pins_of("requirements-dev.lock") - pins_of("requirements.lock")
    assert "emoji" in only_development
    away = {name.replace("-", "_") for name in only_development} | {"sandbox"}
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"sys.meta_path.insert(0, type('Away', (), {{'find_spec': staticmethod(lambda name, *_: (_ for _ in ()).throw("
        f"ModuleNotFoundError(name, name=name)) if name.partition('.')[0] in {away!r} else None)}}))\n"
        "sys.argv = ['buildbell', *sys.argv[1:]]\nfrom bot.cli import main\nmain()"
    )

    async def run(*arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-c", program, *arguments),
            cwd=tmp_path,
            env={"PATH": "/usr/bin", "COLUMNS": "200"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    code, said = await run("manifest")
    assert code == 0, said
    code, said = await run("run")
    assert (code, "SLACK_BOT_TOKEN" in said) == (2, True), said
    code, said = await run("sandbox")
    assert (code, said.count("\n")) == (2, 1), said
    assert "pip install 'buildbell[sandbox]'" in said


def pins_of(lock: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==", text(lock), re.MULTILINE))


def test_what_only_the_simulators_import_is_an_extra() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extra = {requirement.partition(">")[0] for requirement in project["optional-dependencies"]["sandbox"]}
    assert extra == {"emoji", "markdown-it-py"}
    needed = {requirement.partition(">")[0] for requirement in project["dependencies"]}
    assert not extra & needed
    imports = "\n".join(
        path.read_text() for room in ("bot", "handlers", "storage") for path in (ROOT / room).rglob("*.py")
    )
    assert not re.search(r"^\s*(?:import|from) (?:emoji|markdown_it)\b", imports, re.MULTILINE)
    lock = re.search(r"^lock:\n((?:\t.*\n)+)", text("Makefile"), re.MULTILINE)
    assert lock is not None
    production, development = lock[1].splitlines()
    assert "--extra" not in production
    assert "--extra sandbox --extra dev" in development


def test_the_image_runs_as_nobody_of_rank() -> None:
    assert docker("USER") == ["buildbell"]
    dockerfile = text("Dockerfile")
    assert dockerfile.index("USER buildbell") < dockerfile.index("\nCMD ")
    assert re.search(r"useradd --uid [1-9]\d{3,} ", dockerfile)


async def test_the_images_health_check_tells_a_living_bot_from_none() -> None:
    check = json.loads(docker("HEALTHCHECK")[0].split("CMD ", 1)[1])

    async def run(port: str) -> int:
        process = await asyncio.create_subprocess_exec(
            *check, env={"PORT": port, "PATH": "/usr/bin:/usr/local/bin"}, stderr=asyncio.subprocess.DEVNULL
        )
        return await process.wait()

    check[0] = __import__("sys").executable
    async with forked_stage(manifest()) as stage:
        await stage.start()
        assert await run((await stage.bot_url()).rpartition(":")[2]) == 0
    with closing(held_port()) as nobodys:
        assert await run(str(nobodys.getsockname()[1])) != 0


def test_the_locks_have_hashes_name_no_index_and_agree() -> None:
    pins = {}
    for name in ("requirements.lock", "requirements-dev.lock"):
        lock = text(name)
        assert "://" not in lock
        assert "index" not in lock
        pins[name] = set(re.findall(r"^([\w.\[\]-]+==[^ ;\\]+)", lock, re.MULTILINE))
        assert lock.count("--hash=sha256:") >= len(pins[name])
    assert pins["requirements.lock"] <= pins["requirements-dev.lock"]


def test_the_example_settings_are_settings() -> None:
    names = re.findall(r"^#? ?([A-Z_]+)=", text(".env.example"), re.MULTILINE)
    assert {name.lower() for name in names} <= set(Settings.model_fields)
    assert {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "BITRISE_TOKEN"} <= set(names)
    assert ".env" in text(".gitignore").split()


def test_ci_runs_make_test_and_ends_with_what_took_how_long(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "report").write_text(REPORT)
    for name, script in (
        # As pytest does where it is asked for a report, and fails.
        ("make", f'cat "{tools}/report" > "${{PYTEST_ADDOPTS##*=}}"; exit 3'),
        ("chromium", "exit 0"),
    ):
        (tools / name).write_text(f"#!/bin/sh\n[ $# = 0 ] || [ $1 = test ] || exit 9\n{script}\n")
        (tools / name).chmod(0o755)
    ran = subprocess.run(
        [ROOT / ".ci" / "run"],
        env={"PATH": f"{tools}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 3, ran.stderr
    first, *slowest = ran.stdout.splitlines()
    assert re.fullmatch(r"12 tests; everything took 0 min \d+ s. The slowest tests:", first)
    assert slowest == [f"{number + 0.5:7} s  tests.one.test_{number}" for number in range(11, 1, -1)]
    assert list(tmp_path.iterdir()) == [tools]
