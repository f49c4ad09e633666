"""Bitrise, or somebody between it and the bot (SECURITY.md, D), and what others' code brings in (H)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr

from bot.bitrise import Bitrise
from bot.http import FixedToken, Http, ProviderError
from tests.operating.auditing import Audits
from tests.servers import Asked, serving

ROOT = Path(__file__).parent.parent.parent
TOKEN = "bitpat_canary-of-the-redirects"


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as opened:
        yield opened


def client(http: Http, url: str) -> Bitrise:
    token = FixedToken(SecretStr(TOKEN))
    base_url, clock = f"{url}/v0.1", lambda: datetime.now(UTC)
    return Bitrise(http, credentials=token, base_url=base_url, clock=clock, deadline=timedelta(0))


async def test_d1_a_redirect_takes_the_token_nowhere(http: Http) -> None:
    async with serving(lambda _: web.json_response({"data": {"username": "mallory", "slug": "m"}})) as thief:
        for status in (301, 302, 307, 308):
            leading = {"Location": f"{thief.url}/v0.1/me"}

            def lead_away(_: Asked, status: int = status, leading: dict[str, str] = leading) -> web.Response:
                return web.Response(status=status, headers=leading)

            async with serving(lead_away) as api:
                with pytest.raises(ProviderError):
                    await client(http, api.url).me()
                assert api.asked[0].headers["Authorization"] == f"token {TOKEN}"
        assert thief.asked == []


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b'{"data": 3}', b'{"data": {"slug": []}}', b"\xff\xfe", b"<html>"]
)
async def test_d2_a_malformed_answer_is_refused_in_words(http: Http, body: bytes) -> None:
    async with serving(lambda _: web.Response(body=body, content_type="application/json")) as api:
        with pytest.raises(ProviderError) as problem:
            await client(http, api.url).build("0" * 16, "1" * 16)
        assert str(problem.value).endswith((".", "in it", "answer")) or ":" in str(problem.value)


async def test_d3_an_answer_or_a_list_without_an_end_is_given_up(http: Http) -> None:
    def endless(asked: Asked) -> web.Response:
        number = int(asked.query.get("next", "0"), 16)
        return web.json_response(
            {"data": [], "paging": {"next": f"{number + 1:016x}", "page_item_limit": 50}}
        )

    async with serving(endless) as api:
        with pytest.raises(ProviderError, match="page"):
            async for _ in client(http, api.url).all_builds().pages():
                pass
    huge = b'{"data": "' + b"x" * (17 * 1024 * 1024) + b'"}'
    async with serving(lambda _: web.Response(body=huge, content_type="application/json")) as api:
        with pytest.raises(ProviderError, match="large"):
            await client(http, api.url).me()


def test_h1_each_dependency_is_locked_by_version_and_hash() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        packages = re.findall(r"^([a-z0-9][\w.-]*)(?:\[[^]]*\])?==", text, re.MULTILINE | re.IGNORECASE)
        blocks = re.split(r"\n(?=[a-z0-9])", text.strip(), flags=re.IGNORECASE)
        assert len(packages) == len(blocks) > 20
        assert all("--hash=sha256:" in block for block in blocks)
        assert "://" not in re.sub(r"#.*", "", text)
    install = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if "pip install" in line]
    assert len(install) == 1
    assert "--require-hashes" in install[0]
    assert "--require-hashes" in (ROOT / "Makefile").read_text()


async def test_h2_the_lock_is_audited_in_each_run_of_all_checks_and_silence_fails_in_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^test:.*\baudit\b|^check:.*\baudit\b", makefile, re.MULTILINE)
    assert re.search(r"checks\.audit requirements(-dev)?\.lock", makefile)
    # Nowhere but in .ci/run, where the reason stands, is silence accepted.
    assert "AUDIT_OFFLINE" not in makefile
    lock = tmp_path / "lock"
    lock.write_text(f"structlog==26.1.0 --hash=sha256:{'0' * 64}\n")
    async with serving(lambda _: web.json_response({})) as silent:
        audits = Audits(monkeypatch)
        for environment, expected in (({}, 0), ({"CI": "1"}, 1), ({"CI": "1", "AUDIT_OFFLINE": "1"}, 0)):
            code, said = await audits.run(str(lock), "--osv-url", f"{silent.url}/v1/query", **environment)
            assert code == expected
            assert "not audited" in said
            assert ("AUDIT_OFFLINE=1" in said) is bool(environment)


def test_h3_the_base_of_the_image_is_pinned_by_its_digest() -> None:
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert bases
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", base) for base in bases)


def test_h4_the_image_carries_nothing_that_only_development_needs() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = {
        word for line in re.findall(r"^COPY (.*)$", dockerfile, re.MULTILINE) for word in line.split()[:-1]
    }
    assert copied == {"requirements.lock", "bot", "handlers", "storage", "manifest.yml", "LICENSE"}
    lock = (ROOT / "requirements.lock").read_text()
    for package in ("emoji", "pytest", "playwright", "pip-audit", "hypothesis"):
        assert not re.search(rf"^{package}==", lock, re.MULTILINE)
